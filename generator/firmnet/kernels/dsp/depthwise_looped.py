"""How does a depthwise convolution of any shape run on the DSP extension? In loops, over lanes of its parts.

Outputs whose taps meet the same columns form a *part*: with a dilation, every so many-th output and column.
Within a part a kernel has no gaps. The lanes of a row in scratch hold part by part. Tall kernels may go along
the columns of the image instead of its rows (*turned*). A kernel of few taps keeps its weights in registers
(*resident*); otherwise a loop goes over its rows, and over the taps of long ones. It leaves out rows outside
the image, whose share of the sums it works out once per channel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import gcd
from typing import ClassVar

from ...ir import Call
from .depthwise_tile import (
    LANE,
    PASS_WORDS,
    Geometry,
    Held,
    KernelRow,
    Operation,
    Store,
    Sum,
    Tile,
    cycles,
    row_steps,
    stores,
    tile,
)
from .packing import PIECE, pieces, words_of

LOOPED_CODE_BYTES = 900
"""Of the tiles of one function; flash caches hold about 1 KB, and a function has some code around them."""
PIXELS = 4
"""Outputs of a looped tile."""
UNROLLED_TILES = 3
"""Tiles that may do without a loop."""
MIN_CHUNK = 8
"""Channels that are worth a loop of their own."""
SCRATCH_BYTES = 3_584
"""Room for more rows than one output needs, which saves copies of those that two strips share."""


@dataclass(frozen=True)
class Axis:
    """The way of a window along one axis of an image; `before`: padding in front of it."""

    size: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    before: int

    @property
    def parts(self) -> int:
        """Output i belongs to part i modulo this."""
        return min(self.dilation // gcd(self.stride, self.dilation), self.outputs)

    @property
    def step(self) -> int:
        """Columns of a part between neighbouring outputs of it."""
        return self.stride // gcd(self.stride, self.dilation)

    @property
    def most(self) -> int:
        """Outputs of the first part; later ones may have one less."""
        return -(-self.outputs // self.parts)

    @property
    def full_parts(self) -> int:
        """Parts that have as many as the first."""
        return self.outputs - self.parts * (self.most - 1)

    @property
    def span(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    @property
    def leaves(self) -> bool:
        """Whether some window reaches beyond the image."""
        return self.before > 0 or (self.outputs - 1) * self.stride - self.before + self.span > self.size

    def inside(self, output: int) -> range:
        """Which taps of an output's window meet the image."""
        at = self.before - output * self.stride
        first, end = (min(max(-(-edge // self.dilation), 0), self.kernel) for edge in (at, at + self.size))
        return range(first, end)

    def read(self, outputs: range) -> range:
        """Places that some outputs read, padding included."""
        start = outputs[0] * self.stride - self.before
        return range(start, start + (len(outputs) - 1) * self.stride + self.span)


@dataclass(frozen=True)
class Cut:
    """How a part's outputs are computed: `tiles` of PIXELS in a loop, then tiles of the widths `rest`."""

    tiles: int
    rest: tuple[int, ...]

    @property
    def name(self) -> str:
        """What functions with such code behind the loop have in common."""
        return "x".join(map(str, self.rest or (0,)))


@dataclass(frozen=True)
class Streamed:
    """A tile whose row of the kernel is `looped` pieces, `loops` times, then others; weights are popped."""

    looped: tuple[Operation, ...]
    rest: tuple[Operation, ...]
    sums: tuple[Sum, ...]

    def stores(self) -> tuple[Store, ...]:
        return stores(self.sums)


@dataclass(frozen=True)
class Looped:
    """Rows of lanes, `rows` rows of output at a time; steps in bytes from one row or column to the next.

    `across` counts rows and `along` columns, of the image or (`turned`) the other way round. Everything is
    done for `channels` of all channels, then for the next ones.
    """

    across: Axis
    along: Axis
    all_channels: int
    multiplier: int
    x_row: int
    x_column: int
    y_row: int
    y_column: int
    turned: bool
    channels: int
    rows: int = 1
    cuts: tuple[Cut, ...] = ()  # of a full part, then of one with an output less
    loops: int = 0
    whole_piece: ClassVar[tuple[int, int]] = PIECE, words_of(PIECE)
    """Taps of a piece that is not the last of its row, and words of weights that it has."""

    @property
    def chunked(self) -> bool:
        return self.channels < self.all_channels

    @property
    def pieces(self) -> tuple[int, ...]:
        """Taps of the pieces of a kernel's row."""
        return pieces(self.along.kernel)

    @property
    def piece_words(self) -> tuple[int, ...]:
        """Words of weights of each."""
        return tuple(map(words_of, self.pieces))

    @property
    def row_words(self) -> int:
        """Words of weights of a row of the kernel."""
        return sum(self.piece_words)

    @property
    def resident(self) -> bool:
        return self.across.kernel * self.row_words <= PASS_WORDS

    @property
    def words(self) -> int:
        return self.across.kernel * self.row_words

    @property
    def record(self) -> int:
        """Words of the stream per channel: weights, bias, multiplier."""
        return self.words + 2

    @property
    def lanes(self) -> int:
        """Of a part."""
        return -(-((self.along.most - 1) * self.along.step + self.along.kernel) // LANE)

    @property
    def part_bytes(self) -> int:
        return self.lanes * LANE * self.channels

    @property
    def row_bytes(self) -> int:
        return self.along.parts * self.part_bytes

    @property
    def pads(self) -> bool:
        """Whether some column of the lanes lies outside the image."""
        axis = self.along
        behind = (axis.parts - 1) * axis.stride - axis.before + (self.lanes * LANE - 1) * axis.dilation
        return axis.before > 0 or behind >= axis.size

    @property
    def x_step(self) -> int:
        """Bytes from one looped tile's columns to the next."""
        return self.along.step * LANE * self.channels

    @property
    def y_step(self) -> int:
        """Bytes from one output of a part to the next."""
        return self.along.parts * self.y_column

    @property
    def rows_at_once(self) -> bool:
        """Whether one call computes all rows of a strip."""
        return self.resident and self.along.parts == 1 and self.rows > 1

    @property
    def lined(self) -> bool:
        """Whether a call computes several lines: parts of a row, or rows."""
        return self.along.parts > 1 or self.rows_at_once

    @property
    def x_line(self) -> int:
        """Bytes from one of these lines to the next, in scratch."""
        return self.across.stride * self.row_bytes if self.rows_at_once else self.part_bytes

    @property
    def y_line(self) -> int:
        return self.y_row if self.rows_at_once else self.y_column

    @property
    def skips(self) -> bool:
        """Whether rows of the kernel are left out."""
        return not self.resident and self.across.leaves

    @property
    def may_be_empty(self) -> bool:
        return self.skips and any(not self.across.inside(i) for i in range(self.across.outputs))

    def held(self, outputs: range) -> range:
        """The rows that must lie in scratch for some rows of output."""
        read = self.across.read(outputs)
        if self.resident:
            return read
        first = max(read.start, 0)
        return range(first, max(first, min(read.stop, self.across.size)))

    @property
    def strips(self) -> tuple[range, ...]:
        """Rows of output that are computed one behind another."""
        outputs = self.across.outputs
        return tuple(range(i, min(i + self.rows, outputs)) for i in range(0, outputs, self.rows))

    @property
    def padding_at(self) -> int:
        """Where in scratch a pixel of padding lies."""
        return max(len(self.held(strip)) for strip in self.strips) * self.row_bytes

    @property
    def scratch_bytes(self) -> int:
        return self.padding_at + (-(-self.channels // 4) * 4 if self.pads else 0)

    @property
    def geometry(self) -> Geometry:
        words = self.row_words
        kernel_rows = tuple(
            KernelRow(row * self.across.dilation, row, 0, self.along.kernel, row * words)
            for row in range(self.across.kernel if self.resident else 0)
        )
        return Geometry(kernel_rows, (1, self.along.step), self.channels, self.row_bytes, self.y_step, 0)

    @property
    def kept(self) -> Held:
        """What registers that hold no weights hold."""
        if not self.resident or self.words == PASS_WORDS:
            return Held()
        return Held("r4", "r5", "r6") if self.words == 1 else Held("", "r6", "r7")

    def walked(self, sums: Sequence[Sum], at: int = 0) -> int:
        """Where a pointer that stores these, and was at `at`, has walked to those that lie too far."""
        return at + sum(store.walk for store in stores(sums, at))

    @property
    def looped_pieces(self) -> tuple[int, ...]:
        """Pieces of which `loops` are made: so many that the next begins at a lane."""
        return (PIECE,) * 2

    def tile(self, column: int, columns: int) -> Tile | Streamed:
        """The code for some outputs of a part, counted from where the pointers are."""
        if self.resident:
            return tile(self.geometry, 0, 1, column, columns, self.kept)
        return self._streamed(column, columns)

    def _streamed(self, column: int, columns: int) -> Streamed:
        place = column * self.along.step
        skipped = len(self.looped_pieces) * self.loops
        walked = PIECE * skipped // LANE * LANE * self.channels

        def code(pieces: tuple[int, ...], x_step: int) -> tuple[Operation, ...]:
            rows = [KernelRow(0, 0, place + PIECE * i, taps, 0) for i, taps in enumerate(pieces)]
            return row_steps(self.geometry, rows, columns, x_step)

        lanes = PIECE * len(self.looped_pieces) // LANE
        return Streamed(
            code(self.looped_pieces, lanes * LANE * self.channels) if self.loops else (),
            code(self.pieces[skipped:], self.across.dilation * self.row_bytes - walked),
            tuple(Sum(f"r{8 + i}", (column + i) * self.y_step) for i in range(columns)),
        )

    @cached_property
    def looped(self) -> Tile | Streamed | None:
        return self.tile(0, PIXELS) if any(cut.tiles for cut in self.cuts) else None

    @cached_property
    def rests(self) -> tuple[tuple[Tile | Streamed, ...], ...]:
        """Tiles behind the loop, by number of the cut; none twice."""
        kinds = dict.fromkeys(cut.rest for cut in self.cuts)
        return tuple(
            tuple(self.tile(sum(rest[:i]), columns) for i, columns in enumerate(rest)) for rest in kinds
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Outputs of each of the rests."""
        return tuple(sum(len(code.sums) for code in rest) for rest in self.rests)

    def rest(self, cut: Cut) -> int:
        """The number of a cut's rest in `rests`."""
        return list(dict.fromkeys(cut.rest for cut in self.cuts)).index(cut.rest)

    @property
    def code_bytes(self) -> int:
        looped = [self.looped] if self.looped else []
        return sum(_code_bytes(code) for code in [*looped, *[code for rest in self.rests for code in rest]])

    @property
    def cycles(self) -> float:
        """What the layer takes on a Cortex-M4, about."""
        chunks = -(-self.all_channels // self.channels)
        return chunks * (self._tiles_cycles() + self._load_cycles() + 100)

    @property
    def ram_bytes(self) -> int:
        """Of input, output and scratch, if nothing else is alive."""
        size = self.across.size * self.along.size * self.all_channels
        out = self.across.outputs * self.along.outputs * self.all_channels * self.multiplier
        distance = self.overlap()
        return self.scratch_bytes + (size + out if distance is None else max(out, distance + size))

    def _tiles_cycles(self) -> float:
        total = 0.0
        each_call = self.rows if self.rows_at_once else 1
        for output in range(self.across.outputs):
            rows = len(self.across.inside(output)) if self.skips else self.across.kernel
            total += 20 / each_call
            for i, cut in enumerate(self.cuts):
                lines = (self.along.full_parts, self.along.parts - self.along.full_parts)[i]
                each = lines * self._line(cut, rows) + self._channel(rows) / each_call
                total += self.multiplier * (CALL_CYCLES / each_call + self.channels * each)
        return total

    def _channel(self, rows: int) -> float:
        """Around the lines of a channel."""
        if self.resident:
            return 18 + 3 * self.words
        outside = self.across.kernel - rows
        return 32 + self.skips * (14 + outside * (6 + 3 * self.row_words))

    def _line(self, cut: Cut, rows: int) -> float:
        tiles = 14 * self.lined + sum(self._tile_cycles(t, rows) for t in self.rests[self.rest(cut)])
        if cut.tiles and self.looped:
            tiles += 4 + cut.tiles * (self._tile_cycles(self.looped, rows) + (6 if self.resident else 7))
        return tiles

    def _tile_cycles(self, code: Tile | Streamed, rows: int) -> float:
        if isinstance(code, Tile):
            return code.cycles
        row = cycles(code.rest) + 6 + (3 + self.loops * (cycles(code.looped) + 6) if self.loops else 0)
        return 14 + 4 * len(code.sums) + rows * row

    def _load_cycles(self) -> float:
        """Rows to lanes, and rows that two strips share."""
        runs = min(self.lanes, 1 + 2 * self.pads)
        if self.channels >= LANE:
            part = runs * 60 + self.lanes * (14 + 25 * -(-self.channels // LANE))
        else:
            part = runs * 24 + self.lanes * 14 * self.channels
        row = 30 + self.along.parts * part
        total, before = 0.0, range(0)
        for strip in self.strips:
            here = self.held(strip)
            shared = max(0, before.stop - here.start) if before else 0
            total += (len(here) - shared) * row + SHARED_CYCLES * shared * self.row_bytes + 30
            before = here
        return total

    def overlap(self) -> int | None:
        """Bytes by which the output must begin before the input: what is written before its place is read."""
        if self.chunked or (self.turned and self.across.outputs > 1):
            return None
        ends = [strip.stop for strip in self.strips]
        read = [min(max(self.across.read(strip).stop, 0), self.across.size) for strip in self.strips]
        distances = (e * self.y_row - r * self.x_row for e, r in zip(ends, read, strict=True) if r < read[-1])
        return max(0, *distances, 0)


CALL_CYCLES = 60
SHARED_CYCLES = 0.5


def looped(call: Call, turned: bool = False) -> Looped:
    """The fastest layout of a conv2d with one input channel per filter."""
    channels = call.inputs[0].shape[3]
    return _fastest(*axes(call), channels, call.output.shape[3] // channels, turned)


def axes(call: Call) -> tuple[Axis, Axis]:
    """The ways of a conv2d's window along rows and along columns."""
    (_, height, width, _), (_, kh, kw, _) = (t.shape for t in call.inputs[:2])
    (_, out_height, out_width, _), a = call.output.shape, call.attrs
    return (
        _axis(height, out_height, kh, a.stride[0], a.dilation[0], a.padding[0]),
        _axis(width, out_width, kw, a.stride[1], a.dilation[1], a.padding[2]),
    )


@cache
def _fastest(rows: Axis, columns: Axis, channels: int, multiplier: int, turned: bool) -> Looped:
    n_out = channels * multiplier
    steps = (columns.size * channels, channels), (columns.outputs * n_out, n_out)
    (x_row, x_column), (y_row, y_column) = (step[::-1] if turned else step for step in steps)
    across, along = (columns, rows) if turned else (rows, columns)
    way = Looped(across, along, channels, multiplier, x_row, x_column, y_row, y_column, turned, channels)
    return min(_layouts(way), key=lambda layout: layout.cycles * layout.ram_bytes)


def _axis(size: int, outputs: int, kernel: int, stride: int, dilation: int, before: int) -> Axis:
    """A single tap has no gaps: then only the columns that are read form the one part."""
    return Axis(size, outputs, kernel, stride, stride if kernel == 1 else dilation, before)


def _layouts(way: Looped) -> Iterator[Looped]:
    """Its layouts with code that is small enough, and as many rows or channels as scratch has room for."""
    ways = [replace(way, rows=_rows_per_strip(way))]
    if chunk := _channels_per_chunk(way):
        ways.append(replace(way, channels=chunk, rows=way.across.outputs))
    for way in ways:
        yield from _coded(way)


def _coded(way: Looped) -> list[Looped]:
    """With code that is small enough, or with the smallest."""
    most, full = way.along.most, way.along.full_parts == way.along.parts
    whole = (len(way.pieces) - 1) // len(way.looped_pieces)  # the last piece has another size
    loops = (0,) if way.resident else dict.fromkeys((0, whole, max(0, whole - 1)))
    found = [replace(way, cuts=cuts, loops=count) for cuts in _cuts(most, full) for count in loops]
    small = [layout for layout in found if layout.code_bytes <= LOOPED_CODE_BYTES]
    return small or [min(found, key=lambda layout: layout.code_bytes)]


def _cuts(most: int, full: bool) -> list[tuple[Cut, ...]]:
    """Ways to cut the outputs of a full part, and of one with an output less unless all are full."""
    counts = [most] if full or most == 1 else [most, most - 1]
    ways = [[*dict.fromkeys(_ways(n))] for n in counts]
    return [(first,) for first in ways[0]] if len(ways) == 1 else [(a, b) for a in ways[0] for b in ways[1]]


def _ways(outputs: int) -> Iterator[Cut]:
    """A loop and what is left, which two tiles may share; or no loop."""
    tiles, left = divmod(outputs, PIXELS)
    yield Cut(tiles, (left,) if left else ())
    if tiles and left in (1, 2):
        yield Cut(tiles - 1, (3, left + 1))
    if tiles <= UNROLLED_TILES:
        yield Cut(0, (PIXELS,) * tiles + ((left,) if left else ()))


def _rows_per_strip(way: Looped) -> int:
    """As many rows of output as scratch has room for; a single one always."""
    counts = range(way.across.outputs, 0, -1)
    room = max(SCRATCH_BYTES, replace(way, rows=1).scratch_bytes * 3 // 2)
    return next(n for n in counts if n == 1 or replace(way, rows=n).scratch_bytes <= room)


def _channels_per_chunk(way: Looped) -> int:
    """As many channels as scratch has room for at once with all their rows; 0: all of them, or too few."""
    whole = replace(way, rows=way.across.outputs)
    sizes = range(MIN_CHUNK, way.all_channels, 4)
    return max((n for n in sizes if replace(whole, channels=n).scratch_bytes <= SCRATCH_BYTES), default=0)


def _code_bytes(code: Tile | Streamed) -> int:
    if isinstance(code, Tile):
        return code.code_bytes
    return 4 * (len(code.looped) + len(code.rest) + 3 * len(code.sums) + 20)
