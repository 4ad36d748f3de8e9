"""How does plain C pool an image? Window by window."""

from dataclasses import dataclass
from typing import ClassVar

from ...ir import Call, Dtype
from ...ops.avg_pool2d import spans as averages
from ...ops.max_pool2d import spans
from ...ops.spec import Constants
from ..images import WindowedImage, image
from ..spec import Kernel, register

MOST_UNROLLED = 16
"""Channels whose loop GCC unrolls."""


@dataclass(frozen=True)
class Averages:
    """Sizes of the image, input and output; where windows lie is in the arrays."""

    width: int
    channels: int
    out_height: int
    out_width: int


class AvgPool2d(Kernel):
    op = "avg_pool2d"
    dtypes: ClassVar[tuple[Dtype, ...]] = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        """Window by window, and in each channel by channel."""
        rows, columns = (sum(s.end - s.start for s in found) for found in averages(call))
        _, _, out_width, channels = call.output.shape
        return 300 + 34.5 * call.output.size + channels * rows * (6.7 * out_width + 6.9 * columns)

    def layout(self, call: Call, k: Constants) -> Averages:
        _, out_height, out_width, channels = call.output.shape
        return Averages(call.inputs[0].shape[2], channels, out_height, out_width)


class MaxPool2d(Kernel):
    op = "max_pool2d"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        """Window by window, the output read and written again for every input."""
        rows, columns = (sum(count for _, count in found) for found in spans(call))
        channels, (kh, kw) = call.output.shape[3], call.attrs.kernel
        if kh == kw == 1:
            return 60 + rows * columns * (8 + (1 if channels <= MOST_UNROLLED else 11) * channels)
        return 60 + rows * columns * (3 + (4.5 if kh * kw <= 6 else 7.5) * channels)

    def layout(self, call: Call, k: Constants) -> WindowedImage:
        return image(call, call.attrs.window)


register(AvgPool2d())
register(MaxPool2d())
