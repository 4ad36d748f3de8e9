"""How does a convolution of a volume become one of an image?"""

from collections.abc import Callable, Sequence

import numpy as np

from ...ir import Array, Shape, Tensor
from ...ops.concat import ConcatAttrs
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

    `options`: stride, padding, output padding and dilation along depth and along height. Depths of the output
    that are a stride apart meet the same taps of the kernel, and are a transposed convolution of a tall
    image: the slices that reach such a depth are channels, and the depths lie one below the other, as many
    rows high as no value reaches beyond. `spread` computes that, without padding of its rows: (image, weight
    (C·taps, O/groups, kh, kw), rows of output padding) → image.
    """
    (step, before, behind, apart), (row_step, top, below, row_apart) = options
    count, channels, depth, height, width = x.shape
    _, each, kd, kh, kw = weight.shape
    out_depth = (depth - 1) * step - 2 * before + apart * (kd - 1) + 1 + behind
    reach = (height - 1) * row_step + row_apart * (kh - 1) + 1
    out_height = reach - 2 * top + below
    tall = -(-max(reach, top + out_height) // row_step)
    lying = reshaped(b, transposed(b, x, (0, 2, 1, 3, 4)), (1, count * depth, channels, height, width))
    split = weight.reshape(groups, channels // groups, each, kd, kh, kw).transpose(0, 3, 1, 2, 4, 5)
    images, first = list[Tensor](), np.zeros((count, out_depth), np.int64)
    for phase in range(min(step, out_depth)):
        made = np.arange(phase, out_depth, step)
        taps = [tap for tap in range(kd) if (phase + before - tap * apart) % step == 0]
        slices = (made[:, None] + before - np.array(taps or [0]) * apart) // step if taps else _nowhere(made)
        stacked = picked(
            b,
            lying,
            {1: runs(_of_each(count, slices, depth)), 3: runs(_inside(np.arange(tall), height))},
            name=f"{b.layer}_slices",
        )
        shape = count * len(made), slices.shape[1], groups, channels // groups, tall, width
        image = transposed(b, reshaped(b, stacked, shape), (2, 1, 3, 0, 4, 5))
        filters = split[:, taps or [0]].reshape(slices.shape[1] * channels, each, kh, kw)
        flat = reshaped(b, image, (1, slices.shape[1] * channels, count * len(made) * tall, width))
        above = sum(image.shape[2] for image in images)
        first[:, made] = above + tall * row_step * np.arange(count * len(made)).reshape(count, -1)
        images.append(spread(flat, filters, row_step - 1))
    y = b.add("concat", ConcatAttrs(2), *images, name=f"{b.layer}_phases") if len(images) > 1 else images[0]
    rows = first.reshape(-1, 1) + top + np.arange(out_height)
    kept = picked(b, y, {2: runs(rows.ravel())}, name=f"{b.layer}_rows")
    volumes = reshaped(b, kept, (groups * each, count, out_depth, out_height, y.shape[3]))
    if count == 1:
        return reshaped(b, volumes, (1, groups * each, out_depth, out_height, y.shape[3]))
    return transposed(b, volumes, (1, 0, 2, 3, 4))


def _nowhere(depths: Array) -> Array:
    """The slices of depths that no tap reaches: one of nothing."""
    return np.full((len(depths), 1), FILL)


def _of_each(count: int, slices: Array, depth: int) -> Array:
    """Slices of one volume, where they are inside, as those of each that lie one behind the other."""
    local = _inside(slices.ravel(), depth)
    return np.concatenate([np.where(local == FILL, FILL, local + i * depth) for i in range(count)])


def _inside(places: Array, size: int) -> Array:
    return np.where((places >= 0) & (places < size), places, FILL)
