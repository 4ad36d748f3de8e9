"""softmax: exponentials from a table, their sum in uint32, one division per value (docs/numerics.md)."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, QParams, Shape
from .spec import Constants, Op, Stripe, register
from .stripes import same_rows

OUTPUT = QParams((1 / 256,), -128)
MAX_BITS = 23


@dataclass(frozen=True)
class SoftmaxAttrs:
    axis: int


class Softmax(Op):
    """Output scale 1/256, zero point −128: a probability of 1 reads as 255/256."""

    name = "softmax"
    attrs = SoftmaxAttrs

    def shape(self, attrs: SoftmaxAttrs, *inputs: Shape) -> Shape:
        return inputs[0]

    def run_float(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        e = np.exp(x - x.max(call.attrs.axis, keepdims=True))
        y: Array = e / e.sum(call.attrs.axis, keepdims=True)
        return y

    def output_qparams(self, attrs: SoftmaxAttrs) -> QParams:
        return OUTPUT

    def remap(self, attrs: SoftmaxAttrs, order: Shape) -> SoftmaxAttrs:
        return SoftmaxAttrs(order[attrs.axis])

    def prepare(self, call: Call) -> Constants:
        """n·2^bits ≤ 2^31 bounds the sum, and 256·2^bits + sum/2 < 2^32 the numerator."""
        x = call.inputs[0]
        n = x.shape[call.attrs.axis]
        bits = min(MAX_BITS, 31 - (n - 1).bit_length())
        return {
            "exponentials": np.rint(2.0**bits * np.exp(-x.scale * np.arange(256))).astype(np.uint32),
        }

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x, axis = inputs[0].astype(np.int64), call.attrs.axis
        e = k["exponentials"].astype(np.int64)[x.max(axis, keepdims=True) - x]
        total = e.sum(axis, keepdims=True)
        y: Array = np.minimum(127, (256 * e + total // 2) // total - 128)
        return y.astype(np.int8)


register(Softmax())
