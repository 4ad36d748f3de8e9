"""pad: the input with rows of real zero around it, any axis."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Slide, register
from .windows import Padding


@dataclass(frozen=True)
class PadAttrs:
    """How many zeros go before and after the values, per axis."""

    before: Shape
    after: Shape

    @property
    def image_padding(self) -> Padding | None:
        """(top, bottom, left, right) where only the height and width of a channels-last image grow."""
        if len(self.before) != 4 or any(n[axis] for n in (self.before, self.after) for axis in (0, 3)):
            return None
        return self.before[1], self.after[1], self.before[2], self.after[2]


class Pad(Op):
    name = "pad"
    attrs = PadAttrs
    keeps_qparams = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: PadAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if not len(attrs.before) == len(attrs.after) == len(x):
            raise ValueError(f"padding {attrs.before} and {attrs.after} does not fit shape {x}")
        if min((*attrs.before, *attrs.after), default=0) < 0:
            raise ValueError(f"padding {attrs.before} and {attrs.after}: it must be zero or more")
        return tuple(b + n + a for b, n, a in zip(attrs.before, x, attrs.after, strict=True))

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _padded(inputs[0], call.attrs, 0.0)

    def remap(self, attrs: PadAttrs, order: Shape) -> PadAttrs:
        place = np.argsort(order)
        return PadAttrs(tuple(attrs.before[i] for i in place), tuple(attrs.after[i] for i in place))

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis, 1, -call.attrs.before[axis])

    def slid(self, call: Call, axis: int, places: int) -> PadAttrs:
        before, after = (
            tuple(0 if other == axis else n for other, n in enumerate(along))
            for along in (call.attrs.before, call.attrs.after)
        )
        return PadAttrs(before, after)

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {"zero_point": call.output.zero_point}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _padded(inputs[0], call.attrs, k["zero_point"])


def _padded(x: Array, attrs: PadAttrs, value: float) -> Array:
    return np.pad(x, list(zip(attrs.before, attrs.after, strict=True)), constant_values=value)


register(Pad())
