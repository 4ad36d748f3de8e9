"""How does a depthwise convolution of any image run on pairs of columns? In bands of rows, by four channels.

The rows under a few rows of output are spread to int16 without their zero point, zeros around them: two
columns of one channel in a word, as in depthwise_quads.py, but loops go over columns and rows.
All channels are done with a band before the next one begins, so the output may follow close behind the input.
Outputs may be several *grids* over one image, each with weights of its own: the phases of a transposed
convolution.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from ...ops.windows import Pair
from .depthwise_direct import CHANNELS
from .depthwise_quads import PAIR_BYTES, Spread
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
from .packing import PIECE, words_of
from .planes import WORTH

MOST_RAM = 1.1
"""How many times more memory than by another kernel what is faster may take."""
MAX_BODY_BYTES = 900
"""Code of the tiles of a function."""
NEAR_DILATION = 8
"""Dilation up to which the columns that become pairs are straight code; beyond it is a loop."""
BODIES = (16, 12, 8, 4, 2)
"""Outputs whose code is a loop's."""
BAND_ROWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24)
SPREAD_CALL_CYCLES, TILES_CALL_CYCLES, SPREAD_ROW_CYCLES = 50, 60, 8
FILTER_CYCLES, LINE_CYCLES, BODY_CYCLES = 19, 13, 8
"""Around what is spread for four channels, around their tiles, around a row; a channel, a line, a body."""


@dataclass(frozen=True)
class Grid:
    """`rows` by `columns` outputs; the first window begins `top` and `left` outside the image.

    The first output lies `y` bytes behind the first of all; its weights are the `stream`-th.
    """

    rows: int
    columns: int
    top: int
    left: int
    y: int = 0
    stream: int = 0


@dataclass(frozen=True)
class Way:
    """What all grids have in common: the image, and how windows and outputs follow one another."""

    height: int
    width: int
    channels: int
    multiplier: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    y_row: int
    y_column: int
    y_bytes: int
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class OutputLine:
    """The code for `lines` of outputs: `loops` times the tiles `looped`, then the tiles `rest`.

    `at`: where in scratch its first window begins, in bytes; `shift`: and how many columns behind that.
    """

    columns: int
    at: int
    shift: int
    looped: tuple[Tile, ...]
    loops: int
    rest: tuple[Tile, ...]

    @property
    def code_bytes(self) -> int:
        return sum(tile.code_bytes for tile in (*self.looped, *self.rest))

    @cached_property
    def cycles(self) -> int:
        looped = sum(tile.cycles for tile in self.looped) + BODY_CYCLES * (self.loops > 1)
        return LINE_CYCLES + self.loops * looped + sum(tile.cycles for tile in self.rest)


