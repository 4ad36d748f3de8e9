"""How does a depthwise convolution run on the DSP extension? In strips of rows, as lanes of four columns.

A strip of output rows needs some input rows. They are copied to scratch, padded with the zero point, in
*lanes*: four neighbouring columns of one channel in a word, as bytes 0, 2, 1, 3, so that one SXTB16 gives the
int16 columns 0 and 1, another with ROR #8 columns 2 and 3, and SMLAD multiplies two taps at once. Inner loops
know no edges, and the output may overwrite rows of the input that lie in scratch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

from ...ir import Call
from ...ops.windows import Padding, Pair
from .depthwise_tile import LANE, Geometry, KernelRow, Tile, tile
from .instructions import MAX_OFFSET
from .packing import pieces

MAX_CODE_BYTES = 1000
"""A body of code that loops; flash caches hold about 1 KB."""
CHANNEL_CYCLES, LOOP_CYCLES, COPY_CYCLES = 24, 8, 0.7
"""Around the tiles of a channel, around those of a loop, per byte of a row that two strips share."""
MAX_SUMS = 4
"""Outputs of a tile: as many registers are left beside weights, columns and pointers."""
ROWS_PER_PASS = 4
"""Rows of output that one pass over the channels may compute."""
UNROLLED_OUTPUTS = 64
"""Outputs per channel beyond which no code without a loop is small enough."""
SMALL_BYTES, WORKING_BYTES = 8_192, 10_560
MEDIUM_BYTES, MEDIUM_SCRATCH_BYTES = 16_384, 5_120
LARGE_SCRATCH_BYTES = 3_584
"""Scratch by the size of the input: a small one may take WORKING_BYTES together with it.

