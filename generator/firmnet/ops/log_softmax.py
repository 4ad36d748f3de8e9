"""log_softmax: x less the largest value, less the logarithm of the sum of exponentials of that.

The exponentials are softmax's, the logarithm to the base 2 is found bit by bit (docs/numerics.md).
"""

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import MAX_SHIFT, logarithms
from .softmax import SoftmaxAttrs, exponentials, tabled_exponentials
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import same_rows

MOST_BITS = 23
"""Of an exponential."""


class LogSoftmax(Op):
    name = "log_softmax"
    attrs = SoftmaxAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: SoftmaxAttrs, *inputs: Shape) -> Shape:
        if not 0 <= attrs.axis < len(inputs[0]):
            raise ValueError(f"log_softmax along axis {attrs.axis} of {inputs[0]}")
        return inputs[0]

    def run_float(self, call: Call, *inputs: Array) -> Array:
        below = inputs[0] - inputs[0].max(call.attrs.axis, keepdims=True)
        y: Array = below - np.log(np.exp(below).sum(call.attrs.axis, keepdims=True))
        return y

    def remap(self, attrs: SoftmaxAttrs, order: Shape) -> SoftmaxAttrs:
        return SoftmaxAttrs(order[attrs.axis])

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis) if axis != call.attrs.axis else None

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def prepare(self, call: Call) -> Constants:
        """All products are of 32 bits and at most 22, so their sum is an int64. Raises ValueError where the
        output is too fine for that.
        """
        x, y = call.inputs[0], call.output
        n = x.shape[call.attrs.axis]
        bits = min(MOST_BITS, 31 - (n - 1).bit_length())
        factors = np.array([x.scale, np.log(2) / 2**16]) / y.scale
        shift = next((s for s in range(MAX_SHIFT, 0, -1) if round(factors.max() * 2**s) < 2**31), 0)
        if not shift:
            raise ValueError(f"layer {y.name!r}: the output range is far too small")
        distance, logarithm = (round(float(f) * 2.0**shift) for f in factors)
        return {
            **tabled_exponentials(x, bits),
            "bits": bits,
            "distance": distance,
            "logarithm": logarithm,
            "shift": shift,
            "offset": (y.zero_point << shift) + (1 << (shift - 1)),
            "x_dtype": x.dtype,
            "dtype": y.dtype,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x, axis = inputs[0].astype(np.int64), call.attrs.axis
        below = x.max(axis, keepdims=True) - x
        sums = exponentials(k, below).sum(axis, keepdims=True)
        whole = (logarithms(sums) - (k["bits"] << 16)) * k["logarithm"]
        y = (k["offset"] - whole - below * k["distance"]) >> k["shift"]
        made: Array = np.clip(y, k["dtype"].low, k["dtype"].high).astype(k["dtype"].numpy)
        return made


register(LogSoftmax())
