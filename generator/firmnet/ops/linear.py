"""linear: y = clamp(x · wᵀ + b) over the last axis, int8 with one weight scale per output feature."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape
from .packing import joinable, lane_order, octet_stream, pair_stream, worth_joining
from .spec import Constants, Cost, Op, Stripe, register
from .stripes import same_rows
from .tiles import Pointwise, Row, dot, pointwise, row
from .weighted import clamped, fold, multiply


@dataclass(frozen=True)
class LinearAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


class Linear(Op):
    """x (1, …, K), weight (N, K), bias (N,) → (1, …, N)."""

    name = "linear"
    attrs = LinearAttrs
    weighted = True
    clamps = True

    def shape(self, attrs: LinearAttrs, *inputs: Shape) -> Shape:
        x, w, _ = inputs
        if x[-1] != w[1]:
            raise ValueError(f"linear expects {w[1]} features on the last axis, got shape {x}")
        return (*x[:-1], w[0])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x, w, b = inputs
        return clamped(x @ w.T + b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: LinearAttrs, order: Shape) -> LinearAttrs | None:
        return attrs if order[-1] == len(order) - 1 else None

    def prepare(self, call: Call) -> Constants:
        x, y = call.inputs[0], call.output
        k = {**fold(call), "rows": x.size // x.shape[-1], "n_in": x.shape[-1], "n_out": y.shape[-1]}
        layout = _layout(call)
        in_pairs = k["weight"][_octets(layout) :]
        pairs = dot(-(-k["n_in"] // 2))
        return {**k, "layout": layout, "dot": pairs, "joined": worth_joining(in_pairs)}

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        if not dsp:
            return super().pack(call, k, dsp)
        rows, split = k["weight"][:, lane_order(k["n_in"])], _octets(k["layout"])
        arrays = (rows, k["bias"], k["multiplier"])
        octets = octet_stream(*[a[:split] for a in arrays])
        pairs = pair_stream(*[a[split:] for a in arrays], joined=k["joined"])
        return {"weight": np.concatenate([octets.ravel(), pairs.ravel()])}

    def variant(self, call: Call, dsp: bool) -> str:
        return {Row: "row", Pointwise: "rows"}[type(_layout(call))] if dsp else ""

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        layout = _layout(call)
        if not dsp:
            return (None,)
        return (layout.overlap(call.output.shape[-1]) if isinstance(layout, Pointwise) else 0,)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return multiply(inputs[0], k)

    def cost(self, call: Call, dsp: bool) -> Cost:
        n_out, n_in = call.inputs[1].shape
        macs = call.inputs[0].size // n_in * n_out * n_in
        return Cost(macs, _layout(call).scratch_bytes if dsp else 0)


def _layout(call: Call) -> Row | Pointwise:
    """How the layer meets the DSP extension: one row eight channels at a time, where fn_linear8 can."""
    x, w = call.inputs[:2]
    n_out, n_in = w.shape
    requant = fold(call)["requant"]
    if x.size == n_in and n_out >= 8 and requant.shift and not requant.pre_shift and joinable(w.values):
        return row(n_in, n_out)
    return pointwise(1, x.size // n_in, n_in, n_out, (1, 1))


def _octets(layout: Row | Pointwise) -> int:
    """Channels that go eight at a time."""
    return 8 * layout.groups if isinstance(layout, Row) else 0


register(Linear())
