"""How does the DSP extension compute a linear layer? Rows of inputs expanded to int16, tile by tile."""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...ops.weighted import fold
from ...targets import Isa
from ..spec import Kernel, register
from .packing import joinable, lane_order, octet_stream, pair_stream, worth_joining
from .tiles import Dot, Pointwise, Row, dot, pointwise, row


@dataclass(frozen=True)
class Matrix:
    """`walk`: the tiles; `dot`: what each of their outputs is."""

    walk: Pointwise | Row
    dot: Dot
    n_in: int
    n_out: int


class RowLinear(Kernel):
    """One row: eight channels at a time, each weight read once; what remains of the channels in pairs."""

    op = "linear"
    name = "row"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        """Where fn_linear8 can: eight channels or more, joined, and a shift at the end but not before."""
        x, w = call.inputs[:2]
        n_out, n_in = w.shape
        requant = fold(call)["requant"]
        shifts = requant.shift and not requant.pre_shift
        return bool(x.size == n_in and n_out >= 8 and shifts and joinable(w.values))

    def scratch_bytes(self, call: Call) -> int:
        return _row(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        filters, octets = k["weight"][:, lane_order(k["weight"].shape[1])], 8 * _row(call).groups
        arrays = (filters, k["bias"], k["multiplier"])
        first = octet_stream(*[a[:octets] for a in arrays])
        rest = pair_stream(*[a[octets:] for a in arrays], joined=worth_joining(filters[octets:]))
        return {"weight": np.concatenate([first.ravel(), rest.ravel()])}

    def layout(self, call: Call, k: Constants) -> Matrix:
        n_out, n_in = k["weight"].shape
        walk = _row(call)
        pairs = dot(-(-n_in // 2), worth_joining(k["weight"][8 * walk.groups :]))
        return Matrix(walk, pairs, n_in, n_out)


class RowsLinear(Kernel):
    """Any number of rows, as the pixels of a 1x1 convolution."""

    op = "linear"
    name = "rows"
    isa = Isa.DSP

    def scratch_bytes(self, call: Call) -> int:
        return _rows(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (_rows(call).overlap(call.output.shape[-1]),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        filters = k["weight"][:, lane_order(k["weight"].shape[1])]
        stream = pair_stream(filters, k["bias"], k["multiplier"], joined=worth_joining(filters))
        return {"weight": stream.ravel()}

    def layout(self, call: Call, k: Constants) -> Matrix:
        n_out, n_in = k["weight"].shape
        return Matrix(_rows(call), dot(-(-n_in // 2), worth_joining(k["weight"])), n_in, n_out)


def _row(call: Call) -> Row:
    n_out, n_in = call.inputs[1].shape
    return row(n_in, n_out)


def _rows(call: Call) -> Pointwise:
    n_out, n_in = call.inputs[1].shape
    return pointwise(1, call.inputs[0].size // n_in, n_in, n_out, (1, 1))


register(RowLinear())
register(RowsLinear())
