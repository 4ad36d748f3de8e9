"""How does a function of one value run? As a table of its float meaning, of int16 between the entries."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape
from .spec import Constants, Op, Slide, Stripe
from .stripes import same_rows

LEVELS = np.arange(-128, 128)
WIDE = 2**16
"""Levels of int16."""
FRACTION_BITS = 7
"""Bits below one of an int32 entry."""
SOME, ALL = slice(0, WIDE, 61), slice(0, WIDE)
"""Levels, of which some tell at once that a table is too coarse."""
FEWEST_BITS, USUAL_BITS, MOST_BITS = 4, 9, 12
"""Of the numbers of segments between the entries of an int16 table."""
MOST_TABLES = 256
_tables: dict[str, Constants] = {}
"""By op, options and scales: a layer's table is asked for at every step from its scales to its C."""


class TableOp(Op):
    """An op that treats every value alike: `run_float` says it all."""

    def shape(self, attrs: Any, *inputs: Shape) -> Shape:
        return inputs[0]

    def remap(self, attrs: Any, order: Shape) -> Any:
        return attrs

    def prepare(self, call: Call) -> Constants:
        x, y = call.inputs[0].q, call.output.q
        key = f"{self.name} {call.attrs} {x} {y}"
        if key not in _tables:
            if len(_tables) >= MOST_TABLES:
                _tables.clear()
            _tables[key] = self._prepared(call, x, y)
        return _tables[key]

    def _prepared(self, call: Call, x: QParams, y: QParams) -> Constants:
        if x.dtype is Dtype.INT16:
            return wide_table(x, y, lambda real: self.run_float(call, real))
        return {"table": table(x, y, lambda real: self.run_float(call, real))}

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        if call.inputs[0].dtype is Dtype.INT16:
            return between_entries(k["entries"], k["shift"], inputs[0])
        out: Array = k["table"][inputs[0].astype(np.int64) + 128]
        return out


def table(x: QParams, y: QParams, function: Callable[[Array], Array]) -> Array:
    """int8 (256,): entry x + 128 is the quantized function of what x stands for, rounded half up.

    What is infinite saturates. An input for which the function is no number, as the root of less than zero,
    has the entry of the nearest one for which it is; ValueError where there is none.
    """
    steps = _in_steps(function(x.to_real(LEVELS)), y)
    out: Array = np.clip(np.floor(steps + 0.5) + y.zero_point, -128, 127).astype(np.int8)
    return out


def wide_table(x: QParams, y: QParams, function: Callable[[Array], Array]) -> Constants:
    """int32 `entries`, one for every 2^shift levels of int16 and one behind: y·2^7 with half a step added.

    As few as bring every result within one step of the function, which smooth ones reach with 2^12 segments
    at most; of others, which have edges or jumps between two entries, 2^9. Entries may lie off the function
    by half of what the line between them misses, so that it misses less.
    """
    levels = np.arange(WIDE + 1) - WIDE // 2
    steps = _in_steps(function(x.to_real(levels)), y)
    exact = np.clip(steps[:-1], y.dtype.low, y.dtype.high)
    steps = np.clip(steps, -WIDE, WIDE - 1)  # a line may leave the range before it saturates
    found: dict[int, Constants] = {}
    for bits in range(FEWEST_BITS, MOST_BITS + 1):
        shift = 16 - bits
        for entries in (_on(steps, shift), _balanced(steps, shift)):
            if int(np.abs(np.diff(entries)).max()) << shift > 2**31:
                continue  # the product of a slope and a distance would leave int32
            found.setdefault(bits, {"entries": entries.astype(np.int32), "shift": shift})
            if all(_within_a_step(entries, shift, levels[some], exact[some]) for some in (SOME, ALL)):
                return {"entries": entries.astype(np.int32), "shift": shift}
    return found[USUAL_BITS]


def _within_a_step(entries: Array, shift: int, levels: Array, exact: Array) -> bool:
    return bool(np.abs(between_entries(entries, shift, levels) - exact).max() <= 1.0)


def _in_steps(real: Array, y: QParams) -> Array:
    """Results of a function in steps of the output, infinite where float64 ends."""
    with np.errstate(over="ignore"):
        steps: Array = everywhere(real) / y.scale[0]
    return steps


def between_entries(entries: Array, shift: int, values: Array) -> Array:
    """int16 values through a table of 2^(16 − shift) segments: the line between its two entries, rounded."""
    place = values.astype(np.int64) + WIDE // 2
    first, second = (entries.astype(np.int64)[(place >> shift) + i] for i in (0, 1))
    line = first + ((second - first) * (place & ((1 << shift) - 1)) >> shift)
    y: Array = np.clip(line >> FRACTION_BITS, Dtype.INT16.low, Dtype.INT16.high).astype(np.int16)
    return y


def _on(steps: Array, shift: int) -> Array:
    return _as_entries(steps[:: 1 << shift])


def _balanced(steps: Array, shift: int) -> Array:
    """Entries moved towards the inside of a bend, by half of what the middle of a line is off."""
    points = steps[:: 1 << shift]
    off = steps[1 << (shift - 1) :: 1 << shift] - (points[:-1] + points[1:]) / 2
    moved = points + (np.append(off, off[-1]) + np.append(off[0], off)) / 4
    return _as_entries(moved)


def _as_entries(steps: Array) -> Array:
    entries: Array = np.rint(steps * 2**FRACTION_BITS).astype(np.int64) + (1 << FRACTION_BITS - 1)
    return entries


def everywhere(values: Array) -> Array:
    """NaN replaced by the nearest value in a row that is a number, of two as near by the later."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    (known,) = np.nonzero(~missing)
    if not len(known):
        raise ValueError(
            "a function that is no number for any input: look for a root or a logarithm of less than zero"
        )
    places = np.arange(len(values))
    after = known[np.searchsorted(known, places).clip(max=len(known) - 1)]
    before = known[(np.searchsorted(known, places, side="right") - 1).clip(min=0)]
    nearest: Array = values[np.where(np.abs(after - places) <= np.abs(before - places), after, before)]
    return nearest
