"""How does the DSP extension compute a 1x1 convolution of one channel? It looks all outputs of a pixel up.

All of them are a function of one int8, so flash holds the outputs of each of its 256 values: up to 4 KB, for
about a cycle per output.
"""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call
from ...ops.conv2d import window_of
from ...ops.spec import Constants
from ...qmath import requantize
from ...targets import Isa
from ..images import WindowedImage, image
from ..portable.conv2d import gathers
from ..spec import Kernel, register
from .channelwise import INPUTS

MAX_TABLE_BYTES = 4096


@dataclass(frozen=True)
class PixelTable:
    """`size`: bytes of a table's entry, the outputs of a pixel and what fills the last word."""

    image: WindowedImage
    size: int


class TableConv2d(Kernel):
    """A 1x1 kernel of one channel to several."""

    op = "conv2d"
    name = "table"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        n_out, channels = call.output.shape[3], call.inputs[0].shape[3]
        alone = channels == 1 < n_out and not gathers(call)
        return alone and len(INPUTS) * _size(call) <= MAX_TABLE_BYTES

    def cycles(self, call: Call) -> float:
        _, height, width, _ = call.output.shape
        rows = 0 if call.attrs.stride == (1, 1) else 14 * height
        return 35 + rows + height * width * (9 + 0.5 * _size(call))

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """A pixel is read before its outputs are written, whole words of them but for the last pixel's."""
        _, height, width, n_out = call.output.shape
        down, right = call.attrs.stride
        read = np.add.outer(
            np.arange(height) * down * call.inputs[0].shape[2], np.arange(width) * right
        ).ravel()
        written = np.arange(len(read)) * n_out + _size(call)
        return (max(0, int((written[:-1] - read[1:]).max(initial=0))),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """An entry for each value in the order of uint8."""
        sums = INPUTS[:, None] * k["weight"].astype(np.int64).reshape(1, -1) + k["bias"]
        outputs = requantize(sums, k["requant"], k["zero_point"], k["lo"], k["hi"])
        ordered = np.roll(outputs, 128, axis=0).astype(np.int8)
        padded = np.pad(ordered, ((0, 0), (0, _size(call) - ordered.shape[1])))
        return {"table": np.ascontiguousarray(padded).view("<i4").ravel().astype(np.int32)}

    def layout(self, call: Call, k: Constants) -> PixelTable:
        return PixelTable(image(call, window_of(call)), _size(call))


def _size(call: Call) -> int:
    return -(-call.output.shape[3] // 4) * 4


register(TableConv2d())
