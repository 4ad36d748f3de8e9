"""slice: some entries of every axis, at even steps: parts, every second one, the last first, one repeated."""

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import cut


@dataclass(frozen=True)
class SliceAttrs:
    """Entry i of the output's axis a is entry start[a] + i·step[a] of the input's, for i below size[a].

    A step below 0 walks backwards, a step of 0 repeats one entry.
    """

    start: Shape
    step: Shape
    size: Shape

    def places(self, axis: int) -> Array:
        """Which entries of the input's axis the output has, in its order."""
        return self.start[axis] + self.step[axis] * np.arange(self.size[axis])

    def cut_axes(self, shape: Shape) -> list[int]:
        """Those of an input of this shape that the output does not have whole, in their own order."""
        return [axis for axis, size in enumerate(shape) if self.places(axis).tolist() != list(range(size))]


class Slice(Op):
    name = "slice"
    attrs = SliceAttrs
    keeps_qparams = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: SliceAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if not len(attrs.start) == len(attrs.step) == len(attrs.size) == len(x):
            raise ValueError(f"a slice of {len(attrs.size)} axes does not fit shape {x}")
        for axis, n in enumerate(x):
            first, last = attrs.start[axis], attrs.start[axis] + (attrs.size[axis] - 1) * attrs.step[axis]
            if attrs.size[axis] < 1 or not (0 <= first < n and 0 <= last < n):
                raise ValueError(
                    f"a slice of {attrs.size[axis]} from {first} in steps of {attrs.step[axis]} does not fit "
                    f"axis {axis} of shape {x}"
                )
        return attrs.size

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _sliced(inputs[0], call.attrs)

    def remap(self, attrs: SliceAttrs, order: Shape) -> SliceAttrs:
        place = np.argsort(order)
        return SliceAttrs(*(tuple(v[i] for i in place) for v in (attrs.start, attrs.step, attrs.size)))

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def slide(self, call: Call, axis: int) -> Slide | None:
        attrs: SliceAttrs = call.attrs
        return Slide(axis, attrs.step[axis], attrs.start[axis]) if attrs.step[axis] > 0 else None

    def slid(self, call: Call, axis: int, places: int) -> SliceAttrs:
        attrs: SliceAttrs = call.attrs
        start, size = ([*v[:axis], n, *v[axis + 1 :]] for v, n in ((attrs.start, 0), (attrs.size, places)))
        return replace(attrs, start=tuple(start), size=tuple(size))

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Of one image, unless its rows come out in the opposite order."""
        attrs: SliceAttrs = call.attrs
        if len(attrs.size) != 4 or attrs.step[1] < 0:
            return None
        places = attrs.places(1)[rows.start : rows.stop]
        read = range(int(places[0]), int(places[-1]) + 1)
        start, size = (list(v) for v in (attrs.start, attrs.size))
        start[1], size[1] = 0, len(rows)
        return cut(call, rows, read, start=tuple(start), size=tuple(size))

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _sliced(inputs[0], call.attrs)


def _sliced(x: Array, attrs: SliceAttrs) -> Array:
    return x[np.ix_(*(attrs.places(axis) for axis in range(x.ndim)))]


register(Slice())
