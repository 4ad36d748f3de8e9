"""mul: y = clamp(a · b) of two activations of one shape, or b repeated along axes where it has size 1."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import clamp_bounds, requant_of_sums
from .rescale import farthest
from .spec import Constants, Op, Stripe, register
from .stripes import cut
from .weighted import clamped, requantized


@dataclass(frozen=True)
class MulAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


class Mul(Op):
    """Of one shape, or a gate: (1, H, W, C) times (1, 1, 1, C), or any other axes that the gate lacks."""

    name = "mul"
    attrs = MulAttrs
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: MulAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != len(b) or any(n not in (m, 1) for m, n in zip(a, b, strict=True)):
            raise ValueError(f"mul needs two equal shapes, or one with sizes of 1 instead, got {a} and {b}")
        return a

    def run_float(self, call: Call, *inputs: Array) -> Array:
        a, b = inputs
        return clamped(a * b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: MulAttrs, order: Shape) -> MulAttrs:
        return attrs

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Of a gate without rows, its only one."""
        return cut(call, rows, *[range(1) if t.shape[1:2] == (1,) else rows for t in call.inputs])

    def prepare(self, call: Call) -> Constants:
        """Raises OverflowError where the product, at most 255² or 2^30, would leave int32 with the
        pre-shift.
        """
        (a, b), y = call.inputs, call.output
        r = requant_of_sums(np.array([a.scale * b.scale / y.scale]), farthest(a) * farthest(b))
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "a_zero_point": a.zero_point,
            "b_zero_point": b.zero_point,
            "requant": r,
            "multiplier": int(r.multiplier[0]),
            "zero_point": y.zero_point,
            "lo": lo,
            "hi": hi,
            "a_dtype": a.dtype,
            "b_dtype": b.dtype,
            "dtype": y.dtype,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        product = (a - k["a_zero_point"]) * (b - k["b_zero_point"])
        return requantized(product, k).reshape(product.shape)  # a single value has no axis


register(Mul())
