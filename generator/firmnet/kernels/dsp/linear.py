"""How does the DSP extension compute a linear layer? Rows of inputs expanded to int16, tile by tile."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...ops.weighted import fold
from ...targets import Isa
from ..spec import Kernel, register
from .few_outputs import MAX_OUTPUTS, STEP, Few, few, few_stream
from .packing import dot_over, joinable, lane_order, octet_stream, pair_stream, part_length, parts
from .tiles import Dot, Pointwise, pointwise, tiles_alike

REST_STEP_BYTES = 320
"""Of code for the channels beyond a multiple of eight, which take little of a layer's time."""


@dataclass(frozen=True)
class TiledMatrix:
    """`walk`: the tiles; `dot`: what each of their outputs is."""

    walk: Pointwise
    dot: Dot
    n_in: int
    n_out: int


@dataclass(frozen=True)
class FewMatrix:
    """`walk`: over each of the `rows`."""

    walk: Few
    rows: int


@dataclass(frozen=True)
class Row:
    """One row of inputs: `groups` of eight channels over `parts` of `steps` times four inputs; the `rest`."""

    groups: int
    parts: int
    steps: int
    rest: Few | None
    n_in: int

    @property
    def rest_words(self) -> int:
        """Words of the stream before the rest."""
        return self.groups * (8 * self.parts * self.steps + 16)


class FewLinear(Kernel):
    """One to seven outputs: all sums grow together, over rows that are read where they lie."""

    op = "linear"
    name = "few"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        n_out, n_in = call.inputs[1].shape
        return bool(n_out <= MAX_OUTPUTS and n_in >= STEP)

    def cycles(self, call: Call) -> float:
        return _few(call).cycles(_row_count(call))

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """A row is read before its outputs are written."""
        n_out, n_in = call.inputs[1].shape
        return (max(0, (_row_count(call) - 1) * (n_out - n_in)),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        walk = _few(call)
        return {"weight": few_stream(k["weight"], k["bias"], k["multiplier"], joined=walk.joined)}

    def layout(self, call: Call, k: Constants) -> FewMatrix:
        return FewMatrix(_few(call), _row_count(call))


class RowLinear(Kernel):
    """One row: eight channels at a time, each weight read once, then what remains of the channels."""

    op = "linear"
    name = "row"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        """Eight channels or more, and a shift at the end but not before, as fn_linear8 has it."""
        n_out, n_in = call.inputs[1].shape
        requant = fold(call)["requant"]
        shifts = requant.shift and not requant.pre_shift
        return bool(_row_count(call) == 1 and n_out >= 8 and shifts and (n_out % 8 == 0 or n_in >= STEP))

    def cycles(self, call: Call) -> float:
        """Around 1.2 per multiply-accumulate; as the loops of fn_expand and fn_linear8 add up."""
        row, k = _row(call), fold(call)
        expand = 40 + 24 * (row.n_in // 16) + 10 * (row.n_in % 16 // 4) + 6 * (row.n_in % 4)
        part = 37 * row.steps + 6 * -(-row.steps // 8) + 11
        flush = 27 * row.parts - 2 if row.parts > 1 else 0
        octet = 71 + row.parts * part + flush
        clamp = 48 if k["lo"] > -128 or k["hi"] < 127 else 0
        rest = row.rest.cycles(1) - 10 if row.rest else 0
        return 95 + expand + row.groups * (octet + clamp) + rest

    def scratch_bytes(self, call: Call) -> int:
        row = _row(call)
        return 8 * row.parts * row.steps

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        row = _row(call)
        octets = 8 * row.groups
        filters = k["weight"][:, lane_order(row.n_in)]
        padded = np.pad(filters[:octets], ((0, 0), (0, STEP * row.parts * row.steps - row.n_in)))
        streams = [octet_stream(padded, k["bias"][:octets], k["multiplier"][:octets]).ravel()]
        if row.rest:
            rest = (k["weight"][octets:], k["bias"][octets:], k["multiplier"][octets:])
            streams.append(few_stream(*rest, joined=row.rest.joined))
        return {"weight": np.concatenate(streams)}

    def layout(self, call: Call, k: Constants) -> Row:
        return _row(call)


class RowsLinear(Kernel):
    """Any number of rows, as the pixels of a 1x1 convolution."""

    op = "linear"
    name = "rows"
    isa = Isa.DSP

    def cycles(self, call: Call) -> float:
        weight = call.inputs[1].values
        return _rows(call).cycles(len(weight), joinable(weight))

    def scratch_bytes(self, call: Call) -> int:
        return _rows(call).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (_rows(call).overlap(call.output.shape[-1]),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        filters, dot = _in_lanes(k["weight"]), self.layout(call, k).dot
        return {"weight": pair_stream(dot, filters, k["bias"], k["multiplier"]).ravel()}

    def layout(self, call: Call, k: Constants) -> TiledMatrix:
        n_out, n_in = k["weight"].shape
        return TiledMatrix(_rows(call), dot_over([(_in_lanes(k["weight"]), k["bias"])], k), n_in, n_out)

    def alike(self, call: Call, k: Constants) -> Hashable:
        walk, pairs, n_out = _rows(call), self.layout(call, k).dot, len(k["weight"])
        return tiles_alike(walk.tiles.x_step, n_out, n_out, walk.contiguous, pairs, k["requant"].shift)


def _in_lanes(weight: Array) -> Array:
    """Rows (N, K) in the order of expanded inputs."""
    return weight[:, lane_order(weight.shape[1])]


def _row_count(call: Call) -> int:
    return call.inputs[0].size // int(call.inputs[1].shape[1])


def _few(call: Call) -> Few:
    weight = call.inputs[1].values
    return few(weight.shape[1], len(weight), joined=joinable(weight))


def _row(call: Call) -> Row:
    weight = call.inputs[1].values
    n_out, n_in = weight.shape
    octets, rest = np.split(weight, [n_out // 8 * 8])
    count = parts(octets[:, lane_order(n_in)], STEP)
    walk = few(n_in, len(rest), joined=joinable(rest), step_bytes=REST_STEP_BYTES) if len(rest) else None
    return Row(n_out // 8, count, part_length(n_in, STEP, count) // STEP, walk, n_in)


def _rows(call: Call) -> Pointwise:
    n_out, n_in = call.inputs[1].shape
    return pointwise(1, _row_count(call), n_in, n_out, (1, 1))


for kernel in (FewLinear(), RowLinear(), RowsLinear()):
    register(kernel)
