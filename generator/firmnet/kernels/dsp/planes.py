"""How is a grouped, dilated or very wide convolution cut into dense ones? Into planes, pieces and tiles.

A *plane* is what one group of channels makes of one phase of a dilated window: outputs whose windows read
every d-th row and column from the same one on. On these alone the window is dense, so a row of them, expanded
once, serves all windows above it. A *piece* is as much of a plane's rows as scratch has room for. A *tile* is
what registers have room for: pixels by two channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import gcd

from ...ir import Shape
from ...ops.windows import Pair, Window
from .instructions import MAX_OFFSET
from .tiles import CALL_CYCLES, LOOP_CYCLES, MAX_PIXELS, MAX_UNROLL, Tiles, spread_cycles, tile_cycles

RESIDENT_PAIRS = 2
"""Pairs of inputs whose weights for two channels stay in registers."""
LONG_ROUNDS = (6, 8)
"""Pixels of a round of their loop, beside those that a tile has."""
NARROW = 13
"""Channels up to which a column is expanded by a function made for their number."""
RESIDENT_CYCLES = {1: 9.5, 2: 13}
"""Cycles per pixel of two channels, by pairs of inputs."""
PLANE_CYCLES, ROW_CYCLES, FILL_ROW_CYCLES = 60, 55, 30
"""Around a plane's piece, around a row that is expanded, around one of padding."""
FILL_CYCLES = 0.7
"""For a value of padding."""
FREE_SCRATCH_BYTES = 4096
"""So much scratch is no reason to cut rows into pieces."""
LONG_CYCLES = 3_000
"""From which on a row of tiles is so long that the code around it had better be small than fast."""
WORTH = 1.02
"""What pieces may cost that save memory, and tiles that save code."""
PIECES = (4096, 2048, 1024, 512, 256, 128, 96, 64, 48, 32, 24, 16, 12, 8)
"""About how many outputs of a row a piece may have."""


Channels = tuple[int, int, int]
"""Groups, and the inputs and the outputs of one."""


