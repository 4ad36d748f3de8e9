"""max_pool2d: the largest value of each window, channel by channel; padding never wins."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .exchange import exchangeable, turned, turned_padding, turned_pair
from .sliding import sliding, unpadded
from .spec import Constants, Op, Slide, Stripe, register
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


Ends = tuple[int, int]
"""The first row (or column) of the image that a window reads, and how many it reads."""


class MaxPool2d(Op):
    """x (1, H, W, C) → (1, OH, OW, C)."""

    name = "max_pool2d"
    attrs = MaxPool2dAttrs
    keeps_qparams = True
    dtypes = (Dtype.INT8, Dtype.INT16)

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
        return {"dtype": call.output.dtype}

    def slide(self, call: Call, axis: int) -> Slide | None:
        return sliding(call.attrs.window, axis)

    def slid(self, call: Call, axis: int, places: int) -> MaxPool2dAttrs:
        attrs: MaxPool2dAttrs = call.attrs
        return unpadded(attrs, axis)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return window_rows(call, rows, call.attrs.window)

    def exchanged(self, call: Call) -> Call | None:
        if not exchangeable(call):
            return None
        return Call(_swapped(call.attrs), (turned(call.inputs[0]),), (turned(call.output),))

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _largest(call.attrs.window.taps(inputs[0], call.output.dtype.low))


def spans(call: Call) -> tuple[list[Ends], list[Ends]]:
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


def _span(start: int, axis: int, attrs: MaxPool2dAttrs, size: int) -> Ends:
    step = attrs.dilation[axis]
    inside = [i for i in range(start, start + attrs.kernel[axis] * step, step) if 0 <= i < size]
    return inside[0], len(inside)


def _largest(taps: Iterator[Array]) -> Array:
    return reduce(np.maximum, taps)


def _swapped(attrs: MaxPool2dAttrs) -> MaxPool2dAttrs:
    """Height and width exchanged."""
    return MaxPool2dAttrs(
        turned_pair(attrs.kernel),
        turned_pair(attrs.stride),
        turned_padding(attrs.padding),
        turned_pair(attrs.dilation),
        attrs.ceil_mode,
    )


register(MaxPool2d())
