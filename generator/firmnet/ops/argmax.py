"""argmax: where along an axis the largest value is, the first of equals; an int32 of scale 1."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape
from .spec import Constants, Op, register

WHOLE_NUMBERS = QParams((1.0,), 0, Dtype.INT32)


@dataclass(frozen=True)
class ArgmaxAttrs:
    axis: int


class Argmax(Op):
    """The axis stays, with size 1."""

    name = "argmax"
    attrs = ArgmaxAttrs
    dtypes = tuple(Dtype)

    def shape(self, attrs: ArgmaxAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if not 0 <= attrs.axis < len(x):
            raise ValueError(f"argmax along axis {attrs.axis} does not fit shape {x}")
        return (*x[: attrs.axis], 1, *x[attrs.axis + 1 :])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _places(inputs[0], call).astype(np.float64)

    def output_qparams(self, attrs: ArgmaxAttrs, dtype: Dtype = Dtype.INT8) -> QParams:
        return WHOLE_NUMBERS

    def remap(self, attrs: ArgmaxAttrs, order: Shape) -> ArgmaxAttrs:
        return ArgmaxAttrs(order[attrs.axis])

    def refuses(self, call: Call) -> str:
        """It reads any type, and writes one."""
        y = call.output
        return (
            "" if y.dtype is Dtype.INT32 else f"writes int32, and {y.name!r} is {y.dtype}: rescale behind it"
        )

    def prepare(self, call: Call) -> Constants:
        if call.output.q != WHOLE_NUMBERS:
            raise ValueError(f"argmax {call.output.name!r} counts in steps of 1, and its output does not")
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _places(inputs[0], call).astype(np.int32)


def _places(x: Array, call: Call) -> Array:
    found: Array = np.argmax(x, call.attrs.axis, keepdims=True)
    return found


register(Argmax())
