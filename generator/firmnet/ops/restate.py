"""restate: y = scale · x + shift as the same bytes, whose scale and zero point say it: a view."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, QParams, Shape
from .spec import Constants, Op, Slide, register


@dataclass(frozen=True)
class RestateAttrs:
    """`scale` > 0."""

    scale: float
    shift: float

    @property
    def zero(self) -> float:
        """The x that becomes 0."""
        return -self.shift / self.scale

    def restated(self, x: QParams) -> QParams:
        """What the bytes of x stand for as y, the zero point rounded: see `lost`."""
        (step,) = x.scale
        place = int(np.clip(np.rint(x.zero_point + self.zero / step), x.dtype.low, x.dtype.high))
        return QParams((step * self.scale,), place, x.dtype)

    def lost(self, x: QParams) -> float:
        """By how much y is larger than `restated` says, at every level."""
        (step,) = x.scale
        return step * self.scale * (self.restated(x).zero_point - x.zero_point) + self.shift


class Restate(Op):
    """The layers that read it have in their bias what its zero point is rounded by (quantize/apply.py)."""

    name = "restate"
    attrs = RestateAttrs
    view = True

    def shape(self, attrs: RestateAttrs, *inputs: Shape) -> Shape:
        if not attrs.scale > 0:
            raise ValueError(f"a restated scale is positive, not {attrs.scale}")
        return inputs[0]

    def run_float(self, call: Call, *inputs: Array) -> Array:
        y: Array = inputs[0] * call.attrs.scale + call.attrs.shift
        return y

    def remap(self, attrs: RestateAttrs, order: Shape) -> RestateAttrs:
        return attrs

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis)

    def prepare(self, call: Call) -> Constants:
        if call.output.q != call.attrs.restated(call.inputs[0].q):
            raise ValueError(f"restate {call.output.name!r}: its scale is not that of its input, restated")
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return inputs[0]


register(Restate())
