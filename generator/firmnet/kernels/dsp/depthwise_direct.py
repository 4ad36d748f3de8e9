"""How does the DSP extension compute the few outputs of a depthwise convolution? Four channels at a time.

Pixels are read where they lie, and only those inside the image: SXTAB16 takes the zero point off while
it spreads them, so padding adds nothing. No input is met by many outputs here, else lanes would be cheaper.
"""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ..images import WindowedImage, image
from .depthwise_looped import Axis, axes
from .instructions import MAX_OFFSET

CHANNELS = 4
MAX_COLUMNS = 20
"""Taps of a row: each has code of its own."""
TAP_CYCLES, ROW_CYCLES, GROUP_CYCLES, OUTPUT_CYCLES = 11, 11, 40, 110


class InFours:
    """`whole` groups of four channels, and `left` channels for which the last four are computed once more."""

    channels: int

    @property
    def whole(self) -> int:
        return self.channels // CHANNELS

    @property
    def left(self) -> int:
        return self.channels % CHANNELS

    @property
    def groups(self) -> int:
        return self.whole + (self.left > 0)


@dataclass(frozen=True)
class Direct(InFours):
    """Each group reads its pixels where they lie."""

    image: WindowedImage
    channels: int
    multiplier: int

    @property
    def record(self) -> int:
        """Words per group: biases, multipliers, and a word for each tap."""
        return 2 * CHANNELS + self.image.kernel[0] * self.image.kernel[1]

    @property
    def x_tap(self) -> int:
        """Bytes from one tap of a row to the next."""
        return self.image.dilation[1] * self.channels

    @property
    def x_row(self) -> int:
        return self.image.dilation[0] * self.image.width * self.channels

    @property
    def walks(self) -> bool:
        """Whether taps lie too far apart to be read from one pointer."""
        return (self.image.kernel[1] - 1) * self.x_tap > MAX_OFFSET

    @property
    def tap_bytes(self) -> int:
        """Code of a tap."""
        return 48 if self.walks else 40


def direct(call: Call) -> Direct:
    channels = call.inputs[0].shape[3]
    return Direct(image(call, window_of(call)), channels, call.output.shape[3] // channels)


def direct_cycles(call: Call) -> float:
    """What a Cortex-M4 takes, about."""
    rows, columns = axes(call)
    layout = direct(call)
    inside = _inside(rows), _inside(columns)
    tap = TAP_CYCLES + 2 * layout.walks
    each = rows.outputs * columns.outputs * (OUTPUT_CYCLES + GROUP_CYCLES * layout.groups)
    taps = inside[0] * (ROW_CYCLES * columns.outputs + tap * inside[1]) * layout.groups
    return 60 + float(layout.multiplier * (each + taps))


def _inside(axis: Axis) -> int:
    return sum(len(axis.inside(i)) for i in range(axis.outputs))


def direct_stream(layout: Direct, k: Constants) -> Array:
    """int32: per group of channels the biases without the zero point's share, multipliers, weights by tap.

    With several filters per channel: first the first filter of every channel, then the second.
    """
    weight = k["weight"][..., 0].reshape(len(k["weight"]), -1)
    bias = k["bias"] + k["x_zero_point"] * weight.astype(np.int64).sum(axis=1)
    starts = [*range(0, layout.whole * CHANNELS, CHANNELS), *[layout.channels - CHANNELS] * (layout.left > 0)]
    records = []
    for filters in range(layout.multiplier):
        for start in starts:
            some = (np.arange(start, start + CHANNELS)) * layout.multiplier + filters
            words = np.ascontiguousarray(weight[some].T).view("<i4").ravel()
            records.append(np.concatenate([bias[some], k["multiplier"][some], words]))
    stream: Array = np.concatenate(records).astype(np.int32)
    return stream