@dataclass(frozen=True)
class PlaneAxis:
    """Rows or columns: output i of phase p reads p · `shift` − `before` + (i · `stride` + tap) · `step`.

    Output i of phase p is the layer's output p + i · `phases`. Columns may be `apart`: all outputs are one
    phase, each has its own taps, `step` from one to the next, and begins `shift` behind the one before.

    Of a transposed convolution each output is `spread`: output i of phase p reads `kernel` neighbours up to
    (p + `before`) // `shift` + i, and each phase has weights of its own. Of `taps` together, the phases whose
    p + `before` leaves `fewer_from` or more when divided by `shift` have one tap less.
    """

    size: int
    out: int
    kernel: int
    stride: int
    step: int
    shift: int
    before: int
    phases: int
    apart: bool = False
    spread: bool = False
    taps: int = 0

    @property
    def fewer_from(self) -> int:
        return self.taps % self.shift or self.shift if self.kernel > 1 else self.shift

    @property
    def most(self) -> int:
        """Outputs of the first phase; the last has `least`."""
        return -(-self.out // self.phases)

    @property
    def least(self) -> int:
        return self.out // self.phases

    @property
    def padded(self) -> bool:
        """Whether some window reaches outside."""
        if self.spread:
            least, most = (at // self.shift for at in (self.before, self.before + self.out - 1))
            return least < self.kernel - 1 or most >= self.size
        last = (self.out - 1) * self.shift - self.before + (self.kernel - 1) * self.step
        return self.before > 0 or last >= self.size

    @property
    def runs(self) -> int:
        """How often a row is read: once, or for one tap of all outputs after the other."""
        return self.kernel if self.apart else 1

    @property
    def hop(self) -> int:
        """From an input of such a run to the next."""
        return self.shift if self.apart else self.step

    @property
    def advance(self) -> int:
        """From what an output of a phase reads first to what the next does."""
        return self.shift if self.apart else self.stride * self.step

    @property
    def sizes(self) -> dict[int, int]:
        """Outputs of a phase → how many phases have so many."""
        larger = self.out % self.phases or self.phases
        return {self.most: larger} | ({self.least: self.phases - larger} if larger < self.phases else {})

    def span(self, outputs: int) -> int:
        """Inputs, `step` apart, that neighbouring outputs of a phase read."""
        return (outputs - 1) * self.stride + self.kernel


def axis(size: int, out: int, kernel: int, stride: int, dilation: int, before: int) -> PlaneAxis:
    """A single tap has no dilation: what it steps over need not be read."""
    step = stride if kernel == 1 else dilation
    common = gcd(stride, step)
    return PlaneAxis(size, out, kernel, stride // common, step, stride, before, min(step // common, out))


@dataclass(frozen=True)
class Dense:
    """What is to be computed: a window over rows and columns of `groups` times `depth` channels."""

    rows: PlaneAxis
    columns: PlaneAxis
    groups: int
    depth: int
    n_out_per_group: int

    @property
    def n_in(self) -> int:
        return self.groups * self.depth

    @property
    def n_out(self) -> int:
        return self.groups * self.n_out_per_group

    @property
    def together(self) -> bool:
        """Whether all groups' channels are expanded at once: a single tap, and whole words of channels."""
        return self.groups > 1 and self.rows.kernel == self.columns.kernel == 1 and self.depth % 4 == 0


@dataclass(frozen=True)
class Planes:
    """`column`, `advance` (from one output row's window to the next) in int16; `lap` rows of output later the
    `live_bytes` move back to the start. `resident`: a channel pair's weights stay in registers, `tiles.size`
    pixels a loop.
    """

    layer: Dense
    tiles: Tiles
    resident: bool
    column: int
    piece: int
    advance: int
    lap: int
    live_bytes: int
    scratch_bytes: int

    @property
    def pairs(self) -> int:
        """Pairs of inputs of an output."""
        return -(-self.values_per_output // 2)

    @property
    def values_per_output(self) -> int:
        return self.layer.depth if self.layer.together else self.layer.columns.kernel * self.column

    @property
    def fewer_values(self) -> int:
        """Values of an output of a phase that has a column less; 0 where there is none.

        Not where weights stay in registers, nor where the next column begins in the middle of a word.
        """
        c = self.layer.columns
        narrows = c.spread and c.fewer_from < c.shift and not self.resident and self.column % 2 == 0
        return (c.kernel - 1) * self.column if narrows else 0

    @property
    def values(self) -> int:
        """Channels that a column is expanded from."""
        return self.layer.n_in if self.layer.together else self.layer.depth

    @property
    def gap(self) -> int:
        return self.pitch - self.values

    @property
    def contiguous(self) -> bool:
        """Whether a row's columns are expanded as one run."""
        return self.gap == 0 and self.in_step == self.values and self.values % 4 == 0

    @property
    def in_step(self) -> int:
        """Bytes from a column of the image to the next that is read."""
        return self.layer.columns.hop * self.layer.n_in

    @property
    def pitch(self) -> int:
        """int16 from a column that is expanded to the next."""
        return self.column * self.layer.columns.runs

    @property
    def narrow(self) -> bool:
        """Whether a function made for this depth expands columns."""
        reach = max(4 * self.in_step, 3 * self.in_step + self.values, 8 * self.pitch)
        return self.values <= NARROW and not self.contiguous and reach <= MAX_OFFSET

    @property
    def y_step(self) -> int:
        return self.layer.columns.phases * self.layer.n_out

    @property
    def group_words(self) -> int:
        """Words of a group's stream of weights."""
        return -(-self.layer.n_out_per_group // 2) * (self.pairs + 4)

    @property
    def phase_words(self) -> int:
        """Words from a phase's stream to the next, where each has its own."""
        return self.group_words * (self.layer.groups if self.layer.together else 1)

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Of a row of the first phase: each piece's first output and how many they are.

        The last is as long as the others: it computes some outputs again.
        """
        total = self.layer.columns.most
        size = min(self.piece, total)
        return [(min(at, total - size), size) for at in range(0, total, size)]

    @property
    def in_order(self) -> bool:
        """Whether the image is read from top to bottom, once."""
        alone = self.layer.groups == 1 or self.layer.together
        rows, columns = self.layer.rows, self.layer.columns
        return (
            not rows.spread
            and alone
            and rows.phases == columns.phases == 1
            and (len(self.pieces) == 1 or rows.out == 1)
        )

    @property
    def long(self) -> bool:
        """Whether nearly all of the time is in the tiles."""
        tile = self._tile_cycles(min(self.piece, self.layer.columns.least), self.values_per_output)
        return tile >= LONG_CYCLES

    def overlap(self) -> int | None:
        """Bytes by which y must begin before x; None: apart."""
        if not self.in_order:
            return None
        rows, columns, layer = self.layer.rows, self.layer.columns, self.layer
        ends = [0]
        if len(self.pieces) > 1:
            for (first, count), (then, _) in zip(self.pieces, self.pieces[1:], strict=False):
                read = max(then * columns.shift - columns.before, 0) * layer.n_in
                ends.append((first + count) * layer.n_out - read)
            return max(ends)
        for y in range(rows.out - 1):
            loaded = max(y * rows.stride + rows.kernel, (y + 1) * rows.stride) * rows.step - rows.before
            if loaded >= rows.size:
                break
            ends.append((y + 1) * columns.out * layer.n_out - max(loaded, 0) * columns.size * layer.n_in)
        return max(ends)

    @property
    def cycles(self) -> float:
        """About what the whole layer takes."""
        layer, columns = self.layer, self.layer.columns
        total = 0.0
        for outputs, phases in columns.sizes.items():
            count = min(self.piece, outputs)
            tile = self._row_cycles(count) * (layer.groups if layer.together else 1)
            span = columns.span(count)
            inside = min(span, -(-columns.size // columns.hop))
            fill = FILL_CYCLES * self.values * columns.runs
            expand = columns.runs * ROW_CYCLES + inside * self._column_cycles + (span - inside) * fill
            outside = columns.runs * FILL_ROW_CYCLES + span * fill
            total += phases * -(-outputs // count) * self._rows_cycles(tile + 8, expand, outside)
        return total * (1 if layer.together else layer.groups)

    @property
    def spread_cycles(self) -> float:
        """What it takes more where weights of many inputs cannot be joined."""
        layer = self.layer
        tiles = layer.rows.out * -(-layer.columns.out // self.tiles.size)
        each = spread_cycles(self.tiles.size, self.values_per_output)
        return tiles * layer.groups * -(-layer.n_out_per_group // 2) * each

    def _rows_cycles(self, tile: float, expand: float, outside: float) -> float:
        """All rows of a piece of all phases; what a row's tiles, its expansion or its padding take."""
        rows = self.layer.rows
        total = 0.0
        for outputs, phases in rows.sizes.items():
            loaded = rows.span(outputs) if rows.stride <= rows.kernel else outputs * rows.kernel
            moved = 0.8 * self.live_bytes * (outputs // self.lap)
            inside = min(loaded, -(-rows.size // rows.step))
            expanded = inside * expand + (loaded - inside) * outside
            total += phases * (PLANE_CYCLES + outputs * tile + expanded + moved)
        return total

    @property
    def _column_cycles(self) -> float:
        fours, rest = divmod(self.values, 4)
        if self.contiguous:
            return 6 * fours
        if self.narrow:
            return 6 * fours + 2.1 * rest + 6 / self.unroll
        steps = self.values // 16
        return 18 + 25 * steps + 10 * (fours - 4 * steps) + 6 * rest

    @property
    def unroll(self) -> int:
        """Columns in the loop of the function that expands narrow ones."""
        return 4 if self.values < 4 else 2 if self.values < 8 else 1

    def _row_cycles(self, count: int) -> float:
        """A row of `count` pixels of one group; of those phases have, on average."""
        whole, columns = self._tile_cycles(count, self.values_per_output), self.layer.columns
        if not self.fewer_values:
            return whole
        part = columns.fewer_from / columns.shift
        return part * whole + (1 - part) * self._tile_cycles(count, self.fewer_values)

    def _tile_cycles(self, count: int, values: int) -> float:
        """The same with so many values for an output."""
        channel_pairs = -(-self.layer.n_out_per_group // 2)
        size, tail = self.tiles.size, self.tiles.tail
        if self.resident:
            loop = RESIDENT_CYCLES[self.pairs] * size + LOOP_CYCLES
            return CALL_CYCLES + channel_pairs * (33 + -(-count // size) * loop)

        def tile(pixels: int) -> float:
            return tile_cycles(self.tiles, pixels, values, self.layer.n_out_per_group)

        calls = CALL_CYCLES * (1 + (count % size > 0))
        return calls + (count // size * tile(size) + tile(tail) if tail else -(-count // size) * tile(size))


def planes(x_shape: Shape, y_shape: Shape, window: Window, groups: int, apart: bool) -> Planes | None:
    """The fastest layout from x (1, H, W, C) to y (1, OH, OW, N), in pieces where these are nearly free.

    None: its columns cannot be `apart`, or need not.
    """
    (_, height, width, channels), (_, out_height, out_width, n_out) = x_shape, y_shape
    each = groups, channels // groups, n_out // groups
    return _best((height, width), (out_height, out_width), window, each, apart)


@cache
def _best(x: Pair, y: Pair, window: Window, channels: Channels, apart: bool) -> Planes | None:
    axes = [*_apart(x, y, window)] if apart else [_axes(x, y, window), *_folded(x, y, window)]
    return _cheapest([Dense(*pair, *channels) for pair in axes]) if axes else None


@cache
def spread_planes(x: Pair, y: Pair, kernel: Pair, stride: Pair, before: Pair, channels: Channels) -> Planes:
    """The fastest layout of a transposed convolution, where `before` rows and columns are cropped first."""
    rows, columns = (
        PlaneAxis(
            x[i],
            y[i],
            -(-kernel[i] // stride[i]),
            1,
            1,
            stride[i],
            before[i],
            min(stride[i], y[i]),
            spread=True,
            taps=kernel[i],
        )
        for i in (0, 1)
    )
    return _cheapest([Dense(rows, columns, *channels)])


def _cheapest(layers: list[Dense]) -> Planes:
    found = [plane for layer in layers for plane in _candidates(layer)]
    cheapest = min(plane.cycles for plane in found)
    free = [plane for plane in found if plane.cycles <= WORTH * cheapest]
    best = min(free, key=_weighed)
    return replace(best, tiles=replace(best.tiles, fours=True))


def _weighed(plane: Planes) -> tuple[int, bool, float]:
    """Memory counts first, then the code of a second tile function, then cycles."""
    return max(_memory(plane), FREE_SCRATCH_BYTES), plane.tiles.tail > 0, plane.cycles


def _axes(x: Pair, y: Pair, window: Window) -> tuple[PlaneAxis, PlaneAxis]:
    """Rows and columns. Pixels that a window of one tap steps through one by one are one row."""
    top, _, left, _ = window.padding
    if window.kernel == window.stride == (1, 1) and not any(window.padding):
        x, y = (1, x[0] * x[1]), (1, y[0] * y[1])
    before = top, left
    rows, columns = (
        axis(x[i], y[i], window.kernel[i], window.stride[i], window.dilation[i], before[i]) for i in (0, 1)
    )
    return rows, columns


def _apart(x: Pair, y: Pair, window: Window) -> Iterator[tuple[PlaneAxis, PlaneAxis]]:
    """Where phases of a dilated row are short: tiles of outputs of all of them."""
    rows, columns = _axes(x, y, window)
    if columns.phases > 1 and columns.kernel > 1 and columns.least < MAX_PIXELS:
        yield rows, replace(columns, stride=columns.kernel, phases=1, apart=True)


def _folded(x: Pair, y: Pair, window: Window) -> Iterator[tuple[PlaneAxis, PlaneAxis]]:
    """A line with dilation d, as an image of lines of d: its window stands up, and has no dilation."""
    (kh, kw), d, left = window.kernel, window.dilation[1], window.padding[2]
    alone = x[0] == y[0] == kh == window.stride[1] == 1 and kw > 1 and window.padding[0] == 0
    if alone and d > 1 and x[1] % d == y[1] % d == left % d == 0:
        yield axis(x[1] // d, y[1] // d, kw, 1, 1, left // d), axis(d, d, 1, 1, 1, 0)


def _memory(plane: Planes) -> int:
    """Bytes that the layer needs with its input and output."""
    layer, distance = plane.layer, plane.overlap()
    x = layer.rows.size * layer.columns.size * layer.n_in
    y = layer.rows.out * layer.columns.out * layer.n_out
    return plane.scratch_bytes + (x + y if distance is None else max(x, y - distance) + distance)


def _candidates(layer: Dense) -> Iterator[Planes]:
    column = layer.n_in if layer.together else layer.rows.kernel * layer.depth
    if column > 1:  # a gap of one beside one value would double the work
        column += column * layer.columns.stride % 2  # pixels begin at words
    x_step = 2 * layer.columns.stride * column
    y_step = layer.columns.phases * layer.n_out
    pairs = -(-(layer.depth if layer.together else layer.columns.kernel * column) // 2)
    most = layer.columns.most
    reach = (MAX_OFFSET - 4 * (MAX_UNROLL + 1)) // x_step, (MAX_OFFSET - 2) // y_step
    sizes = range(1, min(MAX_PIXELS, layer.columns.least, 1 + min(reach)) + 1)
    if pairs <= RESIDENT_PAIRS and layer.n_out_per_group > 1:
        for size in (*sizes, *(size for size in LONG_ROUNDS if size <= layer.columns.least)):
            if size * max(x_step, y_step) <= MAX_OFFSET:
                for piece in _pieces(most, size):
                    yield _plane(layer, Tiles(piece, size, piece // size, 0, x_step), True, column, piece)
    for size in sizes:
        for piece in _pieces(most, size):
            yield _plane(layer, Tiles(piece, size, piece // size, 0, x_step), False, column, piece)
        if layer.columns.phases == 1 and most % size:
            yield _plane(layer, Tiles(most, size, most // size, most % size, x_step), False, column, most)


def _pieces(total: int, size: int) -> list[int]:
    """Sizes of pieces that leave little to compute again: `total`, and multiples of `size` below it."""
    counts = {-(-total // about) for about in PIECES if about < total}
    return [total, *sorted({-(-total // count // size) * size for count in counts} - {total})]


def _plane(layer: Dense, tiles: Tiles, resident: bool, column: int, piece: int) -> Planes:
    rows, span = layer.rows, layer.columns.span(min(piece, layer.columns.most))
    shared = rows.kernel > rows.stride
    advance = rows.stride * layer.depth if shared else 0
    live = (span - 1) * column + max(rows.kernel - rows.stride, 0) * layer.depth
    lap = rows.most if (rows.most - 1) * advance <= live // 2 else max(live // 2 // advance, 1)
    size = span * column + (lap - 1) * advance + 2
    return Planes(
        layer=layer,
        tiles=tiles,
        resident=resident,
        column=column,
        piece=piece,
        advance=advance,
        lap=lap,
        live_bytes=2 * live if shared else 0,
        scratch_bytes=2 * (size + size % 2),
    )
