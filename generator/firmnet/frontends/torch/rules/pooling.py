"""How do PyTorch's pools and reductions read?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....ir import Array, Tensor
from ....ops.avg_pool2d import AvgPool2dAttrs
from ....ops.max_pool2d import MaxPool2dAttrs
from ....ops.pick import runs
from ....ops.windows import Pair
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.images import as_image, as_line, require_image
from ...common.movement import to_nchw, to_nhwc
from ...common.places import picked
from ...common.reductions import reduced
from .options import PerAxis, lying, pair, symmetric


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
    require_image("avg_pool2d", x.shape)
    kernel, step = pair(kernel_size), pair(stride or kernel_size)
    if divisor_override is not None and divisor_override < 1:
        raise Unsupported(f"divisor_override={divisor_override}: it must be at least 1")
    options = bool(ceil_mode), bool(count_include_pad), divisor_override
    return _pooled(b, x, AvgPool2dAttrs(kernel, step, symmetric(padding), *options))


def from_aten_adaptive_avg_pool2d(b: Builder, x: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    require_image("adaptive_avg_pool2d", x.shape)
    sizes = (output_size, output_size) if isinstance(output_size, int) else output_size
    height, width = (n if size is None else size for size, n in zip(sizes, x.shape[2:], strict=True))
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
    y = from_aten_avg_pool2d(b, as_image(b, x), *window, ceil_mode, count_include_pad)
    return as_line(b, y)


def from_aten_adaptive_avg_pool1d(b: Builder, x: Tensor, output_size: PerAxis) -> Tensor:
    return as_line(b, from_aten_adaptive_avg_pool2d(b, as_image(b, x), lying(output_size, 1)))


def from_aten_mean(
    b: Builder, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    return reduced(b, x, dim, keepdim, _mean)


def from_aten_mean_of_all(b: Builder, x: Tensor, dtype: Any = None) -> Tensor:
    return reduced(b, x, None, False, _mean)


def from_aten_sum(
    b: Builder, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    return reduced(b, x, dim, keepdim, _sum)


def from_aten_sum_of_all(b: Builder, x: Tensor, dtype: Any = None) -> Tensor:
    return reduced(b, x, None, False, _sum)


def _mean(b: Builder, image: Tensor, window: Pair) -> Tensor:
    counts = (n // k for n, k in zip(image.shape[2:], window, strict=True))
    height, width = counts
    return _pooled(b, image, AvgPool2dAttrs(adaptive=(height, width)))


def _sum(b: Builder, image: Tensor, window: Pair) -> Tensor:
    return _pooled(b, image, AvgPool2dAttrs(window, window, divisor_override=1))


def _pooled(b: Builder, x: Tensor, attrs: AvgPool2dAttrs) -> Tensor:
    require_image("avg_pool2d", x.shape)
    return to_nchw(b, b.add("avg_pool2d", attrs, to_nhwc(b, x)))


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
    require_image("max_pool2d", x.shape)
    attrs = MaxPool2dAttrs(
        pair(kernel_size), pair(stride or kernel_size), symmetric(padding), pair(dilation), bool(ceil_mode)
    )
    return to_nchw(b, b.add("max_pool2d", attrs, to_nhwc(b, x)))


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
    return as_line(b, from_aten_max_pool2d(b, as_image(b, x), *window, ceil_mode))


def from_aten_adaptive_max_pool2d(b: Builder, x: Tensor, output_size: PerAxis) -> Tensor:
    require_image("adaptive_max_pool2d", x.shape)
    size = pair(output_size)
    spans = [_adaptive(n, m) for n, m in zip(x.shape[2:], size, strict=True)]
    even = picked(
        b, x, {2 + axis: runs(np.ravel(span)) for axis, span in enumerate(spans)}, name=f"{b.layer}_windows"
    )
    return from_aten_max_pool2d(b, even, [len(span[0]) for span in spans])


def _adaptive(n: int, count: int) -> Array:
    """The values of each window, (count, most): where windows differ in size the last is there again."""
    starts, ends = np.arange(count) * n // count, -(-(np.arange(count) + 1) * n // count)
    within = starts[:, None] + np.arange((ends - starts).max())
    spans: Array = np.minimum(within, ends[:, None] - 1)
    return spans


def from_aten_adaptive_max_pool1d(b: Builder, x: Tensor, output_size: PerAxis) -> Tensor:
    return as_line(b, from_aten_adaptive_max_pool2d(b, as_image(b, x), lying(output_size, 1)))


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
    "aten.amax.default": from_aten_amax,
    "aten.max.default": from_aten_amax,
    "aten.amin.default": from_aten_amin,
    "aten.min.dim": from_aten_amin,
    "aten.min.default": from_aten_amin,
}
