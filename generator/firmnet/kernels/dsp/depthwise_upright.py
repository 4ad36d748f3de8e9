"""How does the DSP extension compute one row of depthwise outputs? From pairs of rows, in fours of channels.

A pair holds a column's values in two rows, so that SMLAD meets two taps whichever columns a window begins
with; of an odd row that is left over, two columns of it. All outputs of a channel are straight code.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ...ir import Array, Call
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ..images import WindowedImage, image
from .depthwise_direct import CHANNELS, InFours
from .depthwise_quads import PAIR_BYTES, SPREAD_BYTES, Spread
from .depthwise_tile import COLUMNS, Held, Macs, PairLoad, Tile, pair_tile
from .instructions import MAX_OFFSET

WEIGHTS_AND_SUMS = 10
"""Registers for them: r2 to r11."""
MAX_WEIGHTS = 6
"""Registers of weights, two from a word."""
CODE_BYTES, FRAME_BYTES = 1000, 180
"""Of the whole function at most; around tile and pairs."""
CALL_CYCLES, GROUP_CYCLES, CHANNEL_CYCLES = 70, 24, 13

Tap = tuple[int, int]
"""Row and column of the kernel."""


@dataclass(frozen=True)
class Met:
    """What output `column` reads of a pair: `taps` of its first and second value; None: nothing."""

    column: int
    taps: tuple[Tap | None, Tap | None]


@dataclass(frozen=True)
class Upright(InFours):
    image: WindowedImage
    channels: int
    multiplier: int

    @cached_property
    def rows(self) -> tuple[Tap, ...]:
        """Rows of the kernel that lie inside the image, and which of its rows they meet."""
        i = self.image
        met = ((row, row * i.dilation[0] - i.top) for row in range(i.kernel[0]))
        return tuple((row, at) for row, at in met if 0 <= at < i.height)

    @cached_property
    def met(self) -> Mapping[Spread, tuple[Met, ...]]:
        """Pairs of pixels of the image, as the outputs meet them."""
        found: dict[Spread, list[Met]] = defaultdict(list)
        for spread, met in self._met():
            found[spread].append(met)
        order = sorted(found, key=lambda s: (s.second is None, s.second or s.first, s.first))
        return {spread: tuple(found[spread]) for spread in order}

    def _met(self) -> Iterator[tuple[Spread, Met]]:
        width = self.image.width
        for (upper, above), (lower, below) in zip(self.rows[0::2], self.rows[1::2], strict=False):
            for ox in range(self.image.out_width):
                for tap, column in self._columns(ox).items():
                    pair = Spread(above * width + column, below * width + column)
                    yield pair, Met(ox, ((upper, tap), (lower, tap)))
        if len(self.rows) % 2:
            yield from self._met_alone(*self.rows[-1])

    def _met_alone(self, row: int, at: int) -> Iterator[tuple[Spread, Met]]:
        """Of a row without another: pairs of a column and the one a dilation further."""
        width, d = self.image.width, self.image.dilation[1]
        for ox in range(self.image.out_width):
            pairs: dict[int, list[Tap | None]] = defaultdict(lambda: [None, None])
            for tap, column in self._columns(ox).items():
                half = column // d % 2
                pairs[column - half * d][half] = row, tap
            for column, (first, second) in pairs.items():
                beside = at * width + column + d if column + d < width else None
                yield Spread(at * width + column, beside), Met(ox, (first, second))

    def _columns(self, ox: int) -> dict[int, int]:
        """Taps of a row → the columns that they meet, inside the image."""
        i = self.image
        met = ((tap, ox * i.stride[1] - i.left + tap * i.dilation[1]) for tap in range(i.kernel[1]))
        return {tap: column for tap, column in met if 0 <= column < i.width}

    @cached_property
    def weights(self) -> tuple[tuple[Tap | None, Tap | None], ...]:
        """The taps in the halves of each register of weights."""
        met = [each.taps for some in self.met.values() for each in some]
        pairs = [*dict.fromkeys(taps for taps in met if None not in taps)]
        within = {tap for pair in pairs for tap in pair}
        alone = [*dict.fromkeys(tap for taps in met for tap in taps if tap and tap not in within)]
        return *pairs, *zip(alone[0::2], [*alone[1::2], None][: len(alone[0::2])], strict=True)

    @property
    def words(self) -> int:
        return -(-len(self.weights) // 2)

    @property
    def record(self) -> int:
        """Words of the stream per channel: weights, bias, multiplier."""
        return self.words + 2

    @cached_property
    def bytes_of_taps(self) -> dict[Tap, int]:
        """Where in a channel's record each tap is; one that two registers hold is there twice."""
        return {tap: at for at, tap in self.taps_by_byte if tap}

    @property
    def taps_by_byte(self) -> list[tuple[int, Tap | None]]:
        """SXTB16 takes bytes 0 and 2 of a word to one register, 1 and 3 to the next."""
        return [
            (4 * (number // 2) + number % 2 + 2 * half, tap)
            for number, taps in enumerate(self.weights)
            for half, tap in enumerate(taps)
        ]

    @property
    def loaded(self) -> list[str]:
        """Registers that a channel's record is loaded to: words, bias, multiplier."""
        free = 2 + 2 * self.words
        return [*(f"r{3 + 2 * word}" for word in range(self.words)), f"r{free}", f"r{free + 1}"]

    @property
    def spreads(self) -> tuple[Spread, ...]:
        return tuple(self.met)

    @property
    def scratch_bytes(self) -> int:
        return len(self.met) * PAIR_BYTES

    @cached_property
    def tile(self) -> Tile | None:
        """None where there are not enough registers, or an output meets no pixel."""
        outputs, first = self.image.out_width, 2 + len(self.weights)
        if len(self.weights) > MAX_WEIGHTS or outputs + len(self.weights) > WEIGHTS_AND_SUMS:
            return None
        if {each.column for some in self.met.values() for each in some} != set(range(outputs)):
            return None
        loads = [
            PairLoad(PAIR_BYTES * number, tuple(self._macs(each) for each in some))
            for number, some in enumerate(self.met.values())
        ]
        places = [ox * self.image.n_out for ox in range(outputs)]
        sums = [f"r{first + number}" for number in range(outputs)]
        bias = self.loaded[-2]
        idle = [f"r{at}" for at in range(first, 2 + WEIGHTS_AND_SUMS) if f"r{at}" not in (*sums, bias)]
        return pair_tile(loads, places, Held(), (*COLUMNS, *idle), sums, bias)

    def _macs(self, met: Met) -> Macs:
        if None not in met.taps:
            return Macs(met.column, "", self.weights.index(met.taps))
        half, tap = next((half, tap) for half, tap in enumerate(met.taps) if tap)
        register = next(number for number, taps in enumerate(self.weights) if tap in taps)
        lanes = "bt"[half] + "bt"[self.weights[register].index(tap)]
        return Macs(met.column, lanes, register)

    @property
    def code_bytes(self) -> int:
        assert self.tile
        return FRAME_BYTES + self.tile.code_bytes + SPREAD_BYTES * len(self.met)

    @property
    def cycles(self) -> float:
        """What the layer takes on a Cortex-M4, about."""
        assert self.tile
        alone = sum(spread.second is None for spread in self.met)
        spread = 12.5 * (len(self.met) - alone) + 10 * alone
        channel = CHANNEL_CYCLES + self.words + len(self.weights) + self.tile.cycles
        return self.multiplier * (CALL_CYCLES + self.groups * (GROUP_CYCLES + spread + CHANNELS * channel))

    @property
    def ram_bytes(self) -> int:
        """Of input, output and scratch, if nothing else is alive."""
        i = self.image
        return self.scratch_bytes + i.height * i.width * self.channels + i.out_width * i.n_out


def upright(call: Call) -> Upright | None:
    """None where there is more than a row of outputs, or more than registers and code have room for."""
    channels = call.inputs[0].shape[3]
    return _found(image(call, window_of(call)), channels, call.output.shape[3] // channels)


@cache
def _found(window: WindowedImage, channels: int, multiplier: int) -> Upright | None:
    if window.out_height > 1 or window.out_width > WEIGHTS_AND_SUMS or channels < CHANNELS:
        return None
    layout = Upright(window, channels, multiplier)
    tile = layout.tile
    if tile is None or layout.code_bytes > CODE_BYTES or layout.scratch_bytes > MAX_OFFSET:
        return None
    return layout


def upright_stream(layout: Upright, k: Constants) -> Array:
    """int32: per filter its words, bias without the zero point's share, and multiplier.

    With several filters per channel: first the first filter of every channel, then the second.
    """
    taps = k["weight"][..., 0]
    bias = k["bias"] + k["x_zero_point"] * taps.astype(np.int64).sum(axis=(1, 2))
    packed = np.zeros((len(taps), 4 * layout.words), np.int8)
    for at, tap in layout.taps_by_byte:
        if tap:
            packed[:, at] = taps[:, tap[0], tap[1]]
    records = np.concatenate([packed.view("<i4"), bias[:, None], k["multiplier"][:, None]], axis=1)
    by_filter = records.astype(np.int32).reshape(layout.channels, layout.multiplier, layout.record)
    stream: Array = by_filter.transpose(1, 0, 2).ravel()
    return stream
