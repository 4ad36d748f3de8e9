"""How does the DSP extension compute a norm? Sums by pairs of values, then SMMLA and SSAT for each."""

from ...ir import Call, Dtype
from ...targets import Isa
from ..portable import layer_norm as portable
from ..spec import register

SIZES = range(8, 2**16 + 1)
"""Values of a group whose squares 32 bits hold."""


class LayerNorm(portable.LayerNorm):
    """Groups of neighbours, with one gain for all or one for each in the order in which they lie."""

    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        gains = portable.varies(call)
        found = portable.groups(call, gains)
        narrow = call.output.dtype is Dtype.INT8
        return narrow and found.n in SIZES and found.inner == ((found.n, 1, int(gains)),)

    def cycles(self, call: Call) -> float:
        found = portable.groups(call, portable.varies(call))
        return 50 + call.output.size // found.n * (170 + (10.8 if found.gains else 8.3) * found.n)


register(LayerNorm())
