"""How do PyTorch's pools and reductions read?"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ....ir import Array, Tensor
from ....ops.avg_pool2d import AvgPool2dAttrs
from ....ops.linear import LinearAttrs
from ....ops.max_pool2d import MaxPool2dAttrs
from ....ops.pick import runs
from ....ops.windows import Pair
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.images import channelwise
from ...common.movement import reshaped, to_nchw, to_nhwc, transposed
from ...common.places import picked
from ...common.reductions import reduced
from .options import PerAxis, lying, pair, symmetric, triple

ImageLayer = Callable[[Tensor], Tensor]


def from_aten_avg_pool2d(
    b: Builder,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis = (),
    padding: PerAxis = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """An empty stride is the kernel size."""
    kernel, step = pair(kernel_size), pair(stride or kernel_size)
    if divisor_override is not None and divisor_override < 1:
        raise Unsupported(f"divisor_override={divisor_override}: it must be at least 1")
    options = bool(ceil_mode), bool(count_include_pad), divisor_override
    return _pooled(b, x, AvgPool2dAttrs(kernel, step, symmetric(padding), *options))


def from_aten_adaptive_avg_pool2d(b: Builder, x: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    sizes = (output_size, output_size) if isinstance(output_size, int) else output_size
    height, width = (n if size is None else size for size, n in zip(sizes, x.shape[-2:], strict=True))
    return _pooled(b, x, AvgPool2dAttrs(adaptive=(height, width)))


def from_aten_avg_pool1d(
    b: Builder,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis = (),
    padding: PerAxis = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """A line of values as an image of height 1."""
    window = lying(kernel_size, 1), lying(stride or kernel_size, 1), lying(padding, 0)
    options = *window, ceil_mode, count_include_pad
    return channelwise(b, x, 1, lambda image: from_aten_avg_pool2d(b, image, *options))


def from_aten_adaptive_avg_pool1d(b: Builder, x: Tensor, output_size: PerAxis) -> Tensor:
    size = lying(output_size, 1)
    return channelwise(b, x, 1, lambda image: from_aten_adaptive_avg_pool2d(b, image, size))


def from_aten_mean(
    b: Builder, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    return reduced(b, x, dim, keepdim, _mean)


def from_aten_mean_of_all(b: Builder, x: Tensor, dtype: Any = None) -> Tensor:
    return reduced(b, x, None, False, _mean)


def from_aten_sum(
    b: Builder, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    return _weighed(b, x, dim, keepdim) or reduced(b, x, dim, keepdim, _sum)


def _weighed(b: Builder, x: Tensor, dim: int | Sequence[int] | None, keepdim: bool) -> Tensor | None:
    """The sum along an axis of what was multiplied by a constant of each place: a linear layer."""
    axes = [dim] if isinstance(dim, int) else list(dim or ())
    made = next((node for node in b.nodes if x.name in node.outputs), None)
    if len(axes) != 1 or made is None or made.op != "batch_norm" or made.attrs.axis != axes[0] % len(x.shape):
        return None
    source, scale, shift = (b.tensors[name] for name in made.inputs)
    if len(x.shape) < 2 or not np.ptp(scale.values):
        return None
    rest = [axis for axis in range(len(x.shape)) if axis != made.attrs.axis]
    weight = b.constant(f"{b.layer}_weight", scale.values[np.newaxis])
    bias = b.constant(f"{b.layer}_bias", shift.values.sum(keepdims=True))
    total = b.add("linear", LinearAttrs(), transposed(b, source, [*rest, made.attrs.axis]), weight, bias)
    result = [1 if axis == made.attrs.axis else n for axis, n in enumerate(x.shape)]
    return reshaped(b, total, result if keepdim else [x.shape[axis] for axis in rest])


def from_aten_sum_of_all(b: Builder, x: Tensor, dtype: Any = None) -> Tensor:
    return reduced(b, x, None, False, _sum)


def _mean(b: Builder, image: Tensor, window: Pair) -> Tensor:
    counts = (n // k for n, k in zip(image.shape[2:], window, strict=True))
    height, width = counts
    return _pooled(b, image, AvgPool2dAttrs(adaptive=(height, width)))


def _sum(b: Builder, image: Tensor, window: Pair) -> Tensor:
    return _pooled(b, image, AvgPool2dAttrs(window, window, divisor_override=1))


def _pooled(b: Builder, x: Tensor, attrs: AvgPool2dAttrs) -> Tensor:
    return channelwise(b, x, 2, lambda image: to_nchw(b, b.add("avg_pool2d", attrs, to_nhwc(b, image))))


def from_aten_max_pool2d(
    b: Builder,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis = (),
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """An empty stride is the kernel size."""
    attrs = MaxPool2dAttrs(
        pair(kernel_size), pair(stride or kernel_size), symmetric(padding), pair(dilation), bool(ceil_mode)
    )
    return channelwise(b, x, 2, lambda image: to_nchw(b, b.add("max_pool2d", attrs, to_nhwc(b, image))))


def from_aten_max_pool1d(
    b: Builder,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis = (),
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """A line of values as an image of height 1."""
    window = lying(kernel_size, 1), lying(stride or kernel_size, 1), lying(padding, 0), lying(dilation, 1)
    return channelwise(b, x, 1, lambda image: from_aten_max_pool2d(b, image, *window, ceil_mode))


def from_aten_adaptive_max_pool2d(b: Builder, x: Tensor, output_size: PerAxis) -> Tensor:
    size = pair(output_size)
    spans = [_adaptive(n, m) for n, m in zip(x.shape[-2:], size, strict=True)]
    first = len(x.shape) - 2
    along = {first + axis: runs(span.ravel()) for axis, span in enumerate(spans)}
    even = picked(b, x, along, name=f"{b.layer}_windows")
    return from_aten_max_pool2d(b, even, [len(span[0]) for span in spans])


def _adaptive(n: int, count: int) -> Array:
    """The values of each window, (count, most): where windows differ in size the last is there again."""
    starts, ends = np.arange(count) * n // count, -(-(np.arange(count) + 1) * n // count)
    within = starts[:, None] + np.arange((ends - starts).max())
    spans: Array = np.minimum(within, ends[:, None] - 1)
    return spans


def from_aten_adaptive_max_pool1d(b: Builder, x: Tensor, output_size: PerAxis) -> Tensor:
    size = lying(output_size, 1)
    return channelwise(b, x, 1, lambda image: from_aten_adaptive_max_pool2d(b, image, size))


def from_aten_max_pool3d(
    b: Builder,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis = (),
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Depth first, then height and width."""
    options = kernel_size, stride or kernel_size, padding, dilation
    (kd, *kernel), (sd, *step), (pd, *around), (dd, *apart) = map(triple, options)
    return _in_depth(
        b,
        x,
        lambda image: from_aten_max_pool2d(b, image, (kd, 1), (sd, 1), (pd, 0), (dd, 1), ceil_mode),
        lambda image: from_aten_max_pool2d(b, image, kernel, step, around, apart, ceil_mode),
        apart[0] == 1 and _end_with_rows(x.shape[-2], kernel[0], step[0], around[0]),
    )


