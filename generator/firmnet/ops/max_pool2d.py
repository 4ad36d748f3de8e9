"""max_pool2d: the largest value of each window, channel by channel; padding never wins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder
from .casework import activation
from .pooling import pooled_overlap
from .spec import Case, Constants, Op, Stripe, register
from .stripes import window_rows
from .transpose import to_nchw, to_nhwc
from .windows import Padding, Pair, Window, pair, require_image, symmetric


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


Sizes = int | Sequence[int]
Span = tuple[int, int]
"""The first row (or column) of the image that a window reads, and how many it reads."""
MAX_TAPS = 64
"""Inputs of a window that the DSP kernel unrolls."""
MAX_OFFSET = 4095
"""Bytes that a load may lie behind its pointer."""


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


class MaxPool2d(Op):
    """x (1, H, W, C) → (1, OH, OW, C)."""

    name = "max_pool2d"
    attrs = MaxPool2dAttrs
    sources = {
        "aten.max_pool2d.default": from_aten_max_pool2d,
        "aten.max_pool2d_with_indices.default": from_aten_max_pool2d,
    }
    keeps_qparams = True

    def shape(self, attrs: MaxPool2dAttrs, *inputs: Shape) -> Shape:
        _, height, width, channels = inputs[0]
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
        }

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        if not self.variant(call, dsp):
            return super().pack(call, k, dsp)
        rows, columns = (np.array(spans, np.int16) for spans in _spans(call))
        return {"rows": rows, "columns": columns}

    def variant(self, call: Call, dsp: bool) -> str:
        """The DSP kernel loads words of four channels, from the row of a window at fixed offsets."""
        (_, _, _, channels), (kh, kw) = call.inputs[0].shape, call.attrs.kernel
        reach = max(kw - 1, 1) * call.attrs.dilation[1] * channels
        fits = channels >= 4 and reach <= MAX_OFFSET and kh * kw <= MAX_TAPS
        return "dsp" if dsp and fits else ""

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        if not self.variant(call, dsp):
            return (None,)
        _, _, width, channels = call.inputs[0].shape
        rows, columns = ([first for first, _ in spans] for spans in _spans(call))
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


def _inside(call: Call) -> Span:
    """The first output column whose windows the image is as wide as, and how many there are; or none."""
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