@dataclass(frozen=True)
class Bands(ResidentWeights):
    """`rows` rows of output at a time, of bodies of `body` outputs; `lead` columns of zeros before the image.

    `folded`: the image is a line, so many outputs a dilation apart share a tile, and a loop goes over their
    remainders.
    """

    way: Way
    rows: int
    lead: int
    body: int
    folded: int = 0

    @property
    def whole(self) -> int:
        return self.way.channels // CHANNELS

    @property
    def left(self) -> int:
        return self.way.channels % CHANNELS

    @property
    def groups(self) -> int:
        return self.whole + (self.left > 0)

    @property
    def kernel(self) -> Pair:
        return self.way.kernel

    # --- what lies in scratch

    @cached_property
    def top(self) -> int:
        """Rows above the image that a window reaches."""
        return max(grid.top for grid in self.way.grids)

    @cached_property
    def most_rows(self) -> int:
        return max(grid.rows for grid in self.way.grids)

    @cached_property
    def slots(self) -> int:
        """Rows in scratch."""
        low = min(grid.top for grid in self.way.grids)
        span = (self.way.kernel[0] - 1) * self.way.dilation[0] + 1
        return (self.rows - 1) * self.way.stride[0] + span + self.top - low

    @cached_property
    def row_columns(self) -> int:
        """Columns of a row in scratch, a multiple of two dilations."""
        way, d = self.way, self.way.dilation[1]
        read = max((g.columns - 1) * way.stride[1] - g.left + (way.kernel[1] - 1) * d + 1 for g in way.grids)
        return -(-(self.lead + max(read, way.width)) // (2 * d)) * 2 * d

    @property
    def row_bytes(self) -> int:
        return self.row_columns * PAIR_BYTES // 2

    @property
    def scratch_bytes(self) -> int:
        return self.slots * self.row_bytes

    @property
    def pads(self) -> bool:
        """Whether there are columns beside those of the image."""
        return self.row_columns > self.way.width

    def pair(self, column: int) -> tuple[int, int]:
        """Number of the pair of a column of scratch, and its half."""
        d = self.way.dilation[1]
        return column // (2 * d) * d + column % d, column // d % 2

    # --- how the image gets there

    @property
    def spread_at(self) -> int:
        """Where in a row of scratch what is spread begins."""
        d = self.way.dilation[1]
        return self.lead // (2 * d) * d * PAIR_BYTES

    @cached_property
    def before(self) -> tuple[Spread, ...]:
        """The columns that complete pairs of padding."""
        d = self.way.dilation[1]
        return tuple(Spread(None, c) for c in range(min(d, self.way.width))) if self.lead % (2 * d) else ()

    @cached_property
    def blocks(self) -> int:
        """Of two dilations each, in a row."""
        return (self.way.width - len(self.before)) // (2 * self.way.dilation[1])

    @property
    def far(self) -> bool:
        """Whether a block is a loop itself, of four pairs."""
        return self.way.dilation[1] > NEAR_DILATION

    @cached_property
    def round_blocks(self) -> int:
        """Blocks in the code of the loop over them."""
        most = max(1, 4 // self.way.dilation[1])
        return max(range(1, most + 1), key=lambda n: (self.blocks % n == 0, n)) if self.blocks else 0

    @cached_property
    def round_spreads(self) -> tuple[Spread, ...]:
        d = self.way.dilation[1]
        if self.far:
            return tuple(Spread(c, c + d) for c in range(4))
        return tuple(
            Spread(2 * d * block + c, 2 * d * block + c + d)
            for block in range(self.round_blocks)
            for c in range(d)
        )

    @property
    def round_columns(self) -> int:
        """How far a round goes on."""
        return 4 if self.far else 2 * self.way.dilation[1] * self.round_blocks

    @property
    def rounds(self) -> int:
        """Of the loop over blocks."""
        return self.blocks if self.far else self.blocks // self.round_blocks if self.blocks else 0

    @property
    def behind(self) -> tuple[Spread, ...]:
        """Pairs that fill no block, counted from the first of them."""
        d = self.way.dilation[1]
        done = self.rounds * (2 * d if self.far else self.round_columns)
        left = self.way.width - len(self.before) - done
        firsts = [c for c in range(left) if c // d % 2 == 0]
        return tuple(Spread(c, c + d if c + d < left else None) for c in firsts)

    @property
    def columns_walked(self) -> int:
        """Columns behind which the pointer to the image is when those behind the loop come."""
        return len(self.before) + self.rounds * (2 * self.way.dilation[1] if self.far else self.round_columns)

    @property
    def pairs_written(self) -> int:
        rounds = self.blocks * self.way.dilation[1] if self.far else self.rounds * len(self.round_spreads)
        return len(self.before) + rounds + len(self.behind)

    # --- the code

    @cached_property
    def kernel_rows(self) -> tuple[KernelRow, ...]:
        (kh, kw), down = self.way.kernel, self.way.dilation[0]
        return tuple(KernelRow(row * down, row, 0, kw, row * self.row_words) for row in range(kh))

    @property
    def line_columns(self) -> int:
        """Outputs of a line of a folded image."""
        return self.folded * self.way.dilation[1]

    @property
    def x_line(self) -> int:
        """Bytes of scratch from a line of outputs to the next."""
        return self.line_columns * PAIR_BYTES // 2 if self.folded else self.way.stride[0] * self.row_bytes

    @property
    def y_line(self) -> int:
        return self.line_columns * self.way.y_column if self.folded else self.way.y_row

    def lines(self, grid: Grid) -> int:
        """Lines of a row of a folded image."""
        return grid.columns // self.line_columns

    @property
    def x_step(self) -> int:
        """Bytes of scratch from a body to the next."""
        if self.folded:
            return self.body // self.folded * PAIR_BYTES
        return self.body * self.way.stride[1] * PAIR_BYTES // 2

    @property
    def y_step(self) -> int:
        return (self.body // self.folded if self.folded else self.body) * self.way.y_column

    def place(self, grid: Grid) -> tuple[int, int]:
        """Where in a row of scratch the first window of a grid begins: bytes, and columns behind that."""
        d = self.way.dilation[1]
        first = self.lead - grid.left
        return first // (2 * d) * d * PAIR_BYTES, first % (2 * d)

    @cached_property
    def code(self) -> tuple[OutputLine, ...]:
        """Of each grid."""
        grids = tuple(replace(grid, rows=1, top=0, y=0) for grid in self.way.grids)
        way = replace(self.way, height=1, y_row=0, y_bytes=0, grids=grids)
        return _code(replace(self, rows=1, way=way))

    def line(self, grid: Grid) -> OutputLine:
        at, shift = self.place(grid)
        columns = self.line_columns or grid.columns
        if self.folded:
            d, each = self.way.dilation[1], self.folded
            outputs = [[c + d * i for i in range(each)] for c in range(self.body // each)]
            return OutputLine(columns, at, shift, self._tiles(shift, outputs), columns // self.body, ())
        loops, left = divmod(columns, self.body)
        some = self._tiles(shift, self._together(range(self.body))) if loops else ()
        return OutputLine(columns, at, shift, some, loops, self._tiles(shift, self._together(range(left))))

    def _together(self, outputs: range) -> list[list[int]]:
        """Outputs that share pairs."""
        s, d = self.way.stride[1], self.way.dilation[1]
        order = sorted(outputs, key=lambda ox: (ox * s % d, ox))
        alike = [
            [ox for ox in order if ox * s % d == rest] for rest in dict.fromkeys(ox * s % d for ox in order)
        ]
        return [each[at : at + 4] for each in alike for at in range(0, len(each), 4)]

    def _tiles(self, shift: int, outputs: Sequence[Sequence[int]]) -> tuple[Tile, ...]:
        return tuple(self._tile(shift, each) for each in outputs)

    def _tile(self, shift: int, outputs: Sequence[int]) -> Tile:
        found: dict[int, list[Macs]] = {}
        for number, ox in enumerate(outputs):
            for row in self.kernel_rows:
                for pair, macs in self._met(row, shift, ox):
                    offset = row.slot * self.row_bytes + pair * PAIR_BYTES
                    met = Macs(number, macs.lanes, macs.register)
                    found.setdefault(offset, []).append(met)
        loads = [PairLoad(offset, tuple(found[offset])) for offset in sorted(found)]
        places = [ox * self.way.y_column for ox in outputs]
        return pair_tile(loads, places, self.held, self.columns(shift))

    def _met(self, row: KernelRow, shift: int, ox: int) -> Iterator[tuple[int, Macs]]:
        """Of a row of the kernel: the number of a pair, and how it is multiplied."""
        way = self.way
        pairs: dict[int, list[tuple[int, int]]] = {}
        for kx in range(way.kernel[1]):
            pair, half = self.pair(shift + ox * way.stride[1] + kx * way.dilation[1])
            pairs.setdefault(pair, []).append((half, kx))
        for pair, met in pairs.items():
            half, tap = met[0]
            yield pair, pair_macs(row, tap, half, len(met), self.lone(shift))

    def lone(self, shift: int) -> int | None:
        """See lone_tap."""
        s, d = self.way.stride[1], self.way.dilation[1]
        return lone_tap(self.way.kernel, ((shift + ox * s) // d % 2 for ox in range(2 * d)))

    def columns(self, shift: int) -> tuple[str, ...]:
        """Registers for pairs of columns: also what neither weights nor constants need."""
        outputs = range(2 * self.way.dilation[1])
        used = {
            macs.register
            for row in self.kernel_rows
            for ox in outputs
            for _, macs in self._met(row, shift, ox)
        }
        free = [f"r{2 + register}" for register in range(2 * self.words) if register not in used]
        return *COLUMNS, *["r7"] * (self.words == 1), *free

    @property
    def fits(self) -> bool:
        """Whether code is small enough, and one pointer reaches all that a tile reads."""
        tiles = [tile for line in self.code for tile in (*line.looped, *line.rest)]
        reach = max(step.offset for tile in tiles for step in tile.steps if step.kind in ("load", "walk"))
        pairs = max(map(len, (self.before, () if self.far else self.round_spreads, self.behind)))
        kinds = {(line.columns, line.shift): line for line in self.code}.values()
        return (
            reach <= MAX_OFFSET
            and pairs <= NEAR_DILATION
            and all(line.code_bytes <= MAX_BODY_BYTES for line in kinds)
        )

    # --- what it takes

    def inside(self, row: int) -> range:
        """Slots whose rows are in the image, in the band that begins at this row of output."""
        first = row * self.way.stride[0] - self.top
        start = min(max(-first, 0), self.slots)
        return range(start, max(start, min(self.way.height - first, self.slots)))

    @property
    def starts(self) -> range:
        """The first rows of the bands."""
        return range(0, self.most_rows, self.rows)

    @cached_property
    def cycles(self) -> float:
        """What the layer takes on a Cortex-M4, about."""
        way = self.way
        spread_row = SPREAD_ROW_CYCLES + self._spread_cycles(self.before) + self._spread_cycles(self.behind)
        if self.far:
            spread_row += self.blocks * (
                4 + way.dilation[1] // 4 * (self._spread_cycles(self.round_spreads) + 4)
            )
        else:
            spread_row += self.rounds * (self._spread_cycles(self.round_spreads) + 4)
        total = 60 + 0.4 * self.scratch_bytes * self.pads
        for start in self.starts:
            group = SPREAD_CALL_CYCLES + len(self.inside(start)) * spread_row
            for grid, line in zip(way.grids, self.code, strict=True):
                rows = max(0, min(self.rows, grid.rows - start)) * (self.lines(grid) if self.folded else 1)
                channel = FILTER_CYCLES + 3 * self.words + rows * line.cycles
                group += way.multiplier * (TILES_CALL_CYCLES + CHANNELS * channel)
            total += 30 + self.groups * group
        return total

    @staticmethod
    def _spread_cycles(some: Sequence[Spread]) -> int:
        return 12 * len(some) + len(some) % 2

    @property
    def burden(self) -> float:
        """What it takes of time and memory."""
        return self.cycles * self.ram_bytes

    @property
    def code_bytes(self) -> int:
        """Of tiles."""
        return sum({(line.columns, line.shift): line.code_bytes for line in self.code}.values())

    def overlap(self) -> int | None:
        """Bytes by which y must begin before x: a band is written while its other channels are to be read."""
        way = self.way
        distances = [0]
        for start in self.starts:
            inside = self.inside(start)
            if not inside:
                continue
            ends = [
                grid.y
                + (min(start + self.rows, grid.rows) - 1) * way.y_row
                + (grid.columns - 1) * way.y_column
                for grid in way.grids
            ]
            first = start * way.stride[0] - self.top + inside.start
            written = max(ends) + way.channels * way.multiplier
            distances.append(written - first * way.width * way.channels)
        return None if max(distances) >= way.y_bytes else max(distances)

    @cached_property
    def ram_bytes(self) -> int:
        """Of input, output and scratch, if nothing else is alive."""
        x, distance = self.way.height * self.way.width * self.way.channels, self.overlap()
        together = x + self.way.y_bytes if distance is None else max(self.way.y_bytes, distance + x)
        return self.scratch_bytes + together


@cache
def _code(layout: Bands) -> tuple[OutputLine, ...]:
    """It is the same for bands and images of any height."""
    return tuple(map(layout.line, layout.way.grids))


@cache
def bands(way: Way, most_ram_bytes: float) -> Bands | None:
    """The best layout within so much memory; None where code would be too large, or the kernel too."""
    kh, kw = way.kernel
    if way.channels < CHANNELS or kw > PIECE + 1 or kh * words_of(kw) > PASS_WORDS:
        return None
    coded = [layout for layout in _bodies(way) if layout.fits]
    found = [
        layout
        for each in coded
        for rows in (*(rows for rows in BAND_ROWS if rows < each.most_rows), each.most_rows)
        if (layout := replace(each, rows=rows)).ram_bytes <= most_ram_bytes
    ]
    best = min((layout.burden for layout in found), default=0.0)
    good = [layout for layout in found if layout.burden <= WORTH * best]
    return min(good, key=lambda layout: (layout.code_bytes, layout.burden), default=None)


def _bodies(way: Way) -> Iterator[Bands]:
    """With bands of one row."""
    d = way.dilation[1]
    left = max(0, *(grid.left for grid in way.grids))
    columns, most = (choose(grid.columns for grid in way.grids) for choose in (min, max))
    for lead in (-(-left // d) * d, -(-left // d) * d + d):
        if d > NEAR_DILATION and (d % 4 or lead % (2 * d) or way.width % (2 * d)):
            continue
        if most <= max(BODIES):
            yield Bands(way, 1, lead, most)
        for body in BODIES:
            if body <= columns and body * way.stride[1] % (2 * d) == 0:
                yield Bands(way, 1, lead, body)
            yield from (Bands(way, 1, lead, body, folded) for folded in (4, 2) if _folds(way, body, folded))


def _folds(way: Way, body: int, folded: int) -> bool:
    """Whether so many outputs a dilation apart can share a tile, and those of `body` the code of a loop."""
    (grid, *others), d = way.grids, way.dilation[1]
    if others or way.height * way.kernel[0] * grid.rows * way.stride[1] > 1 or grid.left % d:
        return False
    remainders, rest = divmod(body, folded)
    return rest == 0 < remainders and d % remainders == 0 == grid.columns % (folded * d)
