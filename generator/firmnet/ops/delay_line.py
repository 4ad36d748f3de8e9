"""delay_line: taps of a stream's memory, a ring in which what is new takes the place of what is oldest.

A dilated convolution reads a few of many places that it looks back on. `append` moves all of them to the
front in every run; here none moves, and only those that are read are copied.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .rings import MOST_PLACES, begin
from .spec import Constants, Op, register


@dataclass(frozen=True)
class DelayLineAttrs:
    """Places lie along `axis`. Of the last ones, the new among them, `taps` are read, from `first` on every
    `step`-th: as many are kept, and the oldest is number 0.
    """

    axis: int
    first: int
    step: int
    taps: int


class DelayLine(Op):
    """x, the places that come; kept, the ring; oldest (1,), which of its places that is → the taps, in the
    shape of x but along the axis, and what kept and oldest are in the next run.

    `oldest` counts on modulo 2^16.
    """

    name = "delay_line"
    attrs = DelayLineAttrs
    renews = {1: 1, 2: 2}
    dtypes = tuple(Dtype)

    def shape(self, attrs: DelayLineAttrs, *inputs: Shape) -> Shape:
        return self.shapes(attrs, *inputs)[0]

    def shapes(self, attrs: DelayLineAttrs, *inputs: Shape) -> tuple[Shape, ...]:
        (x, kept, oldest), axis = inputs, attrs.axis
        if not 0 <= axis < len(x) or x[:axis] + x[axis + 1 :] != kept[:axis] + kept[axis + 1 :]:
            raise ValueError(f"delay_line along axis {axis} needs equal other axes, got {x} and {kept}")
        last = attrs.first + (attrs.taps - 1) * attrs.step
        if attrs.first < 0 or attrs.step < 1 or attrs.taps < 1 or last >= kept[axis]:
            raise ValueError(
                f"delay_line reads {attrs.taps} places from {attrs.first} on in steps of {attrs.step}, and "
                f"keeps {kept[axis]}"
            )
        if not x[axis] <= kept[axis] < MOST_PLACES or oldest != (1,):
            raise ValueError(
                f"delay_line of {x[axis]} places to {kept[axis]}, the oldest {oldest}: give fewer, and (1,)"
            )
        return (*x[:axis], attrs.taps, *x[axis + 1 :]), kept, oldest

    def refuses(self, call: Call) -> str:
        (x, kept, oldest), (taps, *after) = call.inputs, call.outputs
        if {t.dtype for t in (kept, taps, after[0])} != {x.dtype} or {
            t.dtype for t in (oldest, after[1])
        } != {Dtype.INT16}:
            return f"keeps {kept.name!r} and {oldest.name!r}, and of {x.dtype} these are {x.dtype} and int16"
        return ""

    def run_float(self, call: Call, *inputs: Array) -> Any:
        return _moved(call.attrs, *inputs)

    def prepare(self, call: Call) -> Constants:
        (x, kept, _), (taps, ring, _) = call.inputs, call.outputs
        if different := [t.name for t in (kept, taps, ring) if t.q != x.q]:
            raise ValueError(f"delay_line {taps.name!r}: {different} have another scale, rescale first")
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Any:
        return _moved(call.attrs, *inputs)


def _moved(attrs: DelayLineAttrs, x: Array, kept: Array, oldest: Array) -> tuple[Array, Array, Array]:
    """Taps and states when the places of x are in the ring."""
    places, ring = kept.shape[attrs.axis], np.moveaxis(kept.copy(), attrs.axis, 0)
    at = begin(oldest, places)
    come = x.shape[attrs.axis]
    ring[(at + np.arange(come)) % places] = np.moveaxis(x, attrs.axis, 0)
    at = (at + come) % places
    taps = ring[(at + attrs.first + attrs.step * np.arange(attrs.taps)) % places]
    taps, ring = (np.moveaxis(each, 0, attrs.axis) for each in (taps, ring))
    return taps, ring, np.array([at], oldest.dtype)


register(DelayLine())
