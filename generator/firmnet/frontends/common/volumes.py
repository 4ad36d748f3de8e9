"""How does a convolution of a volume become one of an image?"""

from collections.abc import Sequence

import numpy as np

from ...ir import Array, Tensor
from ...ops.conv2d import Conv2dAttrs
from ...ops.pick import FILL, runs
from ...ops.windows import Window
from .builder import Builder
from .movement import reshaped, transposed
from .places import picked


def convolved_volume(
    b: Builder, x: Tensor, weight: Array, bias: Array, window: Sequence[Window], groups: int
) -> Tensor:
    """x (1, C, depth, height, width) and weight (O, C/groups, kd, kh, kw) → (1, O, depth, height, width).

    `window`: of depth (its rows), and of height and width. It is one convolution of a tall image: the slices
    that a window covers in depth are channels, and the depths of the output lie one below the other, each as
    many rows high as no window leaves.
    """
    along, over = window
    _, channels, depth, height, width = x.shape
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
        transposed(b, x, (0, 2, 3, 4, 1)),
        {1: runs(_inside(slices.ravel(), depth)), 2: runs(_inside(rows, height))},
        name=f"{b.layer}_slices",
    )
    split = reshaped(b, stacked, (out_depth, kd, tall, width, groups, each))
    image = transposed(b, split, (0, 2, 3, 4, 1, 5)) if kd > 1 else split
    image = reshaped(b, image, (1, out_depth * tall, width, kd * channels))
    filters = weight.transpose(0, 3, 4, 2, 1).reshape(n_out, kh, kw, kd * each)
    attrs = Conv2dAttrs(over.stride, (0, 0, left, right), over.dilation, groups)
    constants = b.constant(f"{b.layer}_weight", filters), b.constant(f"{b.layer}_bias", bias)
    y = b.add("conv2d", attrs, image, *constants)
    kept = np.arange(out_depth)[:, None] * (tall // step) + np.arange(out_height)
    y = picked(b, y, {1: runs(kept.ravel())}, name=f"{b.layer}_rows")
    return transposed(b, reshaped(b, y, (1, out_depth, out_height, y.shape[2], n_out)), (0, 4, 1, 2, 3))


def _inside(places: Array, size: int) -> Array:
    return np.where((places >= 0) & (places < size), places, FILL)
