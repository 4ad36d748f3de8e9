"""How is a dense layer cut into tiles of up to four pixels by two channels for the DSP extension?

Few pixels leave tiles of two, which take four channels at once: that reads each input half as often.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from ...ops.windows import Pair
from .instructions import MAX_OFFSET

MAX_PIXELS = 4
MIN_JOINED = 17
"""Inputs from which on the spared SXTB16 outweigh telling two channels' sums apart."""
MIN_PARTED = 128
"""Pairs of inputs from which on it outweighs setting odd sums aside in between."""
MAX_UNROLL = 16
"""Input pairs in a loop's body and behind it; each takes 56 bytes of code, and flash caches hold 1 KB."""
WORTH_LESS_CODE = 0.01
"""Of a dot product's time, for less code."""
PAIR_CYCLES = {4: 16, 3: 12, 2: 9, 1: 6}
"""Cycles per pair of inputs, by pixels of a tile."""
FOURS_CYCLES, FOURS_TILE_CYCLES = 15, 47
"""Of two pixels by four channels: per pair of inputs, and around their dot products."""
MOST_BESIDE_FOURS = 10
"""Pixels among which a last tile of two pixels still saves 3 % by more code."""
MIN_VARYING = 20
"""Pairs of inputs from which on a shift in a register costs less than 2 % of a tile."""
TILE_CYCLES = 15
PIXEL_CYCLES = 8
"""Cycles around a dot product, per tile and per pixel of it: bias, requantization, stores."""
PART_CYCLES, PART_PIXEL_CYCLES = 20, 12
"""Around the parts of a dot product: two or three, as long sums have."""
LOOP_CYCLES, STEP_CYCLES, CALL_CYCLES = 6, 12, 45
"""Around the body of a dot product's loop, around a tile, around a call of a tile function."""


@dataclass(frozen=True)
class Dot:
    """A dot product over `pairs` pairs of inputs: the first, `loops` times `unroll`, the `rest`.

    `joined`: two channels' weights are added up in one (see packing.pair_words). `part`: after so many rounds
    odd sums are set aside, for they would leave 24 bits; 0: never. The first part takes what remains of all
    rounds, the last one the rest behind them too.
    """

    pairs: int
    unroll: int
    loops: int
    rest: int
    joined: bool
    part: int = 0

    @property
    def first(self) -> int:
        """Rounds of the first part."""
        return (self.loops - 1) % self.part + 1

    @property
    def starts(self) -> list[int]:
        """The first pair of each part."""
        first, end = (1 + rounds * self.unroll for rounds in (self.first, self.loops))
        return [0, *range(first, end, self.part * self.unroll)]


@dataclass(frozen=True)
class Tiles:
    """`pixels` neighbours, read `x_step` bytes apart: `count` tiles of `size`, then one of `tail` (or 0).

    `fours`: tiles of two pixels may take four channels. They are cut before that is known: tiles of four read
    weights half as often, and flash may be slow.
    """

    pixels: int
    size: int
    count: int
    tail: int
    x_step: int
    fours: bool = False

    @property
    def counts(self) -> dict[int, int]:
        """How many tiles of each size, in their order."""
        return {self.size: self.count} | ({self.tail: 1} if self.tail else {})

    def in_fours(self, pixels: int, channels: int, dot: Dot) -> bool:
        """Whether tiles of so many pixels take four channels at once."""
        worth = self.fours and (self.pixels == 2 or (self.tail == 2 and self.pixels <= MOST_BESIDE_FOURS))
        whole = channels % 4 == 0 and dot.joined and not dot.part
        return pixels == 2 and worth and whole and 4 * (dot.pairs + MAX_UNROLL + 8) <= MAX_OFFSET


