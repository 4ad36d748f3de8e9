"""reshape: the same bytes under another shape; it costs nothing on the device."""

from dataclasses import dataclass
from math import prod

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Slide, register


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

    def slide(self, call: Call, axis: int) -> Slide | None:
        """Where the axis stays one, or becomes several, of which the first goes on as it did."""
        first = _first_part(call.inputs[0].shape, call.attrs.shape, axis)
        if first is None:
            return None
        step = call.inputs[0].shape[axis] // call.attrs.shape[first]
        return Slide(first, step, 0, step)

    def slid(self, call: Call, axis: int, places: int) -> ReshapeAttrs:
        shape = call.attrs.shape
        first = _first_part(call.inputs[0].shape, shape, axis)
        assert first is not None
        return ReshapeAttrs((*shape[:first], places, *shape[first + 1 :]))

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return inputs[0].reshape(call.attrs.shape)


def _first_part(x: Shape, y: Shape, axis: int) -> int | None:
    """The axis of y, of more than one place, that is x's axis, or the first of those that it became."""
    before, size = prod(x[:axis]), x[axis]
    for first in range(len(y)):
        if prod(y[:first]) == before and y[first] > 1:
            return first if any(prod(y[first:end]) == size for end in range(first + 1, len(y) + 1)) else None
    return None


register(Reshape())
