"""How does plain C pick values? Run by run in nested loops; by tables where the runs are many."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.pick import FILL, Places, Run, everything, places
from ...ops.spec import Constants
from ..loops import strides
from ..spec import Kernel, register
from .movement import copy_cycles

MOST_PIECES = 12
"""Of straight code: the numbers of runs of all axes, multiplied."""

LONGEST, FEW_PLACES = 64, 4
"""Bytes of a copy, and rounds of a loop, that the compiler writes out."""


@dataclass(frozen=True)
class PickedAxis:
    """`runs` of places `step` values apart in the input; `size` values of output behind each."""

    runs: Places
    step: int
    size: int
    innermost: bool

    @property
    def places(self) -> int:
        return sum(run.size for run in self.runs)

    @property
    def fills(self) -> bool:
        """Whether some place is none of the input."""
        return any(run.start == FILL for run in self.runs)


@dataclass(frozen=True)
class Picked:
    """Axes from the outermost; what lies behind the last one is copied as one piece of `piece` values."""

    axes: tuple[PickedAxis, ...]
    piece: int
    dtype: Dtype

    @property
    def reads(self) -> bool:
        """Whether any place is one of the input."""
        return all(any(run.start != FILL for run in axis.runs) for axis in self.axes)


class Pick(Kernel):
    op = "pick"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        found = picked(call)
        inner, size = found.axes[-1], found.piece * found.dtype.bytes
        each = 4.1 if found.piece == 1 else 4.5 + _piece_cycles(size)
        if inner.fills:
            each += 5
        lines = call.output.size / (found.piece * inner.places)
        return 60 + (15 + each * inner.places) * lines

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """Of axes of several runs, where each place lies in the input; FILL: nowhere."""
        axes = picked(call).axes
        return {
            f"places{i}": np.where(which == FILL, FILL, which * axis.step).astype(np.int32)
            for i, axis in enumerate(axes)
            for which in [places(axis.runs)]
        }

    def layout(self, call: Call, k: Constants) -> Picked:
        return picked(call)


class PickRuns(Pick):
    """Where there are few runs, each in loops of its own."""

    name = "runs"

    def accepts(self, call: Call) -> bool:
        return prod(len(axis.runs) for axis in picked(call).axes) <= MOST_PIECES

    def cycles(self, call: Call) -> float:
        found = picked(call)
        return 40 + _walk_cycles(found.axes, found.piece, found.dtype.bytes)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {}


def _piece_cycles(size: int) -> float:
    """Of a copy of so many bytes, a call where they are many."""
    if size > LONGEST // 2:
        return 15.5 + 0.78 * size
    return 1.5 * size if size == 3 else 0.55 * size + (2 if size % 4 and size > 4 else 0)


def _walk_cycles(axes: tuple[PickedAxis, ...], piece: int, value_bytes: int) -> float:
    """Of all runs of the outermost axis."""
    if not axes:
        return _run_cycles(piece * value_bytes)
    axis, total = axes[0], 0.0
    for run in axis.runs:
        if run.start == FILL:
            total += 3 + 1.2 * run.size * axis.size
        elif axis.innermost and run.joined:
            total += 1 + _run_cycles(run.count * piece * value_bytes)
        else:
            once = _walk_cycles(axes[1:], piece, value_bytes)
            again = _run_cycles(axis.size * value_bytes)
            if axis.innermost:
                again = 1.2 if piece * value_bytes == 1 else once
            around = (0, 1) if run.count <= FEW_PLACES else (6, 4)
            total += around[0] + run.count * (around[1] + once + (run.times - 1) * again)
    return total


def _run_cycles(size: int) -> float:
    """Of a copy of so many bytes, known beforehand: up to 64 become words."""
    if size == 1:
        return 2
    return copy_cycles(size) if (size % 4 and size > 2) or size > LONGEST else 3 + 0.55 * size


def picked(call: Call) -> Picked:
    """Axes that stay as they are join the one before them, where that takes places one by one."""
    x, y = call.inputs[0].shape, call.output.shape
    if any(all(run.start == FILL for run in runs) for runs in call.attrs.axes):
        return Picked((PickedAxis((Run(FILL, prod(y)),), 1, 1, True),), 1, call.output.dtype)
    steps, sizes = strides(x), strides(y)
    found: list[PickedAxis] = []
    piece = 1
    for axis in reversed(range(len(x))):
        runs = call.attrs.axes[axis]
        if runs == everything(x[axis]):
            if not found:
                piece *= x[axis]
                continue
            if x[axis] == 1:
                continue
        found.insert(0, PickedAxis(runs, steps[axis], sizes[axis], not found))
    if not found:
        return Picked((PickedAxis((Run(0, 1),), 1, piece, True),), piece, call.output.dtype)
    found[-1], count = _as_windows(found[-1])
    return Picked(tuple(found), piece * count, call.output.dtype)


def _as_windows(axis: PickedAxis) -> tuple[PickedAxis, int]:
    """An axis of equal windows by where these begin, and how many places each of them has."""
    which = places(axis.runs)
    begins = np.flatnonzero(np.diff(which, prepend=which[0] - 2) != 1)
    count = len(which) // len(begins)
    equal = len(begins) > 1 and np.array_equal(np.diff(begins, append=len(which)), [count] * len(begins))
    if count == 1 or not equal or FILL in which:
        return axis, 1
    starts = which[begins]
    hops = {*np.diff(starts).tolist()}
    even = len(hops) == 1 and not hops & {0, 1}
    if even:
        runs: Places = (Run(int(starts[0]), len(starts), *hops),)
    else:
        runs = tuple(Run(int(start), 1) for start in starts)
    return replace(axis, runs=runs, size=axis.size * count), count


register(PickRuns())
register(Pick())
