"""Which windows of an average pooling does the DSP kernel unroll, and how does it requantize their sums?

Full windows: those that read as many inputs as any. Their sums fit in 16 bits, so that one SMLAW multiplies a
sum where it lies, in half a register.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ...qmath import INT32_MAX, Requant
from .instructions import MAX_OFFSET
from .row_pooling import Columns

MAX_WINDOW_TAPS = 16
"""Inputs of a window that are unrolled."""


@dataclass(frozen=True)
class FullWindows:
    """In output rows that read `rows` rows of the image, `count` outputs from column `first` on.

    Each reads `columns` columns, and the next begins `stride` columns further. Requantization without
    clamping: ((acc·multiplier >> 16) + rounding) >> shift, which is what a Requant gives.
    """

    first: int
    count: int
    rows: int
    columns: int
    stride: int
    rounding: int
    shift: int


def full_windows(
    rows: int, widths: Sequence[int], columns: Columns, channels: int, r: Requant, zero_point: int
) -> FullWindows | None:
    """For windows of at most `rows` rows; `widths`: how many columns the outputs of a row read.

    `r` and `zero_point` requantize. None where no output reads `columns` in full, windows are too large, a
    load would lie too far away, or requantization would leave 32 bits.
    """
    full = [i for i, width in enumerate(widths) if width == columns.taps]
    taps, shift = rows * columns.taps, 16 + r.shift - r.pre_shift
    if not full or taps > MAX_WINDOW_TAPS or (columns.taps - 1) * channels > MAX_OFFSET or shift < 1:
        return None
    rounding = (zero_point << shift) + (1 << (shift - 1))
    largest = (255 * taps * int(r.multiplier.max()) >> 16) + 1
    if largest + abs(rounding) > INT32_MAX:
        return None
    return FullWindows(full[0], len(full), rows, columns.taps, columns.stride, rounding, shift)
