"""softmax: exponentials from a table, or from the product of two, their sum in uint32, one division per value
(docs/numerics.md).
"""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape
from .spec import Constants, Op, Stripe, register
from .stripes import same_rows

OUTPUT = QParams((1 / 256,), -128)
WIDE_OUTPUT = QParams((1 / 32768,), 0, Dtype.INT16)
MAX_BITS = 23
FACTOR_BITS = 30
"""Of an entry of the two tables whose products are the exponentials of int16."""


@dataclass(frozen=True)
class SoftmaxAttrs:
    axis: int


class Softmax(Op):
    """Output scale 1/256, zero point −128: a probability of 1 reads as 255/256. Of int16 it is 1/32768."""

    name = "softmax"
    attrs = SoftmaxAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: SoftmaxAttrs, *inputs: Shape) -> Shape:
        return inputs[0]

    def run_float(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        e = np.exp(x - x.max(call.attrs.axis, keepdims=True))
        y: Array = e / e.sum(call.attrs.axis, keepdims=True)
        return y

    def output_qparams(self, attrs: SoftmaxAttrs, dtype: Dtype = Dtype.INT8) -> QParams:
        return WIDE_OUTPUT if dtype is Dtype.INT16 else OUTPUT

    def remap(self, attrs: SoftmaxAttrs, order: Shape) -> SoftmaxAttrs:
        return SoftmaxAttrs(order[attrs.axis])

    def prepare(self, call: Call) -> Constants:
        """n·2^bits ≤ 2^31 bounds the sum, and 256·2^bits + sum/2 < 2^32 the numerator.

        An exponential of int16 is that of the upper 8 bits of a distance times that of the lower.
        """
        x = call.inputs[0]
        n = x.shape[call.attrs.axis]
        bits = min(MAX_BITS, 31 - (n - 1).bit_length())
        types = {"x_dtype": x.dtype, "dtype": call.output.dtype}
        if x.dtype is Dtype.INT8:
            e = 2.0**bits * np.exp(-x.scale * np.arange(256))
            return {"exponentials": np.rint(e).astype(np.uint32), **types}
        steps = np.arange(256) * x.scale
        coarse, fine = (
            np.rint(2.0**FACTOR_BITS * np.exp(-d)).astype(np.uint32) for d in (256 * steps, steps)
        )
        return {"coarse": coarse, "fine": fine, "drop": 2 * FACTOR_BITS - bits, **types}

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x, axis = inputs[0].astype(np.int64), call.attrs.axis
        e = _exponentials(k, x.max(axis, keepdims=True) - x)
        total, whole = e.sum(axis, keepdims=True), round(1 / call.output.scale)
        y: Array = (whole * e + total // 2) // total + call.output.zero_point
        return np.minimum(call.output.dtype.high, y).astype(call.output.dtype.numpy)


def _exponentials(k: Constants, distances: Array) -> Array:
    """Of int64 distances from the largest value."""
    if "exponentials" in k:
        found: Array = k["exponentials"].astype(np.int64)[distances]
        return found
    product = k["coarse"].astype(np.int64)[distances >> 8] * k["fine"].astype(np.int64)[distances & 255]
    rounded: Array = (product + (1 << (k["drop"] - 1))) >> k["drop"]
    return rounded


register(Softmax())
