"""How does plain C enlarge an image between its values? Four products for each, with weights per pixel."""

from dataclasses import dataclass
from typing import ClassVar

from ...ir import Call, Dtype
from ...ops.add import narrow
from ...ops.interpolate import WEIGHT_BITS, WIDE_FRACTION_BITS, WIDE_WEIGHT_BITS
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


@dataclass(frozen=True)
class WideInterpolation:
    """`row` values of a row of the input; `fraction_bits` of what lies between two columns, of which weights
    have `weight_bits`.
    """

    row: int
    channels: int
    out_height: int
    out_width: int
    fraction_bits: int
    weight_bits: int


class InterpolateWide(Kernel):
    """Where int16 is read or written: between two columns first, then between two rows."""

    op = "interpolate"
    name = "wide"
    dtypes: ClassVar[tuple[Dtype, ...]] = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return not narrow(call)

    def cycles(self, call: Call) -> float:
        pixels = call.attrs.size[0] * call.attrs.size[1]
        return float(60 + 15 * pixels + 40 * call.output.size)

    def layout(self, call: Call, k: Constants) -> WideInterpolation:
        _, _, width, channels = call.inputs[0].shape
        height, out_width = call.attrs.size
        bits = WIDE_FRACTION_BITS, WIDE_WEIGHT_BITS
        return WideInterpolation(width * channels, channels, height, out_width, *bits)


register(Interpolate())
register(InterpolateWide())
