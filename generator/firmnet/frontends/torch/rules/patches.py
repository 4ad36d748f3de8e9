"""How do PyTorch's windows that become an axis of their own read, and what adds them up again?"""

from collections.abc import Mapping

import numpy as np

from ....ir import Array, Tensor
from ....ops.pick import FILL, runs
from ....ops.windows import Window
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.images import require_image
from ...common.movement import reshaped, transposed
from ...common.places import picked
from .options import PerAxis, pair, symmetric


def from_aten_unfold(b: Builder, x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of a tensor along an axis; the values of a window are a new axis, the last one."""
    rank = len(x.shape)
    axis = dimension % rank
    n = x.shape[axis]
    if size > n:
        raise Unsupported(f"windows of {size} values do not fit into {n}")
    starts = np.arange(0, n - size + 1, step)
    windows = picked(
        b, x, {axis: runs((starts[:, None] + np.arange(size)).ravel())}, name=f"{b.layer}_windows"
    )
    split = reshaped(b, windows, (*x.shape[:axis], len(starts), size, *x.shape[axis + 1 :]))
    return transposed(b, split, [*range(axis + 1), *range(axis + 2, rank + 1), axis + 1])


def from_aten_im2col(
    b: Builder,
    x: Tensor,
    kernel_size: PerAxis,
    dilation: PerAxis,
    padding: PerAxis,
    stride: PerAxis,
) -> Tensor:
    """Every window of an image as one column: (1, C·kh·kw, windows)."""
    require_image("unfold", x.shape)
    _, channels, height, width = x.shape
    (kh, kw), step, apart, around = pair(kernel_size), pair(stride), pair(dilation), symmetric(padding)
    rows, columns = Window((kh, kw), step, around, apart).output(height, width)
    along = {
        2: runs(_windows(height, rows, kh, step[0], apart[0], around[0])),
        3: runs(_windows(width, columns, kw, step[1], apart[1], around[2])),
    }
    windows = picked(b, x, along, name=f"{b.layer}_windows")
    split = reshaped(b, windows, (channels, rows, kh, columns, kw))
    return reshaped(b, transposed(b, split, (0, 2, 4, 1, 3)), (1, channels * kh * kw, rows * columns))


def _windows(size: int, count: int, kernel: int, stride: int, dilation: int, before: int) -> Array:
    """Where each value of each window lies along an axis, in order."""
    starts, taps = np.arange(count) * stride - before, np.arange(kernel) * dilation
    at = (starts[:, None] + taps).ravel()
    return np.where((at >= 0) & (at < size), at, FILL)


RULES: Mapping[str, Rule] = {
    "aten.unfold.default": from_aten_unfold,
    "aten.im2col.default": from_aten_im2col,
}
