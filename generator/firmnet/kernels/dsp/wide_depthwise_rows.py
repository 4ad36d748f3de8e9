"""How does the DSP extension convolve int16 with a filter per channel where windows leave the image?

The rows that a row of outputs reads lie in scratch, between zeros, and each new one takes the place of the
oldest. So every window lies inside, and all pixels are made four by four. Whichever place the first row has,
the rows of the weights are read from where the one that meets it lies: there are nearly twice as many.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ...targets import Isa
from ..images import WindowedImage, image
from ..spec import Kernel, register
from .instructions import MAX_OFFSET
from .wide_depthwise import MOST_STRAIGHT, DepthwiseWideConv2d

PIXELS_AT_ONCE = 4
ROW_BEGIN = 4
"""Words before each row of weights: biases and multipliers."""
WEIGHT_NAMES = ("r2", "r3", "r12")
INPUT_NAMES = {PIXELS_AT_ONCE: ("lr",), 2: ("lr", "r8", "r9", "r10", "r11")}
"""Pixels that are made at once → registers that hold no sum."""

WhoMeets = tuple[tuple[int, int], ...]
"""Which pixels meet a column, with which weights."""


@dataclass(frozen=True)
class LoadedColumns:
    """Columns that are loaded together: a register, the bytes from a row's begin, and who meets it."""

    columns: tuple[tuple[str, int, WhoMeets], ...]


@dataclass(frozen=True)
class RowTaps:
    """Some taps of a row of the kernel, of which registers hold the weights."""

    first: int
    count: int
    batches: tuple[LoadedColumns, ...]


@dataclass(frozen=True)
class RowsBetweenZeros:
    """`columns` of a row in scratch, `copied` ones of them from the image, behind `image.left` zeros.

    `taps`: as they are met by so many pixels at once.
    """

    image: WindowedImage
    taps: Mapping[int, tuple[RowTaps, ...]]
    columns: int
    copied: int

    @property
    def row(self) -> int:
        """Bytes."""
        return 2 * self.columns * self.image.n_in

    @property
    def scratch_bytes(self) -> int:
        return self.image.kernel[0] * self.row

    @property
    def row_words(self) -> int:
        """Of weights, with what lies before them."""
        return ROW_BEGIN + self.image.kernel[1]

    @property
    def words(self) -> int:
        """Of two channels."""
        return (2 * self.image.kernel[0] - 1) * self.row_words

    @property
    def all_taps(self) -> int:
        return self.image.kernel[0] * self.image.kernel[1]

    @property
    def tail(self) -> int:
        """How many of the last pixels of a row are made at once, some of them again; 0: none are left."""
        return {0: 0, 3: PIXELS_AT_ONCE}.get(self.image.out_width % PIXELS_AT_ONCE, 2)

    @property
    def far(self) -> bool:
        """Whether no instruction reaches from the first row to the last."""
        taken = self.taps[PIXELS_AT_ONCE]
        widest = max(at for taps in taken for batch in taps.batches for _, at, _ in batch.columns)
        return (self.image.kernel[0] - 1) * self.row + widest > MAX_OFFSET

    @property
    def overlap(self) -> int:
        """Bytes by which an output of int16 must begin before the input: rows are read before."""
        where = self.image
        rows = [
            (row + 1, min(max(row * where.stride[0] - where.top + where.kernel[0], 0), where.height))
            for row in range(where.out_height)
        ]
        y_row, x_row = 2 * where.out_width * where.n_out, 2 * where.width * where.n_in
        return max(0, *(ends * y_row - read * x_row for ends, read in rows if read < rows[-1][1]), 0)


