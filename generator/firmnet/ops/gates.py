"""What are sigmoid and tanh of a fine integer? One table for both, within a step of int16 everywhere.

Arguments count in steps of 2^-20, results in steps of 2^-15: those of sigmoid are 0 to 32768, of tanh
-32768 to 32768. tanh(x) = 2·sigmoid(2x) - 1, and below zero both are what they are above, turned. C twin:
templates/lib/fn_gates.h.
"""

import numpy as np

from ..ir import Array

FINE_BITS = 20
GATE_BITS = 15
WHOLE_GATE = 1 << GATE_BITS
ENTRY_BITS = 22
"""Of an entry, behind the point."""
SEGMENT_BITS = 15
"""Of the distance between two entries, in fine steps: 1/32."""
SEGMENTS = 512
"""So the last entry is that of 16, where both functions have long been 1."""
MOST_FINE = (SEGMENTS << SEGMENT_BITS) - 1


def _entries() -> Array:
    """int32: sigmoid at the ends of segments, off by half of what the lines between would miss."""
    places = np.arange(2 * SEGMENTS + 1) / 64
    exact = 1 / (1 + np.exp(-places))
    points, missed = exact[::2], exact[1::2] - (exact[:-2:2] + exact[2::2]) / 2
    moved = points.copy()
    moved[1:-1] += (missed[:-1] + missed[1:]) / 4
    return np.rint(moved * 2.0**ENTRY_BITS).astype(np.int32)


LOGISTIC = _entries()
"""int32 (513,): sigmoid of 0, 1/32, … 16 in units of 2^-22."""
_FIRST = LOGISTIC[:-1].astype(np.int64)
_RISE = np.diff(LOGISTIC.astype(np.int64))


def sigmoid(values: Array) -> Array:
    """float64 (any shape) → float64 in 0 … 1, exact to rounding: without overflow far below zero."""
    found: Array = 1 / (1 + np.exp(-np.minimum(np.maximum(values, -700), 700)))
    return found


def gate_sigmoid(fine: Array) -> Array:
    """int64 (any shape) in steps of 2^-20 → int64 in steps of 2^-15."""
    half = ENTRY_BITS - GATE_BITS
    above = (_logistic(np.abs(fine)) + (1 << half - 1)) >> half
    found: Array = np.where(fine < 0, WHOLE_GATE - above, above)
    return found


def gate_tanh(fine: Array) -> Array:
    """int64 (any shape) in steps of 2^-20 → int64 in steps of 2^-15."""
    half = ENTRY_BITS - GATE_BITS - 1
    twice = 2 * np.minimum(np.abs(fine), MOST_FINE >> 1)
    above = (_logistic(twice) - (1 << ENTRY_BITS - 1) + (1 << half - 1)) >> half
    found: Array = np.where(fine < 0, -above, above)
    return found


def _logistic(fine: Array) -> Array:
    """Of what is 0 or more, in units of 2^-22: the line between two entries."""
    at = np.minimum(fine, MOST_FINE)
    place, along = at >> SEGMENT_BITS, at & ((1 << SEGMENT_BITS) - 1)
    line: Array = _FIRST[place] + (_RISE[place] * along >> SEGMENT_BITS)
    return line
