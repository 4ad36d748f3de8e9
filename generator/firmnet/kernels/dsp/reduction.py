"""How does the DSP extension reduce values along some axes to one? By words: of one lane, or of four."""

from dataclasses import dataclass

from ...ir import Call
from ...ops import OPS
from ...ops.reduce import count
from ...ops.spec import Constants
from ...targets import Isa
from ..portable import reduction as portable
from ..portable.movement import COMPILER_UNROLLS
from ..portable.reduction import Normalization, Reduction, reduction
from ..spec import register
from .instructions import WORD_VALUES

LARGEST_NORM = 2**26
VALUE_IN_LANE_CYCLES = {
    "one": {"l1": (1.0, 2.0), "l2": (1.8, 2.5), "var": (1.9, 3.0), "std": (1.9, 3.0)},
    "four": {"l1": (4.3, 4.3), "l2": (3.2, 3.2), "var": (4.5, 4.5), "std": (4.5, 4.5)},
}
"""Of a value, by the lanes of a word and the kind: where the compiler makes no loop of a lane, and else."""
LANE_CYCLES = {
    "one": {"l1": 25, "l2": 105, "var": 40, "std": 200},
    "four": {"l1": 35, "l2": 140, "var": 45, "std": 180},
}
"""Around the values of a lane."""


@dataclass(frozen=True)
class WordReduction(Reduction):
    """`neighbours`: a lane's values lie one behind the other; else `lanes` do."""

    neighbours: bool

    @property
    def lanes(self) -> int:
        return self.kept[-1][0]


class Reduce(portable.Reduce):
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        found = _by_words(call)
        side_by_side = found.kept[-1][1] == 1 and found.lanes >= WORD_VALUES
        return not found.wide and (found.neighbours or side_by_side)

    def cycles(self, call: Call) -> float:
        found, kind = _by_words(call), call.attrs.kind
        lanes = "one" if found.neighbours else "four"
        each = VALUE_IN_LANE_CYCLES[lanes][kind][found.count > WORD_VALUES * COMPILER_UNROLLS]
        return 40 + each * call.inputs[0].size + LANE_CYCLES[lanes][kind] * call.output.size

    def layout(self, call: Call, k: Constants) -> WordReduction:
        return _by_words(call)


def _by_words(call: Call) -> WordReduction:
    found = reduction(call, call.attrs.kind)
    neighbours = found.count >= WORD_VALUES and found.reduced == ((found.count, 1),)
    return WordReduction(found.kept, found.reduced, found.count, found.kind, found.wide, neighbours)


@dataclass(frozen=True)
class WordNormalization(Normalization):
    """A norm is at most 2^26, so what 2^31 leaves divided by it may be shifted by 6 bits."""

    @property
    def more_bits(self) -> int:
        """Of a reciprocal, beside the 31 that one division gives."""
        return 7 + self.shift + self.fraction_bits - 31


class Normalize(portable.Normalize):
    """Lanes of neighbours."""

    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        found = reduction(call, "l2")
        small = not found.wide and OPS["normalize"].prepare(call)["least"] <= LARGEST_NORM
        return bool(small and found.count >= WORD_VALUES and found.reduced == ((found.count, 1),))

    def cycles(self, call: Call) -> float:
        lanes = call.output.size / count(call)
        return 40 + 9.0 * call.output.size + 170 * lanes

    def layout(self, call: Call, k: Constants) -> WordNormalization:
        found = super().layout(call, k)
        return WordNormalization(found.over, found.fraction_bits, found.shift)


for kernel in (Reduce(), Normalize()):
    register(kernel)