class DepthwiseRowsConv2d(Kernel):
    """One filter per channel, over int16, of an even number of channels, with zeros around the image."""

    op = "conv2d"
    name = "depthwise_rows"
    isa = Isa.DSP
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        if not DepthwiseWideConv2d().accepts(call):
            return False
        where = image(call, window_of(call))
        (kh, kw), channels = where.kernel, where.n_in
        known = kh * kw <= MOST_STRAIGHT and where.stride[0] <= kh and where.dilation[0] == 1
        padded = min(where.top, where.left) >= 0 and channels % 2 == 0 and where.out_width >= PIXELS_AT_ONCE
        return known and padded and _reach(where) <= MAX_OFFSET

    def cycles(self, call: Call) -> float:
        found = self.layout(call, {})
        where = found.image
        pairs = where.n_in // 2
        tail = 26 + pairs * _tile_cycles(found, found.tail) if found.tail else 0
        tiles = where.out_width // PIXELS_AT_ONCE * (20 + pairs * _tile_cycles(found, PIXELS_AT_ONCE))
        read = where.height * (40 + 2.75 * found.copied * pairs)
        return 100 + read + where.out_height * (90 + tiles + tail)

    def scratch_bytes(self, call: Call) -> int:
        return self.layout(call, {}).scratch_bytes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        found = self.layout(call, {})
        return (found.overlap if call.output.dtype is Dtype.INT16 else None,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """Two by two channels: for each row of the kernel, and all but the last again, biases, multipliers,
        and a word of weights for each tap.
        """
        _, kh, _, _ = k["weight"].shape
        even, odd = (k["weight"].astype(np.int64)[i::2, :, :, 0] for i in (0, 1))
        words = ((even & 0xFFFF) | (odd << 16)).astype(np.int32)
        beside = np.hstack([k[name].reshape(-1, 2) for name in ("bias", "multiplier")])
        rows = np.concatenate([np.repeat(beside[:, np.newaxis], kh, axis=1), words], axis=2)
        return {"weight": np.hstack([rows, rows[:, : kh - 1]]).astype(np.int32).ravel()}

    def layout(self, call: Call, k: Constants) -> RowsBetweenZeros:
        where = image(call, window_of(call))
        (_, kw), (_, step), (_, dilation) = where.kernel, where.stride, where.dilation
        columns = (where.out_width - 1) * step + (kw - 1) * dilation + 1
        columns = max(columns, where.left + 1)
        each = [range(at, min(at + len(WEIGHT_NAMES), kw)) for at in range(0, kw, len(WEIGHT_NAMES))]
        taps = {
            pixels: tuple(_taps(some, pixels, step, dilation, 2 * where.n_in) for some in each)
            for pixels in INPUT_NAMES
        }
        return RowsBetweenZeros(where, taps, columns, min(where.width, columns - where.left))


def _tile_cycles(found: RowsBetweenZeros, pixels: int) -> float:
    """Of some pixels of two channels."""
    kh = found.image.kernel[0]
    loads = sum(t.count + sum(len(b.columns) + 1 for b in t.batches) for t in found.taps[pixels])
    return 16 + 7 * pixels + kh * loads + 2 * pixels * found.all_taps + (kh - 1 if found.far else 0)


def _reach(where: WindowedImage) -> int:
    """Bytes from a pixel, of input or output, to the furthest that is loaded or stored with it."""
    last = (PIXELS_AT_ONCE - 1) * where.stride[1] + (where.kernel[1] - 1) * where.dilation[1]
    return 2 * where.n_in * last


def _taps(taps: range, pixels: int, stride: int, dilation: int, pixel_bytes: int) -> RowTaps:
    met: dict[int, list[tuple[int, int]]] = {}
    for number, tap in enumerate(taps):
        for pixel in range(pixels):
            met.setdefault(pixel * stride + tap * dilation, []).append((pixel, number))
    left, batches = sorted(met), list[LoadedColumns]()
    while left:
        needed = {number for at in left for _, number in met[at]}
        free = [
            *INPUT_NAMES[pixels],
            *(register for number, register in enumerate(WEIGHT_NAMES) if number not in needed),
        ]
        some = zip(free, left, strict=False)
        batches.append(LoadedColumns(tuple((name, at * pixel_bytes, tuple(met[at])) for name, at in some)))
        left = left[len(free) :]
    return RowTaps(taps.start, len(taps), tuple(batches))


register(DepthwiseRowsConv2d())
