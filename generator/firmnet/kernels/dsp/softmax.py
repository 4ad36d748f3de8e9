"""How does the DSP extension compute a softmax? Four values at a time, with one division per lane."""

from dataclasses import dataclass

from ...ir import Call, Dtype
from ...ops import OPS
from ...ops.softmax import OUTPUT
from ...ops.spec import Constants
from ...targets import Isa
from ..portable import softmax as portable
from ..spec import register
from .instructions import MAX_OFFSET

IN_REGISTERS = range(3, 8)
"""Values of a lane that lies in registers."""
WORD_BITS = 32
LARGEST_LANE = 2**30
"""Values of a lane times what a probability of 1 is in steps: of more, so many times the reciprocal of the
least sum is no int32.
"""


@dataclass(frozen=True)
class LongLanes(portable.Lanes):
    """`whole_bits`: a probability of 1 is 2^whole_bits steps of the output.

    `least_sum`: what smaller sums are raised to, instead of saturating; 0 where shares saturate.

    It is the smallest sum with which the share of 2^bits, the largest exponential, is 255 and not 256. All
    other shares are 0 with either: a share of 1 takes 512·e ≥ sum, so e ≥ 2^bits/511 as sum ≥ 2^bits + e;
    but then sum − 2^bits ≤ 2^bits/511 bounds e too, and that is no integer.
    """

    whole_bits: int
    least_sum: int


class Softmax(portable.Softmax):
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        found = portable.lanes(call)
        whole = round(1 / call.output.scale)
        return found.inner == 1 and found.n > max(IN_REGISTERS) and found.n * whole <= LARGEST_LANE

    def cycles(self, call: Call) -> float:
        found = portable.lanes(call)
        return 40 + found.outer * (40 + 14.5 * found.n)

    def layout(self, call: Call, k: Constants) -> LongLanes:
        found, largest = portable.lanes(call), int(k["exponentials"][0])
        least_sum = 512 * largest // 511 + 1 if coarse(call) else 0
        return LongLanes(found.outer, found.n, found.inner, k["whole"].bit_length() - 1, least_sum)


class ShortSoftmax(Softmax):
    """Lanes of neighbours, or side by side."""

    name = "short"

    def accepts(self, call: Call) -> bool:
        found = portable.lanes(call)
        return coarse(call) and found.n in IN_REGISTERS and (found.n - 1) * found.inner <= MAX_OFFSET

    def cycles(self, call: Call) -> float:
        found = portable.lanes(call)
        count = found.outer * found.inner
        return 51 + 12 * found.n if count == 1 else 45 + count * (16 + 12 * found.n)


class WideSoftmax(portable.WideSoftmax):
    """Of int16 alone, however lanes lie."""

    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def accepts(self, call: Call) -> bool:
        return bool(OPS["softmax"].prepare(call)["drop"] > WORD_BITS)

    def cycles(self, call: Call) -> float:
        found = portable.lanes(call)
        return 60 + found.outer * found.inner * (130 + 27.5 * found.n)

    def scratch_bytes(self, call: Call) -> int:
        """A lane's exponentials and their sum."""
        return 4 * (portable.lanes(call).n + 1)


def coarse(call: Call) -> bool:
    """Whether a probability of 1 is 256 steps of the output."""
    return call.output.q == OUTPUT


register(Softmax())
register(ShortSoftmax())
register(WideSoftmax())
