"""How does the DSP extension spread int16 with a filter per channel? Phase by phase, as it convolves.

Outputs whose coordinates have the same remainders by the stride meet the same taps, turned around: their
images are convolved with windows side by side, and interleave. Two channels of two pixels at a time.
"""

from dataclasses import dataclass
from math import gcd, prod

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.conv_transpose2d import phases
from ...ops.spec import Constants
from ...ops.weighted import fold
from ...ops.windows import Pair
from ...targets import Isa
from ..spec import Kernel, register
from .instructions import MAX_OFFSET
from .wide_depthwise import Chunk, chunked, stream

MOST_PHASES = 64
MOST_TAPS = 16
"""Of a phase that is written out."""


@dataclass(frozen=True)
class PhaseTile:
    """Two outputs of a phase: `chunks` of every row of the kernel, rows `row` bytes apart; `far`: no
    instruction reaches them all.
    """

    kernel: Pair
    chunks: tuple[Chunk, ...]
    row: int
    far: bool

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]


@dataclass(frozen=True)
class Phase:
    """Of `rows` by `columns` outputs, the first at `at`: windows of `kernel` taps, whose first begins
    `before` the image. `weights`: words of flash that come before its own. `count` of a row from `first` on
    lie inside.
    """

    kernel: Pair
    at: Pair
    rows: int
    columns: int
    before: Pair
    weights: int
    first: int
    count: int

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]


@dataclass(frozen=True)
class InterleavedPhases:
    """`apart`: rows and columns of the image from one tap to the next. `tiles`: of kernels that are written
    out.
    """

    height: int
    width: int
    channels: int
    out_width: int
    stride: Pair
    apart: Pair
    phases: tuple[Phase, ...]
    tiles: tuple[PhaseTile, ...]


class DepthwiseWideTransposed(Kernel):
    """One filter per channel, over int16, whose sums int32 holds."""

    op = "conv_transpose2d"
    name = "depthwise_wide"
    isa = Isa.DSP
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        n_out, _, _, depth = call.inputs[1].shape
        each = depth == 1 and call.attrs.groups == n_out and prod(call.attrs.stride) <= MOST_PHASES
        return bool(each) and call.inputs[0].dtype is Dtype.INT16 and not fold(call)["requant"].long

    def cycles(self, call: Call) -> float:
        """Of pairs of pixels, and of others tap by tap."""
        found = self.layout(call, {})
        pairs, odd, price = found.channels // 2, found.channels % 2, 80.0
        for phase in found.phases:
            inside = phase.rows * phase.count
            alone = phase.rows * phase.columns - inside
            loads = phase.kernel[0] * (1.5 * (phase.kernel[1] + 1) + 1 + phase.kernel[1])
            tiles = phase.rows * -(-phase.count // 2) * (20 + pairs * (30 + loads + 4 * phase.taps))
            singly = alone * (70 + (pairs + odd) * (75 + 8 * phase.taps))
            last = odd * inside * (60 + 8 * phase.taps)
            price += 60 + 30 * phase.rows + tiles + singly + last
        return price

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """Phase by phase, two by two channels: biases, a word of weights for each tap, multipliers."""
        streams = []
        for i, down in enumerate(phases(call)[0]):
            for j, right in enumerate(phases(call)[1]):
                met = k["weight"][:, down[::-1]][:, :, right[::-1]].reshape(len(k["weight"]), -1)
                streams.append(stream(met, k["bias"][i, j], k["multiplier"]))
        return {"weight": np.concatenate(streams)}

    def layout(self, call: Call, k: Constants) -> InterleavedPhases:
        _, height, width, channels = call.inputs[0].shape
        out_width, stride = call.output.shape[2], call.attrs.stride
        down, right = (
            [_axis(call, axis, taps, phase) for phase, taps in enumerate(phases(call)[axis])]
            for axis in (0, 1)
        )
        made, weights = [], 0
        for row in down:
            for column in right:
                kernel = row.taps, column.taps
                whole = column.whole(width)
                if whole[1] < 2 or channels < 2 or not _reached(call, kernel):
                    whole = 0, 0
                at, before = (row.at, column.at), (row.before, column.before)
                made.append(Phase(kernel, at, row.count, column.count, before, weights, *whole))
                weights += -(-channels // 2) * (kernel[0] * kernel[1] + 4)
        apart = down[0].apart, right[0].apart
        kernels = sorted({phase.kernel for phase in made if phase.count})
        tiles = tuple(_tile(kernel, apart, width, channels) for kernel in kernels)
        return InterleavedPhases(height, width, channels, out_width, stride, apart, tuple(made), tiles)


@dataclass(frozen=True)
class _Axis:
    """One axis of a phase."""

    taps: int
    at: int
    count: int
    before: int
    apart: int

    def whole(self, size: int) -> Pair:
        """The first of its outputs whose windows lie inside the image, and how many there are."""
        first = max(self.before, 0)
        last = min(size - 1 - (self.taps - 1) * self.apart + self.before, self.count - 1)
        return first, max(last + 1 - first, 0)


def _reached(call: Call, kernel: Pair) -> bool:
    """Whether a phase of this kernel can be written out, and instructions reach its two outputs."""
    channels, (_, step), dilation = call.output.shape[3], call.attrs.stride, call.attrs.dilation[1]
    read, written = kernel[1] * dilation * 2, step * call.output.dtype.bytes
    return kernel[0] * kernel[1] in range(1, MOST_TAPS + 1) and max(read, written) * channels <= MAX_OFFSET


def _tile(kernel: Pair, apart: Pair, width: int, channels: int) -> PhaseTile:
    chunks, row = chunked(kernel[1], 1, apart[1], 2 * channels), 2 * channels * width * apart[0]
    far = (kernel[0] - 1) * row + chunks[-1].columns[-1][0] > MAX_OFFSET
    return PhaseTile(kernel, chunks, row, far)


def _axis(call: Call, axis: int, taps: list[int], phase: int) -> _Axis:
    stride, dilation = call.attrs.stride[axis], call.attrs.dilation[axis]
    crop, size = call.attrs.crop[2 * axis], call.output.shape[1 + axis]
    at = (phase - crop) % stride
    before = ((taps[-1] if taps else 0) * dilation - at - crop) // stride
    return _Axis(len(taps), at, max(-(-(size - at) // stride), 0), before, dilation // gcd(stride, dilation))


register(DepthwiseWideTransposed())
