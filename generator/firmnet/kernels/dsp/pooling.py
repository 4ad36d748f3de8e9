"""By how many bytes must a pooled image begin before its input to share its memory?"""

from collections.abc import Sequence

import numpy as np


def pooled_overlap(rows: Sequence[int], columns: Sequence[int], width: int, channels: int) -> int:
    """For kernels that go through outputs pixel by pixel and write one after they have read its window.

    `rows`, `columns`: the first input row (column) that each output row (column) reads, in an image of
    `width` pixels. A kernel may write a pixel's channels in any order, and more than once.
    """
    starts = (np.asarray(rows)[:, None] * width + np.asarray(columns)).ravel() * channels
    still_read = np.minimum.accumulate(starts[::-1])[::-1]
    written = (np.arange(len(starts)) + 1) * channels
    return max(0, int((written - still_read).max()))
