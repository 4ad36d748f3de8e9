"""How does the DSP extension find the largest values? A word at a time, window by window or rows first."""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.max_pool2d import spans
from ...ops.spec import Constants
from ...targets import Isa
from ..images import WindowedImage, image
from ..spec import Kernel, register
from .instructions import MAX_OFFSET
from .pooling import pooled_overlap
from .row_pooling import Columns, RowPooling, row_overlap, row_pooling

MAX_COMPARED_TAPS = 64
"""Inputs of a window that are unrolled."""


@dataclass(frozen=True)
class MaxWindows:
    """`count` columns of outputs from `first` on have windows as wide as the kernel; or none is unrolled."""

    image: WindowedImage
    first: int
    count: int


@dataclass(frozen=True)
class MaxRowsFirst:
    image: WindowedImage
    pooling: RowPooling


class _MaxPool2d(Kernel):
    op = "max_pool2d"
    isa = Isa.DSP


class WindowsMaxPool2d(_MaxPool2d):
    """Loads words of four channels of one input, or of two of int16."""

    name = "windows"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return _pixel_bytes(call) >= 4

    def cycles(self, call: Call) -> float:
        """Unrolled windows take 4 cycles per word, others 9."""
        rows, columns = ([count for _, count in found] for found in spans(call))
        (kh, kw), (_, unrolled) = call.attrs.kernel, _inside(call)
        full = rows.count(kh) * unrolled
        words = sum(rows) * sum(columns) - full * kh * kw
        edges = len(rows) * len(columns) - full
        each = -(-_pixel_bytes(call) // 4)
        again = 8 if _pixel_bytes(call) % 4 else 0
        inside = full * (3 + again + each * (6.5 + kh * (1 + 2.85 * kw)))
        outside = edges * 40 + each * (12 * edges + 9.3 * words)
        return float(60 + 45 * len(rows) + inside + outside)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        rows, columns = ([first for first, _ in found] for found in spans(call))
        return (pooled_overlap(rows, columns, call.inputs[0].shape[2], _pixel_bytes(call)),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        rows, columns = (np.array(found, np.int16) for found in spans(call))
        return {"rows": rows, "columns": columns}

    def layout(self, call: Call, k: Constants) -> MaxWindows:
        return MaxWindows(image(call, call.attrs.window), *_inside(call))


class RowsMaxPool2d(_MaxPool2d):
    """Any number of channels; fewer loads where windows share rows."""

    name = "rows"

    def accepts(self, call: Call) -> bool:
        return _row_pooling(call) is not None

    def cycles(self, call: Call) -> float:
        """Of every row of windows, its rows combined, then its columns."""
        pooling = self._pooling(call)
        height, count = sum(count for _, count in spans(call)[0]), call.output.shape[1]
        down, across = pooling.rows, pooling.outputs
        combined = down.total * (count * 11 + height * (3.5 + 3.0 * down.parts))
        written = count * across.total * (6 + across.parts * (3.5 + 2.9 * pooling.taps))
        return 60 + 40 * count + combined + written + 0.3 * pooling.scratch_values * pooling.padded

    def scratch_bytes(self, call: Call) -> int:
        return self._pooling(call).scratch_values

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (row_overlap(call, [first for first, _ in spans(call)[0]]),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"rows": np.array(spans(call)[0], np.int16)}

    def layout(self, call: Call, k: Constants) -> MaxRowsFirst:
        return MaxRowsFirst(image(call, call.attrs.window), self._pooling(call))

    def _pooling(self, call: Call) -> RowPooling:
        """Of a call that the kernel accepts."""
        found = _row_pooling(call)
        assert found is not None
        return found


def _row_pooling(call: Call) -> RowPooling | None:
    """For few channels, and where windows share what it combines."""
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


def _pixel_bytes(call: Call) -> int:
    """Of all its channels."""
    return call.inputs[0].shape[3] * call.inputs[0].dtype.bytes


def _inside(call: Call) -> tuple[int, int]:
    """The first output column whose windows the image is as wide as, and how many there are; or none.

    None too where they are too large to be unrolled.
    """
    kh, kw = call.attrs.kernel
    if kh * kw > MAX_COMPARED_TAPS or (kw - 1) * call.attrs.dilation[1] * _pixel_bytes(call) > MAX_OFFSET:
        return 0, 0
    rows, columns = spans(call)
    found = [i for i, (_, count) in enumerate(columns) if count == kw]
    if not found or all(count < kh for _, count in rows):
        return 0, 0
    return found[0], len(found)


register(RowsMaxPool2d())
register(WindowsMaxPool2d())
