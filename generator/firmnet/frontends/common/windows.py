"""How do the windows of an image become columns of a matrix?"""

import numpy as np

from ...ir import Array, Tensor
from ...ops.pick import FILL, runs
from ...ops.windows import Window
from .builder import Builder
from .movement import reshaped, transposed
from .places import picked


def columns_of(b: Builder, x: Tensor, window: Window) -> Tensor:
    """Every window of images (n, C, height, width) as one column: (n, C·kh·kw, windows)."""
    count, channels, height, width = x.shape
    (kh, kw), step, apart, around = window.kernel, window.stride, window.dilation, window.padding
    rows, columns = window.output(height, width)
    along = {
        2: runs(_windows(height, rows, kh, step[0], apart[0], around[0])),
        3: runs(_windows(width, columns, kw, step[1], apart[1], around[2])),
    }
    windows = picked(b, x, along, name=f"{b.layer}_windows")
    split = reshaped(b, windows, (count * channels, rows, kh, columns, kw))
    return reshaped(b, transposed(b, split, (0, 2, 4, 1, 3)), (count, channels * kh * kw, rows * columns))


def _windows(size: int, count: int, kernel: int, stride: int, dilation: int, before: int) -> Array:
    """Where each value of each window lies along an axis, in order."""
    starts, taps = np.arange(count) * stride - before, np.arange(kernel) * dilation
    at = (starts[:, None] + taps).ravel()
    return np.where((at >= 0) & (at < size), at, FILL)
