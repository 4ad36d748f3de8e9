"""How do PyTorch's windows that become an axis of their own read, and what adds them up again?"""

from collections.abc import Mapping

import numpy as np

from ....ir import Tensor
from ....ops.pick import runs
from ....ops.windows import Window
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.images import of_one
from ...common.movement import reshaped, transposed
from ...common.places import picked
from ...common.windows import columns_of
from .convolution import from_aten_conv_transpose2d
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


@of_one(axes=4)
def from_aten_im2col(
    b: Builder,
    x: Tensor,
    kernel_size: PerAxis,
    dilation: PerAxis,
    padding: PerAxis,
    stride: PerAxis,
) -> Tensor:
    if len(x.shape) != 4:
        raise Unsupported(f"unfold needs images (n, channels, height, width), got {x.shape}")
    return columns_of(b, x, Window(pair(kernel_size), pair(stride), symmetric(padding), pair(dilation)))


def from_aten_col2im(
    b: Builder,
    x: Tensor,
    output_size: PerAxis,
    kernel_size: PerAxis,
    dilation: PerAxis,
    padding: PerAxis,
    stride: PerAxis,
) -> Tensor:
    """Columns (1, C·kh·kw, windows) as an image: a transposed convolution whose weights are 1 adds them up.

    Where windows fill the image side by side they are moved alone.
    """
    if len(x.shape) != 3 or x.shape[0] != 1:
        raise Unsupported(f"fold needs columns of shape (1, channels, windows), got {x.shape}")
    (height, width), (kh, kw), step, apart = map(pair, (output_size, kernel_size, stride, dilation))
    around = symmetric(padding)
    rows, columns = Window((kh, kw), step, around, apart).output(height, width)
    channels = x.shape[1] // (kh * kw)
    side_by_side = step == (kh, kw) and apart == (1, 1) and not any(around)
    if side_by_side and (rows * kh, columns * kw) == (height, width):
        split = reshaped(b, x, (channels, kh, kw, rows, columns))
        return reshaped(b, transposed(b, split, (0, 3, 1, 4, 2)), (1, channels, height, width))
    every = np.eye(kh * kw).reshape(kh * kw, 1, kh, kw)
    image = reshaped(b, x, (1, x.shape[1], rows, columns))
    below = height + 2 * around[0] - ((rows - 1) * step[0] + apart[0] * (kh - 1) + 1)
    right = width + 2 * around[2] - ((columns - 1) * step[1] + apart[1] * (kw - 1) + 1)
    options = step, around[::2], (below, right), channels, apart
    return from_aten_conv_transpose2d(b, image, np.tile(every, (channels, 1, 1, 1)), None, *options)


RULES: Mapping[str, Rule] = {
    "aten.unfold.default": from_aten_unfold,
    "aten.im2col.default": from_aten_im2col,
    "aten.col2im.default": from_aten_col2im,
}
