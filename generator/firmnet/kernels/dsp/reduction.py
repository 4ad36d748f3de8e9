"""How does the DSP extension reduce values along some axes to one? By words: of one lane, or of four."""

from dataclasses import dataclass

from ...ir import Call, Dtype
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
WIDE_LANE_CYCLES = {"l2": 80, "var": 50, "std": 105}


@dataclass(frozen=True)
class WordReduction(Reduction):
    """`neighbours`: a lane's values lie one behind the other; else `lanes` do."""

    neighbours: bool

    @property
    def lanes(self) -> int:
        return self.kept[-1][0]

    @property
    def side_by_side(self) -> bool:
        return self.kept[-1][1] == 1 and self.lanes >= WORD_VALUES


class Reduce(portable.Reduce):
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        found = _by_words(call, call.attrs.kind)
        return not found.wide and (found.neighbours or found.side_by_side)

    def cycles(self, call: Call) -> float:
        kind = call.attrs.kind
        found = _by_words(call, kind)
        lanes = "one" if found.neighbours else "four"
        each = VALUE_IN_LANE_CYCLES[lanes][kind][found.count > WORD_VALUES * COMPILER_UNROLLS]
        return 40 + each * call.inputs[0].size + LANE_CYCLES[lanes][kind] * call.output.size

    def layout(self, call: Call, k: Constants) -> WordReduction:
        return _by_words(call, call.attrs.kind)


def _by_words(call: Call, kind: str) -> WordReduction:
    found = reduction(call, kind)
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
        return _small(call) and _by_words(call, "l2").neighbours

    def cycles(self, call: Call) -> float:
        lanes = call.output.size / count(call)
        return 40 + 9.0 * call.output.size + 170 * lanes

    def layout(self, call: Call, k: Constants) -> WordNormalization:
        found = super().layout(call, k)
        return WordNormalization(_by_words(call, "l2"), found.fraction_bits, found.shift)


class NormalizeLanes(Normalize):
    """Lanes side by side, four at a time, of an odd number some twice."""

    name = "lanes"

    def accepts(self, call: Call) -> bool:
        return _small(call) and _by_words(call, "l2").side_by_side

    def cycles(self, call: Call) -> float:
        found = _by_words(call, "l2")
        lanes = call.output.size / found.count
        more = -(-found.lanes // WORD_VALUES) * WORD_VALUES / found.lanes
        return 60 + more * (7.75 * call.output.size + 190 * lanes)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (None,)


PAIR = 2
"""int16 in a word."""


class ReduceWide(portable.Reduce):
    """Squares and spreads of int16."""

    name = "wide"
    isa = Isa.DSP
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        squared = call.inputs[0].dtype is Dtype.INT16 and call.attrs.kind != "l1"
        return squared and _in_pairs(_by_words(call, call.attrs.kind))

    def cycles(self, call: Call) -> float:
        kind = call.attrs.kind
        found = _by_words(call, kind)
        more = 0.0 if kind == "l2" else 1.0
        each = 2.2 + more / 2 if found.neighbours else 4.2 + more
        return 40 + each * call.inputs[0].size + WIDE_LANE_CYCLES[kind] * call.output.size

    def layout(self, call: Call, k: Constants) -> WordReduction:
        return _by_words(call, call.attrs.kind)


def _in_pairs(found: WordReduction) -> bool:
    """Whether words have two values of a lane, or of two lanes."""
    return found.neighbours or (found.kept[-1][1] == 1 and found.lanes >= PAIR)


class NormalizeWide(portable.NormalizeWide):
    """int16 of neighbours, or of lanes side by side two at a time, of an odd number one twice."""

    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def accepts(self, call: Call) -> bool:
        return _in_pairs(_by_words(call, "l2"))

    def cycles(self, call: Call) -> float:
        found = _by_words(call, "l2")
        lanes = call.output.size / found.count
        if found.neighbours:
            return 40 + 7.5 * call.output.size + 110 * lanes
        more = -(-found.lanes // PAIR) * PAIR / found.lanes
        return 60 + more * (10.8 * call.output.size + 110 * lanes)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0 if _by_words(call, "l2").neighbours else None,)

    def layout(self, call: Call, k: Constants) -> WordNormalization:
        found = super().layout(call, k)
        return WordNormalization(_by_words(call, "l2"), found.fraction_bits, found.shift)


def _small(call: Call) -> bool:
    """Whether squares and norms keep within a word, and reciprocals take no more bits than one division."""
    narrow = not reduction(call, "l2").wide
    return narrow and bool(OPS["normalize"].prepare(call)["least"] <= LARGEST_NORM)


for kernel in (Reduce(), ReduceWide(), Normalize(), NormalizeLanes(), NormalizeWide()):
    register(kernel)
