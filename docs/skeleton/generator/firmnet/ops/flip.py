"""flip: the values along an axis in the opposite order."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape
from .spec import Constants, Op, register


@dataclass(frozen=True)
class FlipAttrs:
    """The options: which axis."""

    axis: int


class Flip(Op):
    name = "flip"
    attrs = FlipAttrs
    keeps_qparams = True

    def shape(self, attrs: FlipAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if not 0 <= attrs.axis < len(x):
            raise ValueError(f"flip along axis {attrs.axis} does not fit shape {x}")
        return x

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return np.flip(inputs[0], call.attrs.axis)

    def remap(self, attrs: FlipAttrs, order: Shape) -> FlipAttrs:
        return FlipAttrs(order[attrs.axis])

    def prepare(self, call: Call) -> Constants:
        """No constants; an op that computes has its multipliers and zero points here, or a table."""
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return np.flip(inputs[0], call.attrs.axis)


register(Flip())
