"""max_pool2d: the largest value of each window, channel by channel; padding never wins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder, Unsupported
from .casework import activation
from .lines import as_image, as_line, lying
from .pooling import pooled_overlap
from .reductions import reduced
from .reshape import reshaped
from .row_pooling import MAX_OFFSET, Columns, RowPooling, row_overlap, row_pooling
from .spec import Case, Constants, Cost, Op, Stripe, register
from .stripes import window_rows
from .transpose import to_nchw, to_nhwc
from .windows import Padding, Pair, Sizes, Window, image_size, pair, require_image, symmetric


@dataclass(frozen=True)
class MaxPool2dAttrs:
    """Options as in PyTorch; padding is (top, bottom, left, right)."""

    kernel: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode)


Span = tuple[int, int]
"""The first row (or column) of the image that a window reads, and how many it reads."""
MAX_TAPS = 64
"""Inputs of a window that the DSP kernel unrolls."""


def from_aten_max_pool2d(
    b: Builder,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    dilation: Sizes = 1,
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
    kernel_size: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """A line of values as an image of height 1."""
    window = lying(kernel_size, 1), lying(stride or kernel_size, 1), lying(padding, 0), lying(dilation, 1)
    return as_line(b, from_aten_max_pool2d(b, as_image(b, x), *window, ceil_mode))


def from_aten_adaptive_max_pool2d(b: Builder, x: Tensor, output_size: Sizes) -> Tensor:
    require_image("adaptive_max_pool2d", x.shape)
    size = pair(output_size)
    if any(n % m for n, m in zip(x.shape[2:], size, strict=True)):
        raise Unsupported(f"windows of several sizes, from {x.shape[2:]} to {size}")
    height, width = (n // m for n, m in zip(x.shape[2:], size, strict=True))
    return from_aten_max_pool2d(b, x, (height, width))


def from_aten_adaptive_max_pool1d(b: Builder, x: Tensor, output_size: Sizes) -> Tensor:
    return as_line(b, from_aten_adaptive_max_pool2d(b, as_image(b, x), lying(output_size, 1)))


def from_aten_amax(b: Builder, x: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    return reduced(b, x, dim, keepdim, from_aten_max_pool2d)


def from_aten_slice(
    b: Builder, x: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Every step-th value along an axis, from the first one on: windows of one value."""
    axis = dim % len(x.shape)
    size = x.shape[axis]
    first, last, _ = slice(start, end).indices(size)
    if first:
        raise Unsupported(f"values {first} to {last} of {size} along axis {axis}")
    if last < size:
        if last > 1:
            raise Unsupported(f"the first {last} values of {size} along axis {axis}")
        step = size
    if step == 1:
        return x
    if len(x.shape) == 4 and x.shape[0] == 1 and axis > 1:
        return from_aten_max_pool2d(b, x, 1, (step, 1) if axis == 2 else (1, step))
    image = reshaped(b, x, (1, 1, prod(x.shape[: axis + 1]), prod(x.shape[axis + 1 :])))
    if size % step:
        image = reshaped(b, x, (1, prod(x.shape[:axis]), size, prod(x.shape[axis + 1 :])))
    return reshaped(
        b,
        from_aten_max_pool2d(b, image, 1, (step, 1)),
        (*x.shape[:axis], -(-size // step), *x.shape[axis + 1 :]),
    )


def from_aten_select(b: Builder, x: Tensor, dim: int, index: int) -> Tensor:
    """x[:, 0]: the first entry of an axis, which vanishes; the only one costs nothing."""
    axis = dim % len(x.shape)
    if index % x.shape[axis]:
        raise Unsupported(f"entry {index} of {x.shape[axis]} along axis {axis}")
    first = from_aten_slice(b, x, axis, 0, 1)
    return reshaped(b, first, (*x.shape[:axis], *x.shape[axis + 1 :]))


class MaxPool2d(Op):
    """x (1, H, W, C) → (1, OH, OW, C)."""

    name = "max_pool2d"
    attrs = MaxPool2dAttrs
    sources = {
        "aten.max_pool2d.default": from_aten_max_pool2d,
        "aten.max_pool2d_with_indices.default": from_aten_max_pool2d,
        "aten.max_pool1d.default": from_aten_max_pool1d,
        "aten.max_pool1d_with_indices.default": from_aten_max_pool1d,
        "aten.adaptive_max_pool2d.default": from_aten_adaptive_max_pool2d,
        "aten.adaptive_max_pool1d.default": from_aten_adaptive_max_pool1d,
        "aten.amax.default": from_aten_amax,
        "aten.max.dim": from_aten_amax,
        "aten.slice.Tensor": from_aten_slice,
        "aten.select.int": from_aten_select,
    }
    keeps_qparams = True

    def shape(self, attrs: MaxPool2dAttrs, *inputs: Shape) -> Shape:
        height, width, channels = image_size(inputs[0])
        if attrs.window.sees_only_padding(height, width):
            raise ValueError("max_pool2d has a window that reads only padding: use less padding or dilation")
        return (1, *attrs.window.output(height, width), channels)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _largest(call.attrs.window.taps(inputs[0], -np.inf))

    def remap(self, attrs: MaxPool2dAttrs, order: Shape) -> MaxPool2dAttrs | None:
        if order == (0, 1, 2, 3):
            return attrs
        return _swapped(attrs) if order == (0, 2, 1, 3) else None

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        attrs = call.attrs
        _, height, width, channels = call.inputs[0].shape
        return {
            "height": height,
            "width": width,
            "channels": channels,
            "out_height": call.output.shape[1],
            "out_width": call.output.shape[2],
            "kernel": attrs.kernel,
            "stride": attrs.stride,
            "dilation": attrs.dilation,
            "top": attrs.padding[0],
            "left": attrs.padding[2],
            "inside": _inside(call),
            "row_pooling": _row_pooling(call),
        }

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        if not self.variant(call, dsp):
            return super().pack(call, k, dsp)
        rows, columns = (np.array(spans, np.int16) for spans in _spans(call))
        return {"rows": rows} if k["row_pooling"] else {"rows": rows, "columns": columns}

    def variant(self, call: Call, dsp: bool) -> str:
        """The DSP kernel loads words of four channels of one input; "rows" needs fewer loads, or channels."""
        if not dsp:
            return ""
        if _row_pooling(call):
            return "rows"
        return "dsp" if call.inputs[0].shape[3] >= 4 else ""

    def cost(self, call: Call, dsp: bool) -> Cost:
        pooling = _row_pooling(call) if dsp else None
        return Cost(scratch_bytes=pooling.scratch_values if pooling else 0)

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        variant = self.variant(call, dsp)
        if not variant:
            return (None,)
        _, _, width, channels = call.inputs[0].shape
        rows, columns = ([first for first, _ in spans] for spans in _spans(call))
        if variant == "rows":
            return (row_overlap(call, rows),)
        return (pooled_overlap(rows, columns, width, channels),)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return window_rows(call, rows, call.attrs.window)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _largest(call.attrs.window.taps(inputs[0], -128))

    def cases(self) -> Iterator[Case]:
        rows: list[tuple[str, Shape, dict[str, Any]]] = [
            ("2x2_odd", (1, 7, 5, 3), {"kernel": (2, 2), "stride": (2, 2)}),
            (
                "3x3_s2_pad_ceil",
                (1, 8, 6, 5),
                {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "ceil_mode": True},
            ),
            (
                "2x3_dilated",
                (1, 9, 9, 2),
                {"kernel": (2, 3), "stride": (1, 2), "dilation": (3, 2), "padding": (1, 1, 2, 2)},
            ),
            (
                "3x3_s2_ceil_beyond_the_image",
                (1, 2, 5, 3),
                {"kernel": (3, 3), "stride": (2, 2), "ceil_mode": True},
            ),
            ("pad_0213", (1, 5, 4, 1), {"kernel": (3, 3), "stride": (1, 1), "padding": (0, 2, 1, 1)}),
            ("2x2_of_16_channels", (1, 6, 9, 16), {"kernel": (2, 2), "stride": (2, 2)}),
            (
                "3x3_of_7_channels_33x17",
                (1, 33, 17, 7),
                {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)},
            ),
            (
                "2x5_dilated_of_6_channels",
                (1, 9, 9, 6),
                {"kernel": (2, 5), "stride": (1, 2), "dilation": (3, 2), "padding": (1, 1, 2, 2)},
            ),
            (
                "1x1_of_4_channels",
                (1, 1, 1, 4),
                {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)},
            ),
            ("1x1_of_1_channel", (1, 1, 1, 1), {"kernel": (1, 1), "stride": (1, 1)}),
            (
                "1x1_of_3_channels_pad",
                (1, 1, 1, 3),
                {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)},
            ),
            ("2x2_of_1_channel", (1, 9, 19, 1), {"kernel": (2, 2), "stride": (2, 2)}),
            (
                "3x3_s2_pad_of_33x17",
                (1, 33, 17, 3),
                {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)},
            ),
            (
                "3x3_s2_pad_ceil_1_channel",
                (1, 6, 8, 1),
                {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "ceil_mode": True},
            ),
            (
                "5x2_dilated_of_1_channel",
                (1, 13, 11, 1),
                {"kernel": (5, 2), "stride": (2, 2), "dilation": (2, 3), "padding": (2, 2, 1, 1)},
            ),
            ("21x19_of_2_channels", (1, 21, 20, 2), {"kernel": (21, 19), "stride": (1, 1)}),
            ("whole_25x25", (1, 25, 25, 3), {"kernel": (25, 25), "stride": (25, 25)}),
            (
                "5x5_s1_pad_of_6_channels",
                (1, 7, 9, 6),
                {"kernel": (5, 5), "stride": (1, 1), "padding": (2, 2, 2, 2)},
            ),
            ("9x9_s2_of_5_channels", (1, 13, 12, 5), {"kernel": (9, 9), "stride": (2, 2)}),
            ("2x4_of_1401_channels", (1, 2, 4, 1401), {"kernel": (2, 4), "stride": (2, 4)}),
            ("1x2_of_4097_channels", (1, 1, 2, 4097), {"kernel": (1, 2), "stride": (1, 2)}),
            ("far_columns", (1, 2, 1501, 3), {"kernel": (1, 1), "stride": (2, 1500)}),
            ("farther_columns", (1, 1, 1501, 3), {"kernel": (1, 2), "stride": (1, 1), "dilation": (1, 1500)}),
        ]
        for label, shape, options in rows:
            attrs = MaxPool2dAttrs(**options)
            yield Case(
                label, Call(attrs, (activation("x", shape),), activation("y", self.shape(attrs, shape)))
            )


