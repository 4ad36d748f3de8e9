"""How does the DSP extension compute a norm of int16? Sums by SMLALD, then three products for each value."""

from ...ir import Call, Dtype
from ...ops import OPS
from ...ops.spec import Constants
from ...targets import Isa
from ..portable import layer_norm as portable
from ..spec import register
from .layer_norm import StridedGroups, strided, walkable

MOST_DROPPED = 32
"""By which a product is shifted that becomes a normal value: its factor is then a whole number of 2^-32."""


class WideLayerNorm(portable.LayerNorm):
    """Groups of neighbours, with one gain for all or one for each in the order in which they lie."""

    name = "wide"
    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def accepts(self, call: Call) -> bool:
        found = portable.groups(call, portable.varies(call))
        together = found.n >= 4 and found.inner == ((found.n, 1, int(found.gains)),)
        return together and _most_shift(call) <= MOST_DROPPED

    def cycles(self, call: Call) -> float:
        found = portable.groups(call, portable.varies(call))
        return 50 + call.output.size // found.n * (190 + (11.4 if found.gains else 8.6) * found.n)


class WideStridedLayerNorm(portable.LayerNorm):
    """Values lie strided, and are walked lane by lane."""

    name = "wide_strided"
    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def accepts(self, call: Call) -> bool:
        found = portable.groups(call, portable.varies(call))
        return found.n >= 2 and walkable(found, 2) and _most_shift(call) <= MOST_DROPPED

    def cycles(self, call: Call) -> float:
        found = strided(call)
        lane = 30 + (13.6 if found.each_gain else 11.2) * found.count
        return 50 + call.output.size // found.n * (200 + lane * found.lanes)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """Where groups lie one behind the other, lanes must not reach into theirs."""
        (behind,) = super().overlap(call)
        return (None if behind is None else 2 * portable.groups(call, False).n,)

    def layout(self, call: Call, k: Constants) -> StridedGroups:
        return strided(call)


def _most_shift(call: Call) -> int:
    """Of a group as far apart as values of int16 can be."""
    k = OPS["layer_norm"].prepare(call)
    squares = max(((k["n"] << 15) ** 2 << 2 * k["finer"]) + k["eps"], k["least"])
    return int((squares.bit_length() + 1) // 2 + 30 - k["fraction"] - k["finer"])


for kernel in (WideLayerNorm(), WideStridedLayerNorm()):
    register(kernel)
