"""How does the DSP extension scale and shift each channel, as a batch norm alone does? In place, by words.

A channel's requantization is a function of one int8: a multiplier and an offset can be found with which SMLAW
and a saturation give its 256 values. The four channels of a word meet again one *period* further on, so that
their constants stay in registers for all words that are periods apart.
"""

from dataclasses import dataclass
from math import lcm

import numpy as np

from ...ir import Array, Call
from ...ops import OPS
from ...ops.spec import Constants
from ...qmath import INT32_MAX, requantize
from ...targets import Isa
from ..portable.conv2d import gathers
from ..spec import Kernel, register
from .instructions import MAX_OFFSET

INPUTS = np.arange(-128, 128)
INPUT_BITS, SUM_BITS = 8, 16
"""Inputs lie in the upper half of 16 bits, results in the upper half of 32."""
NEIGHBOURS = 64
"""Multipliers tried on both sides of the nearest."""
UNROLLED = 8


@dataclass(frozen=True)
class Channelwise:
    """`size` values: `words` that are `period` apart, `unrolled` in the code of a loop, and a `tail`."""

    size: int
    period: int
    words: int
    unrolled: int
    tail: int


class ChannelwiseConv2d(Kernel):
    """A 1x1 kernel for each channel."""

    op = "conv2d"
    name = "channelwise"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        n_out, _, _, depth = call.inputs[1].shape
        alone = depth == 1 and n_out == call.inputs[0].shape[3] and call.attrs.groups == n_out
        if not alone or gathers(call) or call.attrs.stride != (1, 1):
            return False
        return _lines(OPS["conv2d"].prepare(call)) is not None

    def cycles(self, call: Call) -> float:
        """A word takes 15; around them are the constants of each four channels, a loop, and the tail."""
        size, period = call.output.size, lcm(call.output.shape[3], 4)
        words = size // 4
        return 70 + 14.7 * words + min(words, period // 4) * 22 + 12 * (size % period)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """For each word of a period four multipliers and four offsets."""
        found = _lines(k)
        assert found is not None
        period = lcm(call.output.shape[3], 4)
        words = [np.resize(values, period).reshape(-1, 4) for values in found]
        return {"lines": np.hstack(words).astype(np.int32).ravel()}

    def layout(self, call: Call, k: Constants) -> Channelwise:
        size, period = call.output.size, lcm(call.output.shape[3], 4)
        unrolled = min(UNROLLED, MAX_OFFSET // period + 1)
        return Channelwise(size, period, size // period, unrolled, size % period)


def _lines(k: Constants) -> tuple[Array, Array] | None:
    """Per channel m and b with y + 128 = (floor(m·x / 2^8) + b) >> 16, saturated, for every x.

    None where some channel has none, in 32 bits of which the upper half holds y unsaturated.
    """
    weight = k["weight"].astype(np.int64).reshape(-1, 1)
    sums = (weight * INPUTS + k["bias"].astype(np.int64).reshape(-1, 1)).T
    y = requantize(sums, k["requant"], k["zero_point"]).T.astype(np.int64)
    r = k["requant"]
    slope = weight[:, 0] * k["multiplier"].astype(np.float64) * 2.0 ** (r.pre_shift - 32 - r.shift)
    nearest = np.rint(slope * 2.0 ** (INPUT_BITS + SUM_BITS))
    if np.abs(nearest).max() > INT32_MAX - NEIGHBOURS:
        return None
    m, b = nearest.astype(np.int64), np.zeros(len(y), np.int64)
    missing = np.ones(len(y), bool)
    for step in sorted(range(-NEIGHBOURS, NEIGHBOURS + 1), key=abs):
        tried = nearest.astype(np.int64) + step
        least, most = _offsets(tried, y)
        found = missing & (least <= most)
        m[found], b[found] = tried[found], ((least + most) // 2)[found]
        missing &= ~found
        if not missing.any():
            break
    ends = (m[:, None] * INPUTS[[0, -1]] >> INPUT_BITS) + b[:, None]
    if missing.any() or np.abs(ends).max() > INT32_MAX:
        return None
    return m, b


def _offsets(m: Array, y: Array) -> tuple[Array, Array]:
    """The least and the most offset with which each channel's slope m gives y; one step of y is 2^16."""
    product = m[:, None] * INPUTS >> INPUT_BITS
    floor = (y + 128 << SUM_BITS) - product
    free = np.int64(1) << 40
    least = np.where(y > -128, floor, -free).max(axis=1)
    most = np.where(y < 127, floor + (1 << SUM_BITS) - 1, free).min(axis=1)
    return np.maximum(least, most - free), np.minimum(most, least + free)


register(ChannelwiseConv2d())
