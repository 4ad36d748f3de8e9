"""How does plain C pool an image? Window by window."""

from dataclasses import dataclass

from ...ir import Call
from ...ops.spec import Constants
from ..images import Image, image
from ..spec import Kernel, register


@dataclass(frozen=True)
class Averages:
    """Sizes of the image, input and output; where windows lie is in the arrays."""

    width: int
    channels: int
    out_height: int
    out_width: int


class AvgPool2d(Kernel):
    op = "avg_pool2d"

    def layout(self, call: Call, k: Constants) -> Averages:
        _, out_height, out_width, channels = call.output.shape
        return Averages(call.inputs[0].shape[2], channels, out_height, out_width)


class MaxPool2d(Kernel):
    op = "max_pool2d"

    def layout(self, call: Call, k: Constants) -> Image:
        return image(call, call.attrs.window)


register(AvgPool2d())
register(MaxPool2d())
