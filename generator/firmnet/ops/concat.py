"""concat: inputs of one scale and zero point, one after the other along an axis."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Stripe, register
from .stripes import same_rows


@dataclass(frozen=True)
class ConcatAttrs:
    axis: int


class Concat(Op):
    name = "concat"
    attrs = ConcatAttrs
    keeps_qparams = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: ConcatAttrs, *inputs: Shape) -> Shape:
        first, axis = inputs[0], attrs.axis
        if any((*x[:axis], 0, *x[axis + 1 :]) != (*first[:axis], 0, *first[axis + 1 :]) for x in inputs):
            raise ValueError(f"concat along axis {axis} needs equal other axes, got {inputs}")
        return (*first[:axis], sum(x[axis] for x in inputs), *first[axis + 1 :])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return np.concatenate(inputs, call.attrs.axis)

    def remap(self, attrs: ConcatAttrs, order: Shape) -> ConcatAttrs:
        return ConcatAttrs(order[attrs.axis])

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return np.concatenate(inputs, call.attrs.axis)


register(Concat())
