"""reshape: the same bytes under another shape; it costs nothing on the device."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, register


@dataclass(frozen=True)
class ReshapeAttrs:
    shape: Shape


class Reshape(Op):
    """Also the home of the operators that vanish: clone, contiguous, dropout."""

    name = "reshape"
    attrs = ReshapeAttrs
    view = True
    keeps_qparams = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: ReshapeAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if np.prod(attrs.shape, dtype=np.int64) != np.prod(x, dtype=np.int64):
            raise ValueError(f"reshape to {attrs.shape} does not fit shape {x}")
        return attrs.shape

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return inputs[0].reshape(call.attrs.shape)

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return inputs[0].reshape(call.attrs.shape)


register(Reshape())
