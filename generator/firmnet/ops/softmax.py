"""softmax: exponentials from a table, their sum in uint32, one division per value (design §4)."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, QParams, Shape
from .spec import Constants, Op, Stripe, register
from .stripes import same_rows

OUTPUT = QParams((1 / 256,), -128)
MAX_BITS = 23
DSP_LANES = range(8, 2**21 + 1)
"""Values of a lane: fewer are unrolled by the compiler, and faster; of more, the reciprocal is no int32."""


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

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        return (0 if _lies_whole(call) else None,)

    def prepare(self, call: Call) -> Constants:
        """n·2^bits ≤ 2^31 bounds the sum, and 256·2^bits + sum/2 < 2^32 the numerator.

        `least_sum` is the smallest sum with which the share of 2^bits, the largest exponential, is 255 and
        not 256. The DSP kernel raises smaller sums to it instead of saturating: all other shares are 0 with
        either. A share of 1 takes 512·e ≥ sum, so e ≥ 2^bits/511 as sum ≥ 2^bits + e; but then sum − 2^bits
        ≤ 2^bits/511 bounds e too, and that is no integer.
        """
        x, axis = call.inputs[0], call.attrs.axis
        n = x.shape[axis]
        bits = min(MAX_BITS, 31 - (n - 1).bit_length())
        return {
            "exponentials": np.rint(2.0**bits * np.exp(-x.scale * np.arange(256))).astype(np.uint32),
            "least_sum": (512 << bits) // 511 + 1,
            "n": n,
            "outer": int(np.prod(x.shape[:axis], dtype=np.int64)),
            "inner": int(np.prod(x.shape[axis + 1 :], dtype=np.int64)),
        }

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        """From the least to the largest, as inputs go."""
        return {"exponentials": k["exponentials"][::-1]}

    def variant(self, call: Call, dsp: bool) -> str:
        fits = call.output.shape[call.attrs.axis] in DSP_LANES and _lies_whole(call)
        return "dsp" if dsp and fits else ""

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x, axis = inputs[0].astype(np.int64), call.attrs.axis
        e = k["exponentials"].astype(np.int64)[x.max(axis, keepdims=True) - x]
        total = e.sum(axis, keepdims=True)
        y: Array = np.minimum(127, (256 * e + total // 2) // total - 128)
        return y.astype(np.int8)


def _lies_whole(call: Call) -> bool:
    """Are the values of a lane neighbours in memory?"""
    return call.output.size == int(np.prod(call.output.shape[: call.attrs.axis + 1], dtype=np.int64))


register(Softmax())
