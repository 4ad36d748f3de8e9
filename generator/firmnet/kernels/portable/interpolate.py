"""How does plain C enlarge an image between its values? Four products for each, with weights per pixel."""

from dataclasses import dataclass

from ...ir import Call
from ...ops.interpolate import WEIGHT_BITS
from ...ops.spec import Constants
from ..spec import Kernel, register


@dataclass(frozen=True)
class Interpolation:
    """`one`: the weights of two neighbours added up; `row` values of a row of the input."""

    one: int
    row: int
    channels: int
    out_height: int
    out_width: int


class Interpolate(Kernel):
    op = "interpolate"

    def cycles(self, call: Call) -> float:
        pixels = call.attrs.size[0] * call.attrs.size[1]
        return float(60 + 15 * pixels + 27 * call.output.size)

    def layout(self, call: Call, k: Constants) -> Interpolation:
        _, _, width, channels = call.inputs[0].shape
        return Interpolation(1 << WEIGHT_BITS, width * channels, channels, *call.attrs.size)


register(Interpolate())
