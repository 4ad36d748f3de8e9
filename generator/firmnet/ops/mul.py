"""mul: y = clamp(a · b) of two activations of one shape, or b repeated along axes where it has size 1."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype
from ..qmath import clamp_bounds, requant_of_sums
from .broadcasting import BroadcastOp
from .rescale import farthest
from .spec import Constants, register
from .weighted import clamped, requantized


@dataclass(frozen=True)
class MulAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


class Mul(BroadcastOp):
    name = "mul"
    attrs = MulAttrs
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def run_float(self, call: Call, *inputs: Array) -> Array:
        a, b = inputs
        return clamped(a * b, call.attrs.lo, call.attrs.hi)

    def prepare(self, call: Call) -> Constants:
        """A product is at most 255² or 2^30."""
        return of_products(call, 1)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        product = (a - k["a_zero_point"]) * (b - k["b_zero_point"])
        return requantized(product, k).reshape(product.shape)  # a single value has no axis


def of_products(call: Call, count: int) -> Constants:
    """Constants of (a, b) → sums of so many products. OverflowError where neither 32 nor 64 bits hold one."""
    (a, b), y = call.inputs, call.output
    worst = count * farthest(a) * farthest(b)
    r = requant_of_sums(np.array([a.scale * b.scale / y.scale]), worst)
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


register(Mul())
