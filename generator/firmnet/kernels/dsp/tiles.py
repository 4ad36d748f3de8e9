"""How is a dense layer cut into tiles of up to four pixels by two channels for the DSP extension?"""

from dataclasses import dataclass

from ...ir import Shape
from ...ops.windows import Pair, Window

MAX_PIXELS = 4
MAX_OFFSET = 4095
"""Bytes that a load or store may lie behind its pointer."""
MAX_UNROLL = 16
"""Input pairs in a loop's body; each takes 56 bytes of code, and flash caches hold about 1 KB."""
PAIR_CYCLES = {4: 16, 3: 12, 2: 9, 1: 6}
"""Cycles per pair of inputs, by pixels of a tile."""
TILE_CYCLES = 15
PIXEL_CYCLES = 8
"""Cycles around a dot product, per tile and per pixel of it: bias, requantization, stores."""


@dataclass(frozen=True)
class Dot:
    """A dot product over `pairs` pairs of inputs: the first, `loops` times `unroll`, the `rest`.

    `joined`: two channels' weights are added up in one (see packing.pair_words).
    """

    pairs: int
    unroll: int
    loops: int
    rest: int
    joined: bool


@dataclass(frozen=True)
class Tiles:
    """`pixels` neighbours, read `x_step` bytes apart: `count` tiles of `size`, then one of `tail` (or 0)."""

    pixels: int
    size: int
    count: int
    tail: int
    x_step: int

    @property
    def counts(self) -> dict[int, int]:
        """How many tiles of each size, in their order."""
        return {self.size: self.count} | ({self.tail: 1} if self.tail else {})


