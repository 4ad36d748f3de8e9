"""How does the DSP extension compute a depthwise window as large as the image? Two pixels at a time.

Every input meets one weight, so nothing is kept: two words of pixels become four pairs by PKH and SXTB16. The
weights lie in flash as pairs of int16, because to spread them too would take an eighth more.
"""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from .depthwise_direct import CHANNELS, InFours
from .instructions import MAX_OFFSET

MAX_PAIRS = 12
"""In straight code: 64 bytes each."""
PAIR_CYCLES, SINGLE_CYCLES, LOOP_CYCLES, GROUP_CYCLES, CALL_CYCLES = 17, 13, 6, 37, 50


@dataclass(frozen=True)
class Whole(InFours):
    """`loops` times `unroll` pairs of pixels, `rest` pairs, and one pixel more if their number is odd."""

    pixels: int
    channels: int
    multiplier: int
    unroll: int
    loops: int
    rest: int

    @property
    def pairs(self) -> int:
        """Pairs of the stream, the last of which may be half empty."""
        return -(-self.pixels // 2)

    @property
    def record(self) -> int:
        """Words per group: biases, pairs of weights, multipliers."""
        return CHANNELS * (self.pairs + 2)

    @property
    def near(self) -> int:
        """Pairs that one pointer reaches."""
        return (MAX_OFFSET // self.channels + 1) // 2

    @property
    def steps(self) -> bool:
        """Whether a register holds the way to pairs that lie too far."""
        return self.near < max(self.unroll, self.rest)

    @property
    def cycles(self) -> float:
        """What the layer takes on a Cortex-M4, about."""
        walked = self.steps * (4 + (self.loops * self.unroll + self.rest) / self.near)
        pairs = PAIR_CYCLES * (self.pixels // 2) + walked + SINGLE_CYCLES * (self.pixels % 2)
        each = GROUP_CYCLES + pairs + LOOP_CYCLES * self.loops
        return self.multiplier * (CALL_CYCLES * (1 + (self.left > 0)) + self.groups * each)


def whole(call: Call) -> Whole | None:
    """None where a window is not the whole image, or two pixels lie too far apart."""
    (_, height, width, channels), (n_out, kh, kw, _) = (t.shape for t in call.inputs[:2])
    fits = (kh, kw) == (height, width) and call.attrs.padding == (0, 0, 0, 0)
    if not fits or channels < CHANNELS or channels > MAX_OFFSET:
        return None
    unroll, loops, rest = _split(kh * kw // 2)
    return Whole(kh * kw, channels, n_out // channels, unroll, loops, rest)


def _split(pairs: int) -> tuple[int, int, int]:
    """A loop's body, its rounds, and pairs behind it: the fewest rounds, the shortest code."""
    if pairs <= MAX_PAIRS:
        return 0, 0, pairs
    splits = [(n, pairs // n, pairs % n) for n in range(1, MAX_PAIRS + 1) if n + pairs % n <= MAX_PAIRS]
    return min(splits, key=lambda split: (split[1], split[0] + split[2]))


def whole_stream(layout: Whole, k: Constants) -> Array:
    """int32: per group of channels the biases, for two pixels at a time a pair of int16 each, multipliers.

    With several filters per channel: first the first filter of every channel, then the second.
    """
    flat = k["weight"][..., 0].reshape(len(k["weight"]), -1)
    weight = np.pad(flat, ((0, 0), (0, layout.pixels % 2))).astype(np.int16)
    starts = [*range(0, layout.whole * CHANNELS, CHANNELS), *[layout.channels - CHANNELS] * (layout.left > 0)]
    records = []
    for filters in range(layout.multiplier):
        for start in starts:
            some = np.arange(start, start + CHANNELS) * layout.multiplier + filters
            words = np.ascontiguousarray(weight[some]).view("<i4").T.ravel()
            records.append(np.concatenate([k["bias"][some], words, k["multiplier"][some]]))
    stream: Array = np.concatenate(records).astype(np.int32)
    return stream
