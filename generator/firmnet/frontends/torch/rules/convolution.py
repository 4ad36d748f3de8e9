"""How do PyTorch's convolutions of images and lines read?"""

from collections.abc import Mapping

import numpy as np

from ....ir import Array, Tensor
from ....ops.conv2d import Conv2dAttrs
from ....ops.conv_transpose2d import ConvTranspose2dAttrs
from ....ops.windows import Padding, Pair, Window
from ...common.arguments import Rule
from ...common.builder import Builder, Value
from ...common.images import as_image, as_lines, of_one, require_image
from ...common.movement import reshaped, to_nchw, to_nhwc
from ...common.volumes import convolved_volume, require_volumes, spread_volume
from ...common.windows import columns_of
from .arithmetic import from_aten_add
from .matrices import from_aten_matmul
from .options import PerAxis, lying, pair, symmetric, triple


@of_one(axes=4)
def from_aten_conv2d(
    b: Builder,
    x: Tensor,
    weight: Value,
    bias: Value | None = None,
    stride: PerAxis = 1,
    padding: PerAxis | str = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """weight (O, I/groups, kh, kw) as in PyTorch; padding may be "same" or "valid"."""
    kernel, apart = (weight.shape[2], weight.shape[3]), pair(dilation)
    window = Window(kernel, pair(stride), _around(padding, kernel, apart), apart)
    if isinstance(weight, Tensor):
        return _plus(b, _by_computed(b, x, weight, window, groups), bias)
    if isinstance(bias, Tensor):
        return _plus(b, _by_constant(b, x, weight, None, window, groups), bias)
    if len(x.shape) == 4 and x.shape[0] > 1:
        return _of_several(b, x, weight, bias, window, groups)
    return _by_constant(b, x, weight, bias, window, groups)


def _by_constant(
    b: Builder, x: Tensor, weight: Array, bias: Array | None, window: Window, groups: int
) -> Tensor:
    require_image("conv2d", x.shape)
    attrs = Conv2dAttrs(window.stride, window.padding, window.dilation, groups)
    w = b.constant(f"{b.layer}_weight", weight.transpose(0, 2, 3, 1))
    c = b.constant(f"{b.layer}_bias", np.zeros(len(weight)) if bias is None else bias)
    return to_nchw(b, b.add("conv2d", attrs, to_nhwc(b, x), w, c))


def _by_computed(b: Builder, x: Tensor, weight: Tensor, window: Window, groups: int) -> Tensor:
    """By weights that the network computes: a product of them and the columns of all windows."""
    require_image("conv2d", x.shape)
    n_out, each, kh, kw = weight.shape
    columns = columns_of(b, x, window)
    rows = reshaped(b, weight, (groups, n_out // groups, each * kh * kw))
    product = from_aten_matmul(b, rows, reshaped(b, columns, (groups, each * kh * kw, columns.shape[2])))
    return reshaped(b, product, (1, n_out, *window.output(*x.shape[2:])))


def _plus(b: Builder, y: Tensor, bias: Value | None) -> Tensor:
    if bias is None:
        return y
    shape = (*bias.shape, 1, 1)
    return from_aten_add(b, y, reshaped(b, bias, shape) if isinstance(bias, Tensor) else bias.reshape(shape))


def _of_several(
    b: Builder, x: Tensor, weight: Array, bias: Array | None, window: Window, groups: int
) -> Tensor:
    """Images (n, channels, height, width) as volumes of one slice."""
    volumes = reshaped(b, x, (*x.shape[:2], 1, *x.shape[2:]))
    y = convolved_volume(b, volumes, weight[:, :, None], bias, (Window((1, 1)), window), groups)
    return reshaped(b, y, (*y.shape[:2], *y.shape[3:]))


@of_one(axes=5)
def from_aten_conv3d(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PerAxis | str = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """weight (O, I/groups, kd, kh, kw)."""
    require_volumes("conv3d", x.shape)
    (kd, kh, kw), (sd, *step), (dd, dh, dw) = weight.shape[2:], triple(stride), triple(dilation)
    in_depth: PerAxis | str = padding if isinstance(padding, str) else (triple(padding)[0], 0)
    over: PerAxis | str = padding if isinstance(padding, str) else triple(padding)[1:]
    windows = (
        Window((kd, 1), (sd, 1), _around(in_depth, (kd, 1), (dd, 1)), (dd, 1)),
        Window((kh, kw), pair(step), _around(over, (kh, kw), (dh, dw)), (dh, dw)),
    )
    return convolved_volume(b, x, weight, bias, windows, groups)


def from_aten_conv1d(
    b: Builder,
    x: Tensor,
    weight: Value,
    bias: Value | None = None,
    stride: PerAxis = 1,
    padding: PerAxis | str = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """A line of values as an image of height 1; weight (O, I/groups, k)."""
    around = padding if isinstance(padding, str) else lying(padding, 0)
    options = lying(stride, 1), around, lying(dilation, 1), groups
    n_out, each, k = weight.shape
    high = weight[:, :, None] if isinstance(weight, np.ndarray) else reshaped(b, weight, (n_out, each, 1, k))
    return as_lines(b, from_aten_conv2d(b, as_image(b, x), high, bias, *options), x)


def from_aten_convolution(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None,
    stride: PerAxis,
    padding: PerAxis,
    dilation: PerAxis,
    transposed: bool,
    output_padding: PerAxis,
    groups: int,
) -> Tensor:
    if transposed:
        spread = SPREAD[weight.ndim - 3]
        return spread(b, x, weight, bias, stride, padding, output_padding, groups, dilation)
    rule = (from_aten_conv1d, from_aten_conv2d, from_aten_conv3d)[weight.ndim - 3]
    return rule(b, x, weight, bias, stride, padding, dilation, groups)


@of_one(axes=4)
def from_aten_conv_transpose2d(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """weight (I, O/groups, kh, kw) as in PyTorch; with a stride of 1 it is a convolution, turned around."""
    if len(x.shape) == 4 and x.shape[0] > 1:
        return _spread_several(b, x, weight, bias, stride, padding, output_padding, groups, dilation)
    require_image("conv_transpose2d", x.shape)
    n_in, each, kh, kw = weight.shape
    split = weight.reshape(groups, n_in // groups, each, kh, kw)
    filters = split.transpose(0, 2, 3, 4, 1).reshape(groups * each, kh, kw, n_in // groups)
    step, apart, (top, left), (below, right) = map(pair, (stride, dilation, padding, output_padding))
    crop = top, top - below, left, left - right
    reach = apart[0] * (kh - 1), apart[1] * (kw - 1)
    around = reach[0] - crop[0], reach[0] - crop[1], reach[1] - crop[2], reach[1] - crop[3]
    dense = step == (1, 1) and min(around) >= 0
    w = b.constant(f"{b.layer}_weight", filters[:, ::-1, ::-1] if dense else filters)
    c = b.constant(f"{b.layer}_bias", np.zeros(len(filters)) if bias is None else bias)
    if dense:
        attrs = Conv2dAttrs((1, 1), around, apart, groups)
        return to_nchw(b, b.add("conv2d", attrs, to_nhwc(b, x), w, c))
    spread = ConvTranspose2dAttrs(step, crop, apart, groups)
    return to_nchw(b, b.add("conv_transpose2d", spread, to_nhwc(b, x), w, c))


def _spread_several(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None,
    stride: PerAxis,
    padding: PerAxis,
    output_padding: PerAxis,
    groups: int,
    dilation: PerAxis,
) -> Tensor:
    """Images (n, channels, height, width) as volumes of one slice."""
    volumes = reshaped(b, x, (*x.shape[:2], 1, *x.shape[2:]))
    step, around, further = (1, *pair(stride)), (0, *pair(padding)), (0, *pair(output_padding))
    options = step, around, further, groups, (1, *pair(dilation))
    y = from_aten_conv_transpose3d(b, volumes, weight[:, :, None], bias, *options)
    return reshaped(b, y, (*y.shape[:2], *y.shape[3:]))


def from_aten_conv_transpose1d(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """A line of values as an image of height 1; weight (I, O/groups, k)."""
    options = lying(stride, 1), lying(padding, 0), lying(output_padding, 0), groups, lying(dilation, 1)
    return as_lines(b, from_aten_conv_transpose2d(b, as_image(b, x), weight[:, :, None], bias, *options), x)


@of_one(axes=5)
def from_aten_conv_transpose3d(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """weight (I, O/groups, kd, kh, kw) as in PyTorch."""
    require_volumes("conv_transpose3d", x.shape)
    depth, rows, columns = zip(*map(triple, (stride, padding, output_padding, dilation)), strict=True)
    step, left, right, apart = columns

    def spread(image: Tensor, filters: Array, below: int) -> Tensor:
        options = (rows[0], step), (0, left), (below, right), groups, (rows[3], apart)
        return from_aten_conv_transpose2d(b, image, filters, bias, *options)

    return spread_volume(b, x, weight, (depth, rows), groups, spread)


def _around(padding: PerAxis | str, kernel: Pair, dilation: Pair) -> Padding:
    """PyTorch's "same" puts the odd row or column behind; "valid" is none."""
    if not isinstance(padding, str):
        return symmetric(padding)
    total_h, total_w = (d * (k - 1) * (padding == "same") for k, d in zip(kernel, dilation, strict=True))
    return total_h // 2, total_h - total_h // 2, total_w // 2, total_w - total_w // 2


SPREAD = from_aten_conv_transpose1d, from_aten_conv_transpose2d, from_aten_conv_transpose3d
"""Transposed convolutions of lines, images and volumes."""

RULES: Mapping[str, Rule] = {
    "aten.conv2d.default": from_aten_conv2d,
    "aten.conv2d.padding": from_aten_conv2d,
    "aten.conv3d.default": from_aten_conv3d,
    "aten.conv3d.padding": from_aten_conv3d,
    "aten.conv1d.default": from_aten_conv1d,
    "aten.conv1d.padding": from_aten_conv1d,
    "aten.conv_transpose2d.input": from_aten_conv_transpose2d,
    "aten.conv_transpose3d.input": from_aten_conv_transpose3d,
    "aten.conv_transpose1d.default": from_aten_conv_transpose1d,
    "aten.convolution.default": from_aten_convolution,
}
