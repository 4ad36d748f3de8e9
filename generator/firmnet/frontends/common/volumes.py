"""How does a convolution of a volume become one of an image?"""

from collections.abc import Callable, Sequence

import numpy as np

from ...ir import Array, Shape, Tensor
from ...ops.conv2d import Conv2dAttrs
from ...ops.pick import FILL, runs
from ...ops.windows import Window
from .builder import Builder, Unsupported
from .movement import reshaped, transposed
from .places import picked


def require_volumes(op: str, shape: Shape) -> None:
    """Raise Unsupported unless the shape is (n, channels, depth, height, width)."""
    if len(shape) != 5:
        raise Unsupported(f"{op} needs volumes of shape (1, channels, depth, height, width), got {shape}")


def convolved_volume(
    b: Builder, x: Tensor, weight: Array, bias: Array | None, window: Sequence[Window], groups: int
) -> Tensor:
    """x (n, C, depth, height, width) and weight (O, C/groups, kd, kh, kw) → (n, O, depth, height, width).

    `window`: of depth (its rows), and of height and width. It is one convolution of a tall image: the slices
    that a window covers in depth are channels, and the depths of the output lie one below the other, each as
    many rows high as no window leaves; behind those of one volume come those of the next.
    """
    along, over = window
    count, channels, depth, height, width = x.shape
    n_out, each, kd, kh, kw = weight.shape
    (out_depth, _), (out_height, _) = along.output(depth, 1), over.output(height, width)
    (step, _), (apart, _), (top, _, left, right) = over.stride, over.dilation, over.padding
    reach = (out_height - 1) * step + apart * (kh - 1) + 1
    tall = -(-reach // step) * step
    rows = np.arange(tall) - top
    slices = (
        np.arange(out_depth)[:, None] * along.stride[0] + np.arange(kd) * along.dilation[0] - along.padding[0]
    )
    stacked = picked(
        b,
        reshaped(b, transposed(b, x, (0, 2, 3, 4, 1)), (1, count * depth, height, width, channels)),
        {1: runs(_of_each(count, slices, depth)), 2: runs(_inside(rows, height))},
        name=f"{b.layer}_slices",
    )
    split = reshaped(b, stacked, (count * out_depth, kd, tall, width, groups, each))
    image = transposed(b, split, (0, 2, 3, 4, 1, 5)) if kd > 1 else split
    image = reshaped(b, image, (1, count * out_depth * tall, width, kd * channels))
    filters = weight.transpose(0, 3, 4, 2, 1).reshape(n_out, kh, kw, kd * each)
    attrs = Conv2dAttrs(over.stride, (0, 0, left, right), over.dilation, groups)
    shift = np.zeros(n_out) if bias is None else bias
    constants = b.constant(f"{b.layer}_weight", filters), b.constant(f"{b.layer}_bias", shift)
    y = b.add("conv2d", attrs, image, *constants)
    kept = np.arange(count * out_depth)[:, None] * (tall // step) + np.arange(out_height)
    y = picked(b, y, {1: runs(kept.ravel())}, name=f"{b.layer}_rows")
    return transposed(b, reshaped(b, y, (count, out_depth, out_height, y.shape[2], n_out)), (0, 4, 1, 2, 3))


def spread_volume(
    b: Builder,
    x: Tensor,
    weight: Array,
    options: Sequence[tuple[int, int, int, int]],
    groups: int,
    spread: Callable[[Tensor, Array, int], Tensor],
) -> Tensor:
    """A transposed convolution of x (n, C, depth, height, width), weight (C, O/groups, kd, kh, kw).

    `options`: stride, padding, output padding and dilation along depth and along height. It is one of a tall
    image: the slices that reach a depth of the output are channels, and the depths lie one below the other,
    as many rows high as no value reaches beyond. `spread` computes that, without padding of its rows: (image,
    weight (C·kd, O/groups, kh, kw), rows of output padding) → image.
    """
    (step, before, behind, apart), (row_step, top, below, row_apart) = options
    count, channels, depth, height, width = x.shape
    _, each, kd, kh, kw = weight.shape
    out_depth = (depth - 1) * step - 2 * before + apart * (kd - 1) + 1 + behind
    reach = (height - 1) * row_step + row_apart * (kh - 1) + 1
    out_height = reach - 2 * top + below
    tall = -(-max(reach, top + out_height) // row_step)
    at = np.arange(out_depth)[:, None] + before - np.arange(kd) * apart
    slices = np.where(at % step == 0, at // step, FILL)
    stacked = picked(
        b,
        reshaped(b, transposed(b, x, (0, 2, 1, 3, 4)), (1, count * depth, channels, height, width)),
        {1: runs(_of_each(count, slices, depth)), 3: runs(_inside(np.arange(tall), height))},
        name=f"{b.layer}_slices",
    )
    depths = count * out_depth
    split = reshaped(b, stacked, (depths, kd, groups, channels // groups, tall, width))
    image = reshaped(b, transposed(b, split, (2, 1, 3, 0, 4, 5)), (1, kd * channels, depths * tall, width))
    filters = weight.reshape(groups, channels // groups, each, kd, kh, kw).transpose(0, 3, 1, 2, 4, 5)
    y = spread(image, filters.reshape(kd * channels, each, kh, kw), row_step - 1)
    rows = np.arange(depths)[:, None] * (tall * row_step) + top + np.arange(out_height)
    kept = picked(b, y, {2: runs(rows.ravel())}, name=f"{b.layer}_rows")
    volumes = reshaped(b, kept, (groups * each, count, out_depth, out_height, y.shape[3]))
    if count == 1:
        return reshaped(b, volumes, (1, groups * each, out_depth, out_height, y.shape[3]))
    return transposed(b, volumes, (1, 0, 2, 3, 4))


def _of_each(count: int, slices: Array, depth: int) -> Array:
    """Slices of one volume, where they are inside, as those of each that lie one behind the other."""
    local = _inside(slices.ravel(), depth)
    return np.concatenate([np.where(local == FILL, FILL, local + i * depth) for i in range(count)])


def _inside(places: Array, size: int) -> Array:
    return np.where((places >= 0) & (places < size), places, FILL)
