"""linear: y = clamp(x · wᵀ + b) over the last axis, weights int8 with one scale per output feature."""

from dataclasses import dataclass

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import same_rows
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
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

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
        return fold(call)

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis) if axis < len(call.inputs[0].shape) - 1 else None

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return multiply(inputs[0], k)

    def macs(self, call: Call) -> int:
        return call.inputs[0].size * call.output.shape[-1]


register(Linear())