def dot(pairs: int, joined: bool) -> Dot:
    """The split of a dot product with the least code whose rounds take little more than the fewest would."""
    body = pairs - 1
    if body <= MAX_UNROLL:
        return Dot(pairs, 0, 0, body, joined)
    splits = [(body // unroll, body % unroll, unroll) for unroll in range(4, min(MAX_UNROLL, body // 2) + 1)]
    small = [split for split in splits if split[1] + split[2] <= MAX_UNROLL]
    most = min(small)[0] + WORTH_LESS_CODE * PAIR_CYCLES[MAX_PIXELS] * pairs / LOOP_CYCLES
    few = [split for split in small if split[0] <= most]
    loops, rest, unroll = min(few, key=lambda split: (split[1] + split[2], split[0]))
    return Dot(pairs, unroll, loops, rest, joined)


def tiles_alike(
    x_step: int, channels: int, y_step: int, values: int, dot: Dot, shift: int
) -> tuple[Hashable, ...]:
    """What tile functions are made of, for Kernel.alike; `values` as in tile.j2, `shift` of the output."""
    return x_step, channels, y_step, values, dot, shift if dot.pairs < MIN_VARYING else None


def tiles(pixels: int, values: int, x_step: int, y_step: int) -> Tiles:
    """Cut `pixels` of `values` inputs each, `x_step` and `y_step` bytes apart, into the fastest tiles."""
    reach = (MAX_OFFSET - 4 * (MAX_UNROLL + 1)) // max(x_step, 1), (MAX_OFFSET - 1) // y_step
    largest = min(MAX_PIXELS, pixels, 1 + min(reach))
    pairs = -(-values // 2)

    def cycles(size: int) -> int:
        return PAIR_CYCLES[size] * pairs + PIXEL_CYCLES * size + TILE_CYCLES if size else 0

    size = min(range(1, largest + 1), key=lambda s: (pixels // s * cycles(s) + cycles(pixels % s), -s))
    return Tiles(pixels, size, pixels // size, pixels % size, x_step, fours=True)


def tile_cycles(tiles: Tiles, pixels: int, values: int, n_out: int, joinable: bool = True) -> float:
    """About what one of `pixels` by `n_out` channels of `values` inputs takes; `joinable`: their weights."""
    pairs = -(-values // 2)
    joined = values >= MIN_JOINED
    if tiles.in_fours(pixels, n_out, dot(pairs, joined and joinable)):
        each = FOURS_CYCLES * pairs + LOOP_CYCLES * dot(pairs, joined).loops
        return STEP_CYCLES + n_out // 4 * (each + FOURS_TILE_CYCLES)
    each = (PAIR_CYCLES[pixels] + (not joined)) * pairs + LOOP_CYCLES * dot(pairs, joined).loops
    each += 0 if joinable else spread_cycles(pixels, values)
    return STEP_CYCLES + -(-n_out // 2) * (each + (PIXEL_CYCLES - 2 * (not joined)) * pixels + TILE_CYCLES)


def spread_cycles(pixels: int, values: int) -> int:
    """What two channels of a tile take more where their weights cannot be joined as a whole."""
    pairs = -(-values // 2)
    if values < MIN_JOINED:
        return 0
    return PART_CYCLES + PART_PIXEL_CYCLES * pixels if pairs >= MIN_PARTED else pairs


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

    def cycles(self, n_out: int, joinable: bool) -> float:
        """About what it takes to compute `n_out` channels, whose weights are `joinable`."""
        each = [(pixels, count) for pixels, count in self.tiles.counts.items()]
        total = 0.0
        for pixels, count in each:
            tile = tile_cycles(self.tiles, pixels, self.values, n_out, joinable)
            if self.contiguous:
                total += CALL_CYCLES + count * (tile + 10 + 1.6 * pixels * self.values)
            else:
                fours, rest = divmod(self.values, 4)
                column = 18 + 25 * (fours // 4) + 10 * (fours % 4) + 6 * rest
                total += count * (tile + CALL_CYCLES + 35 + pixels * column)
        return self.rows * total

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
