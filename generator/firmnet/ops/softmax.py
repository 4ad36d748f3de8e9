"""softmax: exponentials from a table, or from the product of two, their sum in uint32, one division per value
(docs/numerics.md).
"""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape, Tensor
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import same_rows

OUTPUT = QParams((1 / 256,), -128)
WIDE_OUTPUT = QParams((1 / 32768,), 0, Dtype.INT16)
MOST_WHOLE = 2**15
"""The finest output is 1/2^15: exponentials have 16 bits then, and are off by a quarter of that at most."""
COARSE_ABOVE = 1 / 8
"""A probability above which the output keeps 1/256."""
FACTOR_BITS = 30
"""Of an entry of the two tables whose products are the exponentials of int16."""


@dataclass(frozen=True)
class SoftmaxAttrs:
    axis: int


class Softmax(Op):
    """Output scale 1/256, zero point −128: a probability of 1 reads as 255/256. Of int16 it is 1/32768.

    Where all probabilities are small, as over hundreds of positions, int8 is finer by a power of two.
    """

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

    def fitted_qparams(self, q: QParams, highest: float) -> QParams:
        if q != OUTPUT or not 0 < highest <= COARSE_ABOVE:
            return q
        whole = 2.0 ** np.floor(np.log2(255 / highest))
        return QParams((float(1 / min(whole, MOST_WHOLE)),), -128)

    def remap(self, attrs: SoftmaxAttrs, order: Shape) -> SoftmaxAttrs:
        return SoftmaxAttrs(order[attrs.axis])

    def prepare(self, call: Call) -> Constants:
        """n·2^bits ≤ 2^31 bounds the sum, whole·2^bits + sum/2 < 2^32 the numerator: `whole` is 1 in steps of
        an int8 output; 256 stands for it where the output is int16, whose numerator has 64 bits.

        An exponential of int16 is that of the upper 8 bits of a distance times that of the lower.
        """
        x = call.inputs[0]
        n = x.shape[call.attrs.axis]
        whole = _whole(call.output)
        steps_of_one = whole if call.output.dtype is Dtype.INT8 else 256
        bits = min(32 - steps_of_one.bit_length(), 31 - (n - 1).bit_length())
        types = {"x_dtype": x.dtype, "dtype": call.output.dtype, "whole": whole}
        return {**tabled_exponentials(x, bits), **types}

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis) if axis != call.attrs.axis else None

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x, axis = inputs[0].astype(np.int64), call.attrs.axis
        e = exponentials(k, x.max(axis, keepdims=True) - x)
        total = e.sum(axis, keepdims=True)
        y: Array = (k["whole"] * e + total // 2) // total + call.output.zero_point
        return np.minimum(call.output.dtype.high, y).astype(call.output.dtype.numpy)


def _whole(y: Tensor) -> int:
    """A probability of 1 in steps of the output; ValueError for an output that no softmax has."""
    whole = round(1 / y.scale)
    known = [2**i for i in range(8, MOST_WHOLE.bit_length())] if y.dtype is Dtype.INT8 else [32768]
    if whole not in known or y.scale != 1 / whole or y.zero_point != (-128 if y.dtype is Dtype.INT8 else 0):
        raise ValueError(f"layer {y.name!r}: a softmax does not have the scale {y.scale:g}")
    return whole


def tabled_exponentials(x: Tensor, bits: int) -> Constants:
    """What `exponentials` reads: of int8 all 256, of int16 two tables of factors; 2^bits is that of 0."""
    if x.dtype is Dtype.INT8:
        e = 2.0**bits * np.exp(-x.scale * np.arange(256))
        return {"exponentials": np.rint(e).astype(np.uint32)}
    steps = np.arange(256) * x.scale
    coarse, fine = (np.rint(2.0**FACTOR_BITS * np.exp(-d)).astype(np.uint32) for d in (256 * steps, steps))
    return {"coarse": coarse, "fine": fine, "drop": 2 * FACTOR_BITS - bits}


def exponentials(k: Constants, distances: Array) -> Array:
    """Of int64 distances from the largest value."""
    if "exponentials" in k:
        found: Array = k["exponentials"].astype(np.int64)[distances]
        return found
    product = k["coarse"].astype(np.int64)[distances >> 8] * k["fine"].astype(np.int64)[distances & 255]
    rounded: Array = (product + (1 << (k["drop"] - 1))) >> k["drop"]
    return rounded


register(Softmax())
