"""How does the DSP extension compute a norm? Sums by pairs of values, then SMMLA and SSAT for each."""

from dataclasses import dataclass

from ...ir import Call, Dtype
from ...ops import OPS
from ...ops.spec import Constants
from ...targets import Isa
from ..loops import Walk
from ..portable import layer_norm as portable
from ..portable.layer_norm import NormGroups
from ..spec import register
from .instructions import MAX_OFFSET

SIZES = range(8, 2**16 + 1)
"""Values of a group whose squares 32 bits hold."""
STATISTICS_CYCLES = 70
FURTHEST_GAIN = 1020
"""Bytes by which an LDRD moves on."""


class LayerNorm(portable.LayerNorm):
    """Groups of neighbours, with one gain for all or one for each in the order in which they lie."""

    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        found = _groups(call)
        return _narrow(call) and found.n in SIZES and found.inner == ((found.n, 1, int(found.gains)),)

    def cycles(self, call: Call) -> float:
        found = _groups(call)
        return 50 + call.output.size // found.n * (170 + (10.8 if found.gains else 8.3) * found.n)


@dataclass(frozen=True)
class ShortGroups(NormGroups):
    """`groups` one behind the other."""

    groups: int


class ShortLayerNorm(portable.LayerNorm):
    """Many groups of few neighbours that meet the same gains, two at a time, with statistics in assembly."""

    name = "short"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        found = _groups(call)
        count = call.output.size // found.n
        together = found.inner == ((found.n, 1, int(found.gains)),) and (
            count == 1 or found.outer == ((count, found.n, 0),)
        )
        return _narrow(call) and together and not _wide(call) and _keeps_within_a_word(call)

    def cycles(self, call: Call) -> float:
        """Two groups at a time; one that is left over takes longer."""
        found = _groups(call)
        count = call.output.size // found.n
        each = STATISTICS_CYCLES + (9.5 if found.gains else 8.3) * found.n
        return 40 + count * each + count % 2 * 2.9 * found.n

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """A group's results must not reach into the group before, which is not yet read whole."""
        n = _groups(call).n
        return (n if call.output.size > n else 0,)

    def layout(self, call: Call, k: Constants) -> ShortGroups:
        found = _groups(call)
        return ShortGroups(found.outer, found.inner, found.n, found.gains, call.output.size // found.n)


@dataclass(frozen=True)
class StridedGroups(NormGroups):
    """A group has `lanes`, `lane_step` apart and their gains `gain_step`, of `count` values `step` apart.

    Values of a lane have gains `each_gain` apart, 0: one for all. `wide`: a group's spread takes more than 32
    bits.
    """

    count: int
    step: int
    each_gain: int
    lanes: int
    lane_step: int
    gain_step: int
    wide: bool


class StridedLayerNorm(portable.LayerNorm):
    """Channels of an image by themselves or in groups, or all channels of a place that come first: values lie
    strided.
    """

    name = "strided"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        found = _groups(call)
        sized = 2 <= found.n <= SIZES[-1]
        return _narrow(call) and sized and walkable(found, 1) and _keeps_within_a_word(call)

    def cycles(self, call: Call) -> float:
        found = strided(call)
        lane = 20 + (11.8 if found.each_gain else 9.6) * found.count
        return 50 + call.output.size // found.n * (STATISTICS_CYCLES + 35 + lane * found.lanes)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """Where groups lie one behind the other, lanes must not reach into theirs."""
        (behind,) = super().overlap(call)
        return (None if behind is None else _groups(call).n,)

    def layout(self, call: Call, k: Constants) -> StridedGroups:
        return strided(call)


def walkable(found: NormGroups, value_bytes: int) -> bool:
    """Whether a group has no more than two loops, whose steps instructions can take."""
    _, step, each_gain = _longest(found)
    reached = 3 * step * value_bytes <= MAX_OFFSET and 8 * each_gain <= FURTHEST_GAIN
    return len(found.inner) <= 2 and reached


def strided(call: Call) -> StridedGroups:
    """Of values that are `walkable`."""
    found = _groups(call)
    longest = _longest(found)
    others = [loop for loop in found.inner if loop is not longest] or [(1, 0, 0)]
    wide = call.inputs[0].dtype is Dtype.INT8 and _wide(call)
    return StridedGroups(found.outer, found.inner, found.n, found.gains, *longest, *others[0], wide)


def _longest(found: NormGroups) -> Walk:
    """The longest loop of one gain, else the longest of all."""
    return max(found.inner, key=lambda loop: (loop[2] == 0, loop))


def _groups(call: Call) -> NormGroups:
    return portable.groups(call, portable.varies(call))


def _narrow(call: Call) -> bool:
    return call.output.dtype is Dtype.INT8 and call.inputs[0].dtype is Dtype.INT8


def _most_spread(call: Call) -> int:
    """Of a group, in whole steps: n times the sum of squares, less the mean or the zero point."""
    n = portable.groups(call, False).n
    return n * n * (2**14 if call.attrs.centred else 2**16)


def _wide(call: Call) -> bool:
    """Whether a group's spread may take more than 32 bits."""
    return _most_spread(call) >= 2**32


def _keeps_within_a_word(call: Call) -> bool:
    """Whether factor and middle are shifted by 1 to 31 bits, whatever the values, by one root alone."""
    k = OPS["layer_norm"].prepare(call)
    most = max((_most_spread(call) << 2 * k["finer"]) + k["eps"], k["least"])
    drops = [(s.bit_length() + 1) // 2 + 30 - k["fraction"] - k["finer"] for s in (k["least"], most)]
    return bool(drops[0] >= 1 and drops[1] <= 31 and not k["beside"])


for kernel in (LayerNorm(), ShortLayerNorm(), StridedLayerNorm()):
    register(kernel)