def _spans(call: Call) -> tuple[list[Span], list[Span]]:
    """Per output row and per output column, what its windows read inside the image."""
    attrs, sizes, counts = call.attrs, call.inputs[0].shape[1:3], call.output.shape[1:3]
    rows, columns = (
        [
            _span(i * attrs.stride[axis] - attrs.padding[2 * axis], axis, attrs, sizes[axis])
            for i in range(counts[axis])
        ]
        for axis in (0, 1)
    )
    return rows, columns


def _span(start: int, axis: int, attrs: MaxPool2dAttrs, size: int) -> Span:
    step = attrs.dilation[axis]
    inside = [i for i in range(start, start + attrs.kernel[axis] * step, step) if 0 <= i < size]
    return inside[0], len(inside)


def _row_pooling(call: Call) -> RowPooling | None:
    """How the kernel "rows" runs: for few channels, and where windows share what it combines."""
    attrs, channels = call.attrs, call.inputs[0].shape[3]
    (kh, kw), step, outputs = attrs.kernel, attrs.stride[1], call.output.shape[2]
    if channels >= 4 and (step > 1 or kh * kw <= kh + kw + 1):
        return None
    size = channels
    if step == 1 and outputs * channels >= 4:
        size = 4
    elif step == 2 and channels == 1 and outputs > 1:
        size = 2
    columns = Columns(kw, step, attrs.dilation[1], attrs.padding[2])
    return row_pooling(call, columns, size, 4 if kw <= 4 else 2 if kw <= 8 else 1, value_bytes=1)


def _inside(call: Call) -> Span:
    """The first output column whose windows the image is as wide as, and how many there are; or none.

    None too where they are too large to be unrolled.
    """
    (kh, kw), channels = call.attrs.kernel, call.inputs[0].shape[3]
    if kh * kw > MAX_TAPS or (kw - 1) * call.attrs.dilation[1] * channels > MAX_OFFSET:
        return 0, 0
    rows, columns = _spans(call)
    found = [i for i, (_, count) in enumerate(columns) if count == call.attrs.kernel[1]]
    if not found or all(count < call.attrs.kernel[0] for _, count in rows):
        return 0, 0
    return found[0], len(found)


def _largest(taps: Iterator[Array]) -> Array:
    return reduce(np.maximum, taps)


def _swapped(attrs: MaxPool2dAttrs) -> MaxPool2dAttrs:
    """Height and width exchanged."""
    top, bottom, left, right = attrs.padding
    return MaxPool2dAttrs(
        attrs.kernel[::-1],
        attrs.stride[::-1],
        (left, right, top, bottom),
        attrs.dilation[::-1],
        attrs.ceil_mode,
    )


register(MaxPool2d())
