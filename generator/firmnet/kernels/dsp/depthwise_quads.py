"""How does the DSP extension compute a depthwise convolution of a small image? Four channels at a time.

All pixels of four channels are spread to int16 without their zero point: two columns of one channel in a
word, so that SMLAD meets two taps at once and a load gives what it multiplies. Taps outside the image are
left out. All that lies in scratch is one image of four channels; the output may not take the input's place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from ...ir import Array, Call
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ...ops.windows import Pair
from ..images import WindowedImage, image
from .depthwise import MAX_SUMS
from .depthwise_direct import CHANNELS, InFours
from .depthwise_tile import (
    COLUMNS,
    PASS_WORDS,
    KernelRow,
    Macs,
    PairLoad,
    ResidentWeights,
    Tile,
    lone_tap,
    pair_macs,
    pair_tile,
)
from .instructions import MAX_OFFSET
from .packing import PIECE, depthwise_stream

PAIR_BYTES = 4 * CHANNELS
CODE_BYTES, MAX_CODE_BYTES = 1000, 1250
"""Of the whole function: as much as a flash cache holds; of rows too wide for that, a little more."""
MAX_ROW_PAIRS, MAX_ROUND_PAIRS, MAX_ROWS = 8, 4, 8
"""In straight code: pairs that are spread, of a row or of blocks; rows of outputs."""
MAX_ROW_OUTPUTS = 32
"""Outputs of a row, all of which are straight code."""
FRAME_BYTES, SPREAD_BYTES = 224, 48
"""Code around tiles, and of a pair that is spread."""
CALL_CYCLES, GROUP_CYCLES, CHANNEL_CYCLES, LOOP_CYCLES = 90, 24, 15, 9


@dataclass(frozen=True)
class Spread:
    """Two columns that become a pair, or one that does so with a column of zeros (None)."""

    first: int | None
    second: int | None


@dataclass(frozen=True)
class Quads(InFours, ResidentWeights):
    """`rows` rows of output are straight code, again and again; with all of them at once no row is padded."""

    image: WindowedImage
    channels: int
    multiplier: int
    rows: int = 0
    tiles: tuple[Tile, ...] = ()
    blocks: int = 1

    @property
    def kernel(self) -> Pair:
        return self.image.kernel

    @property
    def loops(self) -> int:
        return self.image.out_height // self.rows

    @cached_property
    def padded(self) -> bool:
        """Whether rows of padding lie around the image."""
        return self.loops > 1

    @property
    def above(self) -> int:
        return self.image.top if self.padded else 0

    @property
    def stored_rows(self) -> int:
        i = self.image
        reach = (i.out_height - 1) * i.stride[0] + (i.kernel[0] - 1) * i.dilation[0] + 1
        return max(reach, self.above + i.height) if self.padded else i.height

    @property
    def below(self) -> int:
        return self.stored_rows - self.above - self.image.height

    @cached_property
    def spreads(self) -> tuple[Spread, ...]:
        """The pairs of a row in their order: a column and the one a dilation further."""
        d, width = self.image.dilation[1], self.image.width
        firsts = [c for c in range(width) if c // d % 2 == 0]
        return tuple(Spread(c, c + d if c + d < width else None) for c in firsts)

    @property
    def flat(self) -> bool:
        """Whether the image is one run of blocks: as many columns as a dilation, then their partners."""
        return self.image.width % (2 * self.image.dilation[1]) == 0

    @cached_property
    def row_bytes(self) -> int:
        return len(self.spreads) * PAIR_BYTES

    @property
    def scratch_bytes(self) -> int:
        return self.stored_rows * self.row_bytes

    @property
    def x_step(self) -> int:
        """Bytes of scratch from some rows of output to the next."""
        return self.rows * self.image.stride[0] * self.row_bytes

    @property
    def y_step(self) -> int:
        return self.rows * self.image.out_width * self.image.n_out

    @cached_property
    def lone(self) -> int | None:
        """See lone_tap."""
        i = self.image
        firsts = (ox * i.stride[1] - i.left for ox in range(i.out_width))
        return lone_tap(i.kernel, (first // i.dilation[1] % 2 for first in firsts))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Registers for pairs of columns: also what neither weights nor constants need."""
        i = self.image
        used = {
            macs.register
            for row in self.kernel_rows
            for ox in range(i.out_width)
            for _, macs in self._met_in(row, ox)
        }
        free = [f"r{2 + register}" for register in range(2 * self.words) if register not in used]
        return *COLUMNS, *["r7"] * (self.words == 1), *free

    @property
    def block_columns(self) -> int:
        """Of the image, that a round of the loop that spreads pairs goes on by."""
        return 2 * self.image.dilation[1] * self.blocks if self.flat else self.image.width

    @property
    def rounds(self) -> int:
        """Of the loop that spreads pairs: over rows, or `blocks` at a time."""
        i = self.image
        return i.height * i.width // self.block_columns if self.flat else i.height

    @property
    def round_spreads(self) -> tuple[Spread, ...]:
        d = self.image.dilation[1]
        if not self.flat:
            return self.spreads
        firsts = [2 * d * block + column for block in range(self.blocks) for column in range(d)]
        return tuple(Spread(c, c + d) for c in firsts)

    @property
    def y_walked(self) -> int:
        """Where the output's pointer is behind the tiles."""
        at = 0
        for tile in self.tiles:
            at += sum(store.walk for store in tile.stores(at))
        return at

    @property
    def code_bytes(self) -> int:
        return FRAME_BYTES + sum(t.code_bytes for t in self.tiles) + SPREAD_BYTES * len(self.round_spreads)

    @property
    def cycles(self) -> float:
        """What the layer takes on a Cortex-M4, about."""
        pairs = len(self.round_spreads)
        spread = self.rounds * (12 * pairs + pairs % 2 + 5)
        channel = CHANNEL_CYCLES + 3 * self.words + self.loops * sum(t.cycles for t in self.tiles)
        channel += self.loops * LOOP_CYCLES if self.padded else 0
        groups = self.groups_cycles(self.groups, spread + CHANNELS * channel)
        calls = CALL_CYCLES + 60 * (self.left > 0) + groups
        return self.multiplier * calls + (self.above + self.below) * (20 + self.row_bytes / 4)

    @staticmethod
    def groups_cycles(groups: int, each: float) -> float:
        return groups * (GROUP_CYCLES + each)

    @property
    def ram_bytes(self) -> int:
        """Of input, output and scratch, if nothing else is alive."""
        return self._ram_with(self.stored_rows)

    @property
    def least_ram_bytes(self) -> int:
        """The same without rows of padding."""
        return self._ram_with(self.image.height)

    def _ram_with(self, rows: int) -> int:
        i = self.image
        in_and_out = i.height * i.width * self.channels + i.out_height * i.out_width * i.n_out
        return rows * self.row_bytes + in_and_out

    @cached_property
    def kernel_rows(self) -> tuple[KernelRow, ...]:
        i = self.image
        return tuple(
            KernelRow(row * i.dilation[0], row, 0, i.kernel[1], row * self.row_words)
            for row in range(i.kernel[0])
        )

    def tile(self, outputs: Sequence[tuple[int, int]]) -> Tile | None:
        """The code of some outputs (row, column); None where one meets no pixel."""
        found: dict[int, list[Macs]] = {}
        for number, (oy, ox) in enumerate(outputs):
            for offset, macs in self._met(oy, ox):
                found.setdefault(offset, []).append(replace(macs, sum=number))
        if {macs.sum for load in found.values() for macs in load} != set(range(len(outputs))):
            return None
        loads = [PairLoad(offset, tuple(found[offset])) for offset in sorted(found)]
        i = self.image
        places = [(oy * i.out_width + ox) * i.n_out for oy, ox in outputs]
        return pair_tile(loads, places, self.held, self.columns)

    def _met(self, oy: int, ox: int) -> Iterator[tuple[int, Macs]]:
        """What an output reads: a pair's place in scratch, and how it is multiplied."""
        i = self.image
        for row in self.kernel_rows:
            at = oy * i.stride[0] + row.slot - (0 if self.padded else i.top)
            if self.padded or 0 <= at < i.height:
                for pair, macs in self._met_in(row, ox):
                    yield at * self.row_bytes + pair * PAIR_BYTES, macs

    def _met_in(self, row: KernelRow, ox: int) -> Iterator[tuple[int, Macs]]:
        """Of a row of the kernel: the number of a pair, and how it is multiplied."""
        i = self.image
        d, first = i.dilation[1], ox * i.stride[1] - i.left
        pairs: dict[int, list[tuple[int, int]]] = {}
        for kx in range(i.kernel[1]):
            column = first + kx * d
            if 0 <= column < i.width:
                pairs.setdefault(column // (2 * d) * d + column % d, []).append((column // d % 2, kx))
        for pair, met in pairs.items():
            half, tap = met[0]
            yield pair, pair_macs(row, tap, half, len(met), self.lone)


def quads(call: Call) -> Quads | None:
    """The fastest layout; None where its code would be too large, or the kernel has too many taps."""
    channels = call.inputs[0].shape[3]
    return _fastest(image(call, window_of(call)), channels, call.output.shape[3] // channels)


def least_ram_bytes(call: Call) -> int:
    """What any layout takes: input, output, and scratch without rows of padding."""
    channels = call.inputs[0].shape[3]
    layout = Quads(image(call, window_of(call)), channels, call.output.shape[3] // channels)
    return layout.least_ram_bytes


@cache
def _fastest(window: WindowedImage, channels: int, multiplier: int) -> Quads | None:
    layout = Quads(window, channels, multiplier)
    if channels < CHANNELS or window.kernel[1] > PIECE + 1 or layout.words > PASS_WORDS:
        return None
    if (
        window.dilation[1] if layout.flat else len(layout.spreads)
    ) > MAX_ROW_PAIRS or window.out_width > MAX_ROW_OUTPUTS:
        return None
    found = list(_layouts(layout))
    small = [each for each in found if each.code_bytes <= CODE_BYTES]
    return min(small or found, key=lambda each: each.cycles, default=None)


def _layouts(layout: Quads) -> Iterator[Quads]:
    height, d = layout.image.out_height, layout.image.dilation[1]
    for rows in range(1, min(height, MAX_ROWS) + 1):
        for band in range(1, min(rows, MAX_SUMS) + 1):
            tiles = None if height % rows else _tiles(replace(layout, rows=rows), band)
            if tiles is None:
                continue
            for blocks in range(1, max(1, MAX_ROUND_PAIRS // d) + 1) if layout.flat else (1,):
                found = replace(layout, rows=rows, tiles=tiles, blocks=blocks)
                whole = not layout.flat or layout.image.height * layout.image.width % (2 * d * blocks) == 0
                if whole and found.code_bytes <= MAX_CODE_BYTES and _near(found):
                    yield found


def _near(layout: Quads) -> bool:
    """Whether one pointer reaches all that is read."""
    read = [step.offset for tile in layout.tiles for step in tile.steps if step.kind in ("load", "walk")]
    return min(read) >= 0 and max(read) <= MAX_OFFSET


def _tiles(layout: Quads, band: int) -> tuple[Tile, ...] | None:
    """Of `band` rows by as many columns as there are registers for; columns that share pixels together.

    None where one meets no pixel, or their code is too large.
    """
    i = layout.image
    columns = sorted(range(i.out_width), key=lambda ox: ((ox * i.stride[1] - i.left) % i.dilation[1], ox))
    found = []
    for top in range(0, layout.rows, band):
        rows = range(top, min(top + band, layout.rows))
        wide = MAX_SUMS // len(rows)
        for at in range(0, len(columns), wide):
            outputs = [(oy, ox) for oy in rows for ox in columns[at : at + wide]]
            tile = layout.tile(outputs)
            if tile is None:
                return None
            found.append(tile)
            if sum(each.code_bytes for each in found) > MAX_CODE_BYTES - FRAME_BYTES:
                return None
    return tuple(found)


def quads_stream(call: Call, k: Constants) -> Array:
    """int32: as other depthwise streams, the biases without the zero point's share."""
    taps = k["weight"][..., 0]
    bias = k["bias"] + k["x_zero_point"] * taps.astype(np.int64).sum(axis=(1, 2))
    return depthwise_stream(taps, call.attrs.groups, bias, k["multiplier"])
