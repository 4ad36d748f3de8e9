"""How does the DSP extension interpolate int16? A line between two values is one SMMLA, both shifted."""

from ...ir import Call, Dtype
from ...targets import Isa
from ..portable import interpolate as portable
from ..spec import register


class WideInterpolate(portable.InterpolateWide):
    """Two channels of each of the four neighbours at a time."""

    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def accepts(self, call: Call) -> bool:
        return True

    def cycles(self, call: Call) -> float:
        pixels, channels = call.attrs.size[0] * call.attrs.size[1], call.output.shape[3]
        return float(60 + pixels * (60 + 23.5 * channels + 4 * (channels % 2)))


register(WideInterpolate())