def from_aten_avg_pool3d(
    b: Builder,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis = (),
    padding: PerAxis = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Depth first, then height and width; a divisor of its own divides last."""
    (kd, *kernel), (sd, *step), (pd, *around) = map(triple, (kernel_size, stride or kernel_size, padding))
    options = ceil_mode, count_include_pad
    first = None if divisor_override is None else 1
    return _in_depth(
        b,
        x,
        lambda image: from_aten_avg_pool2d(b, image, (kd, 1), (sd, 1), (pd, 0), *options, first),
        lambda image: from_aten_avg_pool2d(b, image, kernel, step, around, *options, divisor_override),
        _end_with_rows(x.shape[-2], kernel[0], step[0], around[0]),
    )


def from_aten_adaptive_avg_pool3d(b: Builder, x: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    depth, *size = (output_size,) * 3 if isinstance(output_size, int) else output_size
    return _in_depth(
        b,
        x,
        lambda image: from_aten_adaptive_avg_pool2d(b, image, (depth, None)),
        lambda image: from_aten_adaptive_avg_pool2d(b, image, size),
        stacked=False,
    )


def from_aten_adaptive_max_pool3d(b: Builder, x: Tensor, output_size: PerAxis) -> Tensor:
    depth, *size = triple(output_size)
    return _in_depth(
        b,
        x,
        lambda image: from_aten_adaptive_max_pool2d(b, image, (depth, image.shape[-1])),
        lambda image: from_aten_adaptive_max_pool2d(b, image, size),
        stacked=False,
    )


def _in_depth(b: Builder, x: Tensor, along: ImageLayer, over: ImageLayer, stacked: bool) -> Tensor:
    """Pools volumes (…, depth, height, width) `along` depth, then `over` height and width.

    `stacked`: windows end with the rows of each depth, so that these may lie one below the other.
    """
    if len(x.shape) < 4:
        raise Unsupported(f"it needs volumes, got shape {x.shape}")
    outer, (depth, height, width) = x.shape[:-3], x.shape[-3:]
    flat = along(reshaped(b, x, (*outer, depth, height * width)))
    left = flat.shape[-2]
    if stacked or left == 1:
        y = over(reshaped(b, flat, (*outer, left * height, width)))
    else:
        y = over(reshaped(b, flat, (*outer, left, height, width)))
    return reshaped(b, y, (*outer, left, y.size // (left * y.shape[-1] * prod(outer)), y.shape[-1]))


def _end_with_rows(height: int, kernel: int, step: int, around: int) -> bool:
    """Whether windows one below the other are all that there is."""
    return kernel == step and around == 0 and height % step == 0


def from_aten_amax(b: Builder, x: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    return reduced(b, x, dim, keepdim, from_aten_max_pool2d)


def from_aten_amin(b: Builder, x: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """The largest of the negative values, negative."""
    return affine(b, from_aten_amax(b, affine(b, x, -1.0, 0.0), dim, keepdim), -1.0, 0.0)


RULES: Mapping[str, Rule] = {
    "aten.avg_pool2d.default": from_aten_avg_pool2d,
    "aten.adaptive_avg_pool2d.default": from_aten_adaptive_avg_pool2d,
    "aten._adaptive_avg_pool2d.default": from_aten_adaptive_avg_pool2d,
    "aten.avg_pool1d.default": from_aten_avg_pool1d,
    "aten.adaptive_avg_pool1d.default": from_aten_adaptive_avg_pool1d,
    "aten.mean.dim": from_aten_mean,
    "aten.mean.default": from_aten_mean_of_all,
    "aten.sum.dim_IntList": from_aten_sum,
    "aten.sum.default": from_aten_sum_of_all,
    "aten.max_pool2d.default": from_aten_max_pool2d,
    "aten.max_pool2d_with_indices.default": from_aten_max_pool2d,
    "aten.max_pool1d.default": from_aten_max_pool1d,
    "aten.max_pool1d_with_indices.default": from_aten_max_pool1d,
    "aten.adaptive_max_pool2d.default": from_aten_adaptive_max_pool2d,
    "aten.adaptive_max_pool1d.default": from_aten_adaptive_max_pool1d,
    "aten.avg_pool3d.default": from_aten_avg_pool3d,
    "aten.adaptive_avg_pool3d.default": from_aten_adaptive_avg_pool3d,
    "aten._adaptive_avg_pool3d.default": from_aten_adaptive_avg_pool3d,
    "aten.max_pool3d.default": from_aten_max_pool3d,
    "aten.max_pool3d_with_indices.default": from_aten_max_pool3d,
    "aten.adaptive_max_pool3d.default": from_aten_adaptive_max_pool3d,
    "aten.amax.default": from_aten_amax,
    "aten.max.default": from_aten_amax,
    "aten.amin.default": from_aten_amin,
    "aten.min.default": from_aten_amin,
}
