"""pick: along every axis some of the input's places, in any order and repeatedly, with constants between.

Padding of every kind, crops, enlarging by repetition and overlapping windows are this one op.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import level
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import cut
from .windows import is_image

FILL = -1
"""The place of a constant."""


@dataclass(frozen=True)
class Run:
    """`count` places from `start` on, each `step` behind the one before and taken `times` in a row.

    A start of FILL: `count` constants.
    """

    start: int
    count: int
    step: int = 1
    times: int = 1

    @property
    def size(self) -> int:
        return self.count * self.times

    @property
    def last(self) -> int:
        return self.start + (self.count - 1) * self.step

    @property
    def joined(self) -> bool:
        """Whether its places lie one behind the other in the input too."""
        return self.step == self.times == 1

    @property
    def places(self) -> Array:
        if self.start == FILL:
            return np.full(self.size, FILL)
        return np.repeat(self.start + self.step * np.arange(self.count), self.times)

    def fits(self, size: int) -> bool:
        """Whether it is one, over an axis of this size."""
        if self.count < 1 or self.times < 1:
            return False
        return self.start == FILL or (0 <= self.start < size and 0 <= self.last < size)


Places = tuple[Run, ...]


@dataclass(frozen=True)
class PickAttrs:
    """What is picked along each axis, and the real value of the constant."""

    axes: tuple[Places, ...]
    fill: float = 0.0


class Pick(Op):
    name = "pick"
    attrs = PickAttrs
    keeps_qparams = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: PickAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(attrs.axes) != len(x):
            raise ValueError(f"pick along {len(attrs.axes)} axes does not fit shape {x}")
        for axis, (runs, size) in enumerate(zip(attrs.axes, x, strict=True)):
            if not runs or not all(run.fits(size) for run in runs):
                raise ValueError(f"pick along axis {axis} leaves its {size} places")
        return tuple(sum(run.size for run in runs) for runs in attrs.axes)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _picked(inputs[0], call.attrs, call.attrs.fill)

    def remap(self, attrs: PickAttrs, order: Shape) -> PickAttrs:
        return replace(attrs, axes=tuple(attrs.axes[i] for i in np.argsort(order)))

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {"fill": level(call.output.q, call.attrs.fill)}

    def slide(self, call: Call, axis: int) -> Slide | None:
        """Of one walk along the axis, with constants where it would be before and behind the input."""
        along = call.attrs.axes[axis]
        walks = [run for run in along if run.start != FILL]
        if len(walks) != 1 or walks[0].times != 1 or walks[0].step < 1:
            return None
        (walk,), at, size = walks, along.index(walks[0]), call.inputs[0].shape[axis]
        before, behind = (sum(run.size for run in some) for some in (along[:at], along[at + 1 :]))
        if (before and walk.start >= walk.step) or (behind and walk.last + walk.step < size):
            return None  # they stand for values
        return Slide(axis, walk.step, walk.start - before * walk.step)

    def slid(self, call: Call, axis: int, places: int) -> PickAttrs:
        attrs: PickAttrs = call.attrs
        step = next(run.step for run in attrs.axes[axis] if run.start != FILL)
        return replace(attrs, axes=(*attrs.axes[:axis], (Run(0, places, step),), *attrs.axes[axis + 1 :]))

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """None too where rows are not in order, or are constants."""
        if not is_image(call.output.shape):
            return None
        every = places(call.attrs.axes[1])
        some = every[rows.start : rows.stop]
        if every.min() == FILL or (np.diff(every) < 0).any():
            return None
        first = int(some[0])
        axes = (call.attrs.axes[0], runs(some - first), *call.attrs.axes[2:])
        return cut(call, rows, range(first, int(some[-1]) + 1), axes=axes)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _picked(inputs[0], call.attrs, k["fill"])


def places(runs: Places) -> Array:
    """int64, of every output along an axis; FILL: the constant."""
    return np.concatenate([run.places for run in runs])


def everything(size: int) -> Places:
    """An axis that stays as it is."""
    return (Run(0, size),)


def adds_constants(attrs: PickAttrs) -> bool:
    return any(run.start == FILL for along in attrs.axes for run in along)


def is_constant(attrs: PickAttrs) -> bool:
    """Whether all that is picked is the constant."""
    return any(all(run.start == FILL for run in along) for along in attrs.axes)


def runs(places: Sequence[int] | Array) -> Places:
    """As few as a walk from the first place to the last finds."""
    listed = np.asarray(places, np.int64)
    ends = np.flatnonzero(np.diff(listed, append=listed[-1] + 1))
    values, lengths = listed[ends], np.diff(ends, prepend=-1)
    found: list[Run] = []
    at = 0
    while at < len(values):
        start, times = int(values[at]), int(lengths[at])
        if start == FILL:
            found.append(Run(FILL, times))
            at += 1
            continue
        count, step = 1, 1
        while at + count < len(values) and values[at + count] != FILL and lengths[at + count] == times:
            ahead = int(values[at + count] - values[at + count - 1])
            if count > 1 and ahead != step:
                break
            count, step = count + 1, ahead
        found.append(Run(start, count, step, times))
        at += count
    return tuple(found)


def _picked(x: Array, attrs: PickAttrs, fill: float) -> Array:
    y = x
    for axis, along in enumerate(attrs.axes):
        if along == everything(x.shape[axis]):
            continue
        which = places(along)
        y = np.take(y, np.maximum(which, 0), axis)
        if which.min() == FILL:
            y[(slice(None),) * axis + (which == FILL,)] = fill
    return y


register(Pick())