def dot(pairs: int, joined: bool) -> Dot:
    """The cheapest split of a dot product: a loop's end costs about as much as a third of a pair."""
    body = pairs - 1
    if body <= MAX_UNROLL:
        return Dot(pairs, 0, 0, body, joined)
    splits = [(body // unroll, body % unroll, unroll) for unroll in range(4, min(MAX_UNROLL, body // 2) + 1)]
    loops, rest, unroll = min(splits, key=lambda s: (6 * s[0] + s[1] + s[2] / 2, s))
    return Dot(pairs, unroll, loops, rest, joined)


def tiles(pixels: int, values: int, x_step: int, y_step: int) -> Tiles:
    """Cut `pixels` of `values` inputs each, `x_step` and `y_step` bytes apart, into the fastest tiles."""
    reach = (MAX_OFFSET - 4 * (MAX_UNROLL + 1)) // max(x_step, 1), (MAX_OFFSET - 1) // y_step
    largest = min(MAX_PIXELS, pixels, 1 + min(reach))
    pairs = -(-values // 2)

    def cycles(size: int) -> int:
        return PAIR_CYCLES[size] * pairs + PIXEL_CYCLES * size + TILE_CYCLES if size else 0

    size = min(range(1, largest + 1), key=lambda s: (pixels // s * cycles(s) + cycles(pixels % s), -s))
    return Tiles(pixels, size, pixels // size, pixels % size, x_step)


@dataclass(frozen=True)
class Pointwise:
    """A 1x1 kernel's walk: `rows` of pixels, `x_step` bytes to the next, `row_gap` more to the next row."""

    tiles: Tiles
    rows: int
    x_step: int
    row_gap: int
    values: int

    @property
    def scratch_bytes(self) -> int:
        return self.tiles.size * self.tiles.x_step

    @property
    def contiguous(self) -> int:
        """Inputs per pixel, when the tile functions themselves can expand them; else 0."""
        return self.values if self.x_step == self.values and self.values % 4 == 0 else 0

    def overlap(self, n_out: int) -> int:
        """Bytes by which y must begin before x: no tile may write what a later one reads."""
        ends = []
        per_row = [self.tiles.size] * self.tiles.count + [self.tiles.tail] * bool(self.tiles.tail)
        written, read = 0, 0
        for _ in range(self.rows):
            for pixels in per_row:
                written, read = written + pixels * n_out, read + pixels * self.x_step
                ends.append(written - read)
            read += self.row_gap
            ends[-1] = written - read
        return max([0, *ends[:-1]])


def pointwise(height: int, width: int, values: int, n_out: int, stride: Pair) -> Pointwise:
    """The walk over an image of `values` channels; without strides, rows join into one."""
    rows, columns = -(-height // stride[0]), -(-width // stride[1])
    if stride == (1, 1):
        rows, columns = 1, rows * columns
    x_step = stride[1] * values
    gap = stride[0] * width * values - columns * x_step if rows > 1 else 0
    expanded_step = 2 * (values + values % 2)
    return Pointwise(tiles(columns, values, expanded_step, n_out), rows, x_step, gap, values)


@dataclass(frozen=True)
class Rows:
    """How a kernel larger than 1x1 lays out expanded rows; sizes in int16 unless they say bytes.

    `column`: from one column of the image to the next; `left`, `inside`, `right`: columns of padding and
    image in a row; `advance`: from one output row's window to the next; after `lap` of them the
    `live_bytes` move back to the start.
    """

    tiles: Tiles
    column: int
    left: int
    inside: int
    right: int
    gap: int
    advance: int
    lap: int
    live_bytes: int
    scratch_bytes: int

    @property
    def narrow(self) -> bool:
        """Whether rows are expanded by a function made for one to three channels."""
        return self.inside > 0 and self.column - self.gap < 4 and 8 * self.column < MAX_OFFSET // 2

    @property
    def columns(self) -> int:
        return self.left + self.inside + self.right


def rows(x_shape: Shape, y_shape: Shape, window: Window) -> Rows:
    """The layout for a window without dilation over x (1, H, W, C), giving y (1, OH, OW, N)."""
    (_, _, width, depth), (_, out_height, out_width, n_out) = x_shape, y_shape
    (kh, kw), (stride_y, stride_x) = window.kernel, window.stride
    column = kh * depth
    column += column * stride_x % 2  # pixels begin at words
    columns = (out_width - 1) * stride_x + kw
    left = min(window.padding[2], columns)
    inside = min(width, columns - left)
    advance = stride_y * depth
    live = (columns - 1) * column + max(kh - stride_y, 0) * depth
    lap = out_height if (out_height - 1) * advance <= live // 2 else max(live // 2 // advance, 1)
    size = (columns - 1) * column + kh * depth + (lap - 1) * advance + 2
    return Rows(
        tiles=tiles(out_width, kw * column, 2 * stride_x * column, n_out),
        column=column,
        left=left,
        inside=inside,
        right=columns - left - inside,
        gap=column - depth,
        advance=advance,
        lap=lap,
        live_bytes=2 * live if kh > stride_y else 0,
        scratch_bytes=2 * size,
    )


def rows_overlap(x_shape: Shape, y_shape: Shape, window: Window) -> int:
    """Bytes by which y must begin before x: no row of y may cover rows of x that are not loaded yet."""
    (_, height, width, depth), (_, out_height, out_width, n_out) = x_shape, y_shape
    ends = [0]
    for oy in range(out_height):
        loaded = oy * window.stride[0] - window.padding[0] + window.kernel[0]
        if loaded >= height:
            break
        ends.append((oy + 1) * out_width * n_out - max(loaded, 0) * width * depth)
    return max(ends)


@dataclass(frozen=True)
class Gather:
    """Windows of `values` inputs copied pixel by pixel; each group's stream of weights has `group_words`."""

    tiles: Tiles
    values: int
    group_words: int

    @property
    def scratch_bytes(self) -> int:
        return self.tiles.size * self.tiles.x_step


def gather(values: int, n_out: int, groups: int, pixels: int) -> Gather:
    """The walk over `pixels` windows of `values` inputs per group."""
    walk = tiles(pixels, values, 2 * (values + values % 2), n_out)
    channel_pairs = -(-(n_out // groups) // 2)
    return Gather(walk, values, channel_pairs * (-(-values // 2) + 4))