Room for more rows saves copies of those that two strips share; beside a large input it is dear."""


@dataclass(frozen=True)
class Body:
    """All outputs of `rows` rows of one channel: `loops` times the tiles `looped`, then the tiles `rest`.

    After each loop, the pointers move on by x_step and y_step bytes.
    """

    rows: int
    rest: tuple[Tile, ...]
    looped: tuple[Tile, ...] = ()
    loops: int = 0
    x_step: int = 0
    y_step: int = 0

    @property
    def cycles(self) -> int:
        looped = sum(tile.cycles for tile in self.looped) + LOOP_CYCLES
        return CHANNEL_CYCLES + sum(tile.cycles for tile in self.rest) + self.loops * looped

    @property
    def fits(self) -> bool:
        tiles = (*self.looped, *self.rest)
        reach = max(s.offset for tile in tiles for s in tile.sums)
        return sum(tile.code_bytes for tile in tiles) <= MAX_CODE_BYTES and reach <= MAX_OFFSET


@dataclass(frozen=True)
class LaneRun:
    """`count` neighbouring lanes of a row whose columns are, or are not, `inside` the image."""

    count: int
    inside: tuple[bool, ...]


@dataclass(frozen=True)
class Depthwise:
    """Strips of `rows` output rows over `slots` rows of lanes, `row_bytes` each.

    `kept` rows stay for the next strip. The kernel functions compute all channels of as many rows as the
    `bodies` say: as often as possible of the first's, what is left of the second's.
    """

    height: int
    width: int
    channels: int
    multiplier: int
    out_height: int
    out_width: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    top: int
    left: int
    kernel_rows: tuple[KernelRow, ...]
    span: int  # rows of input under one row of output
    lanes: int
    rows: int = 1
    bodies: tuple[Body, ...] = ()

    @property
    def n_out(self) -> int:
        return self.channels * self.multiplier

    @property
    def row_bytes(self) -> int:
        return self.lanes * LANE * self.channels

    @property
    def slots(self) -> int:
        return (self.rows - 1) * self.stride[0] + self.span

    @property
    def kept(self) -> int:
        return max(0, self.slots - self.rows * self.stride[0])

    @property
    def scratch_bytes(self) -> int:
        return self.slots * self.row_bytes

    @property
    def geometry(self) -> Geometry:
        return Geometry(
            self.kernel_rows, self.stride, self.channels, self.row_bytes, self.n_out, self.out_width
        )

    @property
    def resident(self) -> bool:
        return self.geometry.resident

    @property
    def words(self) -> int:
        """Words of weights per channel."""
        return sum(row.words for row in self.kernel_rows)

    @property
    def record(self) -> int:
        """Words of the stream per channel: weights, bias, multiplier."""
        return self.words + 2

    @property
    def cycles(self) -> float:
        """About what differs between layouts of one layer: bodies, and rows copied from strip to strip."""
        first, *left = self.bodies
        passes = self.out_height // first.rows * first.cycles + sum(body.cycles for body in left)
        copies = (-(-self.out_height // self.rows) - 1) * self.kept * self.row_bytes
        return passes * self.n_out + COPY_CYCLES * copies

    @property
    def all_cycles(self) -> float:
        """What the layer takes, about: those, calls, and rows that are copied to lanes."""
        first, *left = self.bodies
        calls = self.multiplier * (self.out_height // first.rows + len(left))
        return self.cycles + 60 * calls + self.height * (50 + self.lanes * (10 + self._lane_cycles))

    @property
    def _lane_cycles(self) -> int:
        """Of all channels; of few of them as the compiler makes them, three dearly where there is padding."""
        if self.channels >= LANE:
            return 23 * -(-self.channels // LANE)
        padded = self.left > 0 or self.lanes * LANE > self.width
        return (62 if padded and self.channels == 3 else 33) * self.channels

    @property
    def ram_bytes(self) -> int:
        """Of input, output and scratch, if nothing else is alive."""
        size = self.height * self.width * self.channels
        return self.scratch_bytes + max(self.out_height * self.out_width * self.n_out, self.overlap() + size)

    @property
    def segments(self) -> tuple[LaneRun, ...]:
        """The lanes of a row from left to right."""
        columns = [0 <= c - self.left < self.width for c in range(self.lanes * LANE)]
        found: list[LaneRun] = []
        for start in range(0, len(columns), LANE):
            inside = tuple(columns[start : start + LANE])
            if found and found[-1].inside == inside:
                found[-1] = replace(found[-1], count=found[-1].count + 1)
            else:
                found.append(LaneRun(1, inside))
        return tuple(found)

    def overlap(self) -> int:
        """Bytes by which the output must begin before the input: what is written before its place is read."""
        ends = [min(first + self.rows, self.out_height) for first in range(0, self.out_height, self.rows)]
        read = [min(max((e - 1) * self.stride[0] - self.top + self.span, 0), self.height) for e in ends]
        in_bytes, out_bytes = self.width * self.channels, self.out_width * self.n_out
        distances = (e * out_bytes - r * in_bytes for e, r in zip(ends, read, strict=True) if r < read[-1])
        return max(0, *distances, 0)


def depthwise(call: Call) -> Depthwise | None:
    """The layout of a conv2d with one input channel per filter; None where a body of straight code would
    be too large, or its loads and stores too far apart.
    """
    (_, height, width, channels), (n_out, kh, kw, _) = (t.shape for t in call.inputs[:2])
    attrs = call.attrs
    if attrs.dilation[1] > 1 or n_out * 3 > MAX_OFFSET:
        return None
    image = height, width, channels, *call.output.shape[1:]
    return _fastest(image, (kh, kw), attrs.stride, attrs.padding, attrs.dilation)


@cache
def _fastest(
    image: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Depthwise | None:
    """`image`: height, width and channels of input and output."""
    height, width, channels, out_height, out_width, n_out = image
    reach = (out_width - 1) * stride[1] + kernel[1]
    layout = Depthwise(
        height=height,
        width=width,
        channels=channels,
        multiplier=n_out // channels,
        out_height=out_height,
        out_width=out_width,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        top=padding[0],
        left=padding[2],
        kernel_rows=_kernel_rows(kernel, dilation[0]),
        span=(kernel[0] - 1) * dilation[0] + 1,
        lanes=-(-reach // LANE),
    )
    return min(_layouts(layout), key=lambda found: found.cycles, default=None)


def _kernel_rows(kernel: Pair, dilation: int) -> tuple[KernelRow, ...]:
    """Rows of the kernel, wide ones in pieces."""
    kh, kw = kernel
    found: list[KernelRow] = []
    for row in range(kh):
        first = 0
        for taps in pieces(kw):
            word = sum(row.words for row in found)
            found.append(KernelRow(row * dilation, row, first, taps, word))
            first += taps
    return tuple(found)


def _layouts(layout: Depthwise) -> Iterator[Depthwise]:
    """The layout with its strips and its code, for every number of rows that a body may compute."""
    for rows in range(1, min(ROWS_PER_PASS, layout.out_height) + 1):
        left = layout.out_height % rows
        bodies = [_body(layout.geometry, n) for n in (rows, left) if n]
        strip = _rows_per_strip(layout, rows)
        if strip and all(bodies):
            yield replace(layout, rows=strip, bodies=tuple(filter(None, bodies)))


def _rows_per_strip(layout: Depthwise, step: int) -> int:
    """As many output rows as scratch has room for: all, or a multiple of `step`; a single one always."""
    size = layout.height * layout.width * layout.channels
    limit = MEDIUM_SCRATCH_BYTES if size <= MEDIUM_BYTES else LARGE_SCRATCH_BYTES
    if size <= SMALL_BYTES:
        limit = WORKING_BYTES - size
    counts = [layout.out_height, *range(layout.out_height // step * step, 0, -step)]
    fitting = (n for n in counts if n == 1 or replace(layout, rows=n).scratch_bytes <= limit)
    return next(fitting, 0)


@cache
def _body(geometry: Geometry, rows: int) -> Body | None:
    """The fastest code for so many rows of output, None when it is too large."""
    width, bodies = geometry.out_width, list[Body]()
    if rows * width <= UNROLLED_OUTPUTS:
        bodies += [_unrolled(geometry, bands, lone) for bands in _BANDS[rows] for lone in (0, 1)]
    if rows == 1:
        bodies += [_looped(geometry, size, MAX_SUMS) for size in (12, 8, 4) if size <= width]
        for pixels in (2, 1):
            bodies.append(
                _looped(geometry, 4, pixels) if width >= 4 else _unrolled(geometry, (1,), 0, pixels)
            )
    return min(filter(lambda body: body.fits, bodies), key=lambda body: body.cycles, default=None)


_BANDS = {
    1: ((1,),),
    2: ((2,), (1, 1)),
    3: ((3,), (2, 1), (1, 1, 1)),
    4: ((4,), (2, 2), (3, 1), (2, 1, 1), (1, 1, 1, 1)),
}
"""Rows of output → how they may be cut into rows of tiles."""


def _unrolled(geometry: Geometry, bands: Sequence[int], lone: int, pixels: int = MAX_SUMS) -> Body:
    """Every tile at its own place; `lone`: a last column (or none) that all rows share a tile for."""
    rows, width = sum(bands), geometry.out_width - lone
    tiles: list[Tile] = []
    for band, row in zip(bands, accumulate(bands, initial=0), strict=False):
        tiles += _across(geometry, row, band, width, min(pixels, MAX_SUMS // band))
    if lone:
        tiles.append(tile(geometry, 0, rows, width, 1))
    return Body(rows, tuple(tiles))


def _looped(geometry: Geometry, size: int, pixels: int) -> Body:
    """One row: a loop over `size` columns, the columns left behind it."""
    loops, left = divmod(geometry.out_width, size)
    return Body(
        1,
        rest=tuple(_across(geometry, 0, 1, left, pixels)),
        looped=tuple(_across(geometry, 0, 1, size, pixels)),
        loops=loops,
        x_step=size * geometry.stride[1] * geometry.channels,
        y_step=size * geometry.n_out,
    )


def _across(geometry: Geometry, row: int, rows: int, width: int, pixels: int) -> list[Tile]:
    """Tiles of `rows` by `pixels` outputs, the last one as wide as is left."""
    return [
        tile(geometry, row, rows, column, min(pixels, width - column)) for column in range(0, width, pixels)
    ]
