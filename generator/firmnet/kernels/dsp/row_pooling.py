"""How are images of any number of channels pooled on the DSP extension? Rows of windows first, then columns.

The rows under a row of outputs become one row in scratch, combined a word at a time whatever the number of
channels, with padding around it. Outputs then combine columns of that row; their loop knows no edges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Call
from .instructions import MAX_OFFSET

MAX_COLUMN_TAPS = 16
"""Columns of a window that are combined without a loop; of wider ones eight at a time."""


@dataclass(frozen=True)
class Blocks:
    """`count` blocks of `parts` pieces of `size` values. If `back`, one more ends with the last value.

    It begins `back` values before the end of the others, and does these again.
    """

    size: int
    parts: int
    count: int
    back: int

    @property
    def total(self) -> int:
        return self.count + (self.back > 0)


@dataclass(frozen=True)
class Columns:
    """What every window reads of a padded row: `taps` columns; the first begins `left` before the image."""

    taps: int
    stride: int
    dilation: int = 1
    left: int = 0


@dataclass(frozen=True)
class RowPooling:
    """Places and distances in values: in scratch, the row begins at `origin`, the first window at `first`.

    Values around the row are read if `padded`. `rows`: the blocks in which a row of the image is combined;
    `outputs`: those in which a row of outputs is.
    """

    values: int
    scratch_values: int
    origin: int
    first: int
    taps: int
    tap_step: int
    stride: int
    padded: bool
    rows: Blocks
    outputs: Blocks

    @property
    def loops(self) -> bool:
        """Whether a loop goes over a window's columns."""
        return self.taps > MAX_COLUMN_TAPS


def row_pooling(call: Call, columns: Columns, size: int, parts: int, value_bytes: int) -> RowPooling | None:
    """For at most `parts` pieces of `size` outputs in a block; None where a load would lie too far away.

    A value in scratch has `value_bytes`; an output's word may reach 3 values beyond it.
    """
    (_, _, width, channels), out_width = call.inputs[0].shape, call.output.shape[2]
    values, tap_step = width * channels, columns.dilation * channels
    origin = -(-columns.left * channels // 4) * 4
    first = origin - columns.left * channels
    reach = (out_width - 1) * columns.stride * channels + (columns.taps - 1) * tap_step + channels
    taps_reach = (min(columns.taps, MAX_COLUMN_TAPS) - 1) * tap_step + channels
    room = MAX_OFFSET // value_bytes - taps_reach
    if room < 0:
        return None
    fitting = 1 + room // (size * columns.stride)
    return RowPooling(
        values,
        max(origin + values, first + reach + 3),
        origin,
        first,
        columns.taps,
        tap_step,
        columns.stride,
        columns.left > 0 or first + reach > origin + values,
        blocks(values, 4 if values >= 4 else 1, 4),
        blocks(out_width * channels, size, min(parts, fitting)),
    )


def blocks(values: int, size: int, most: int) -> Blocks:
    """The cheapest blocks of at most `most` pieces, when a block costs half a piece beside its pieces."""
    counts = range(min(most, values // size), 0, -1)
    parts = min(counts, key=lambda n: -(-values // (n * size)) * (2 * n + 1))
    return Blocks(size, parts, values // (parts * size), -values % (parts * size))


def row_overlap(call: Call, rows: Sequence[int]) -> int:
    """By how many bytes must the output begin before the input to share its memory?

    A row of outputs is written when all that it depends on is in scratch. `rows`: the first row of the image
    that each of them reads.
    """
    _, _, width, channels = call.inputs[0].shape
    still_read = np.minimum.accumulate(np.asarray(rows)[::-1])[::-1][1:] * width * channels
    written = (np.arange(len(rows) - 1) + 1) * call.output.shape[2] * channels
    return int((written - still_read).max(initial=0))
