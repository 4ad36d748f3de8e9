"""max_pool2d: the largest value of each window, channel by channel; padding never wins."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..ir import Array, Call, Shape
from .pooling import pooled_overlap
from .row_pooling import MAX_OFFSET, Columns, RowPooling, row_overlap, row_pooling
from .spec import Constants, Cost, Op, Stripe, register
from .stripes import window_rows
from .windows import Padding, Pair, Window, image_size


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


class MaxPool2d(Op):
    """x (1, H, W, C) → (1, OH, OW, C)."""

    name = "max_pool2d"
    attrs = MaxPool2dAttrs
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
