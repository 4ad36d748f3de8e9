"""How does the DSP extension convolve int16 with a filter per channel? Two channels of two pixels at a time.

A word holds two channels of an input and one their weights: SMLABB multiplies the first, SMLATT the second.
Pixels side by side share weights, and the columns that both of them meet.
"""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ...ops.weighted import fold
from ...targets import Isa
from ..images import WindowedImage, image
from ..spec import Kernel, register
from .instructions import MAX_OFFSET
from .wide import even_pairs

MOST_STRAIGHT = 32
"""Taps that are written one by one."""
WEIGHT_REGISTERS = 3

Column = tuple[int, tuple[tuple[int, int], ...]]
"""Bytes from the begin of a row to a column that is met; which pixels meet it, with which weights."""


@dataclass(frozen=True)
class Chunk:
    """Some taps of a row of the kernel, and the columns that they meet."""

    taps: int
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class WideDepthwise:
    """`chunks` of every row of the kernel, rows `row` bytes apart; `far`: no instruction reaches them all.

    `count` outputs of a row from `first` on have windows as wide as the kernel, and are made two by two; of
    an odd number the last but one is made again. None are where there is but one, or too many taps.
    """

    image: WindowedImage
    chunks: tuple[Chunk, ...]
    row: int
    far: bool
    first: int
    count: int

    @property
    def taps(self) -> int:
        return self.image.kernel[0] * self.image.kernel[1]


class DepthwiseWideConv2d(Kernel):
    """One filter per channel, over int16, whose sums int32 holds."""

    op = "conv2d"
    name = "depthwise_wide"
    isa = Isa.DSP
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        n_out, _, _, depth = call.inputs[1].shape
        each = bool(depth == 1 and call.attrs.groups == n_out)
        return each and call.inputs[0].dtype is Dtype.INT16 and not fold(call)["requant"].long

    def cycles(self, call: Call) -> float:
        """Of pairs of pixels, and of others tap by tap."""
        found = self.layout(call, {})
        where, channels = found.image, found.image.n_out
        rows, pairs = whole(where, 0)[1], channels // 2
        tiles, inside = rows * -(-found.count // 2), rows * found.count
        loads = sum(len(chunk.columns) * 1.5 + 1 + chunk.taps for chunk in found.chunks)
        tile = 26 + where.kernel[0] * (loads - 1 + found.far) + 4 * found.taps
        alone = where.out_height * where.out_width - inside
        taps = window_of(call).taps_inside(where.height, where.width) - inside * found.taps
        pixels = tiles * (20 + pairs * tile) + alone * (60 + pairs * 43) + pairs * 6.8 * taps
        return 60 + pixels + channels % 2 * (alone + inside) * (30 + 4 * found.taps)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """Two by two channels: biases, a word of weights for each tap, multipliers."""
        return {"weight": stream(k["weight"].reshape(len(k["weight"]), -1), k["bias"], k["multiplier"])}

    def layout(self, call: Call, k: Constants) -> WideDepthwise:
        where = image(call, window_of(call))
        (_, kw), (_, step), (dh, dw) = where.kernel, where.stride, where.dilation
        chunks = chunked(kw, step, dw, 2 * where.n_in)
        row, widest = 2 * where.n_in * where.width * dh, chunks[-1].columns[-1][0]
        first, count = whole(where, 1)
        reach = max(widest, call.output.dtype.bytes * where.n_in)
        fits = where.kernel[0] * kw <= MOST_STRAIGHT and reach <= MAX_OFFSET
        if not fits or min(count, where.n_in) < 2 or not whole(where, 0)[1]:
            first, count = 0, 0
        far = (where.kernel[0] - 1) * row + widest > MAX_OFFSET
        return WideDepthwise(where, chunks, row, far, first, count)


def whole(where: WindowedImage, axis: int) -> tuple[int, int]:
    """The first output row (or column) whose windows lie inside the image, and how many there are."""
    stride, before = where.stride[axis], (where.top, where.left)[axis]
    size, made = ((where.height, where.out_height), (where.width, where.out_width))[axis]
    first = max(-(-before // stride), 0)
    last = min((size - 1 - (where.kernel[axis] - 1) * where.dilation[axis] + before) // stride, made - 1)
    return first, max(last + 1 - first, 0)


def stream(filters: Array, bias: Array, multiplier: Array) -> Array:
    """Of filters (N, taps), int32: two by two biases, a word of weights for each tap, multipliers."""
    taps = filters.astype(np.int64)
    even, odd = (np.pad(taps, ((0, len(taps) % 2), (0, 0)))[i::2] for i in (0, 1))
    words = ((even & 0xFFFF) | (odd << 16)).astype(np.int32)
    begin, end = (even_pairs(values).reshape(-1, 2) for values in (bias, multiplier))
    return np.hstack([begin, words, end]).astype(np.int32).ravel()


def chunked(taps: int, stride: int, dilation: int, pixel_bytes: int) -> tuple[Chunk, ...]:
    """A row of the kernel, for as many of its taps at a time as registers hold weights of."""
    ranges = (range(at, min(at + WEIGHT_REGISTERS, taps)) for at in range(0, taps, WEIGHT_REGISTERS))
    return tuple(_chunk(some, stride, dilation, pixel_bytes) for some in ranges)


def _chunk(taps: range, stride: int, dilation: int, pixel_bytes: int) -> Chunk:
    met: dict[int, list[tuple[int, int]]] = {}
    for number, tap in enumerate(taps):
        for pixel in range(2):
            met.setdefault(pixel * stride + tap * dilation, []).append((pixel, number))
    return Chunk(len(taps), tuple((at * pixel_bytes, tuple(met[at])) for at in sorted(met)))


register(DepthwiseWideConv2d())
