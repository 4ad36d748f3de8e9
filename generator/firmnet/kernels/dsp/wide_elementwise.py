"""How does the DSP extension compute int16 values one by one, of one input or two? A word of two at a time.

SMULBB and SMULTT multiply halves of words where they lie, SMLAWB and SMLAWT halves by 32 bits.
"""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops import OPS
from ...ops.add import narrow
from ...ops.rescale import by_table
from ...ops.spec import Constants
from ...qmath import INT32_MAX
from ...targets import Isa
from ..portable import elementwise as portable
from ..portable import prelu as portable_prelu
from ..spec import register

DROPPED_BITS = 16
"""Of a product by SMLAW."""
MOST_SHIFTED = 31
"""By SSAT and USAT."""
MOST_ADDED = 2**30
"""To what is left of a product, so that int32 holds both."""


@dataclass(frozen=True)
class WideRows(portable.Broadcast):
    """a is walked in order, in rows of `n` values; `outer`: loops around them, as (size, what b moves after).

    `still`: all values of a row meet one of b, else each its own. `mixed`: one of them is int8.
    """

    n: int
    still: bool
    mixed: bool
    outer: tuple[tuple[int, int], ...]


class _Pairwise(portable.Pairwise):
    """Of any two shapes that the op takes."""

    name = "wide"
    isa = Isa.DSP
    along: float
    still: float
    """Cycles of a value."""
    one_b: float = 2.0
    """Of what is made ready for a row that meets one of b."""

    def cycles(self, call: Call) -> float:
        rows = self.layout(call, {})
        each, around = (self.still, 7.0 + self.one_b) if rows.still else (self.along, 7.0)
        if rows.n < 8 and rows.outer and rows.outer[-1][0] % 2 == 0:  # two at a time
            around -= 3
        single = 9 * (rows.n % 4) if rows.mixed else 2 * (rows.n % 2)
        each += 0.3 * rows.mixed
        return 50 + each * call.output.size + call.output.size // rows.n * (single + around)

    def layout(self, call: Call, k: Constants) -> WideRows:
        loops = portable.broadcast(*(tensor.shape for tensor in call.inputs))
        *outer, (n, step) = loops
        moved, walks = n if step else 0, list[tuple[int, int]]()
        for size, each in reversed(outer):
            walks.append((size, each - moved))
            moved = size * each
        types = {tensor.dtype for tensor in (*call.inputs, call.output)}
        return WideRows(loops, call.output.size, n, not step, len(types) > 1, tuple(reversed(walks)))


class AddWide(_Pairwise):
    op = "add"
    dtypes = (Dtype.INT8, Dtype.INT16)
    along, still = 5.75, 4.25

    def accepts(self, call: Call) -> bool:
        return not narrow(call)


class MulWide(_Pairwise):
    op = "mul"
    dtypes = (Dtype.INT8, Dtype.INT16)
    along, still = 5.75, 5.25

    def accepts(self, call: Call) -> bool:
        r, mixed = OPS["mul"].prepare(call)["requant"], self.layout(call, {}).mixed
        return not narrow(call) and not r.long and (mixed or not r.pre_shift)


class MaximumWide(_Pairwise):
    """SSUB16 compares two values, SEL chooses them."""

    op = "maximum"
    dtypes = (Dtype.INT16,)
    along, still = 3.2, 2.5


MOST_DOUBLINGS = 2
"""Of a in steps of a quotient: each is code between a branch and where it goes, which is near."""


class DivWide(_Pairwise):
    """A division for each divisor that is met, of a row's values at once or of one after the other."""

    op = "div"
    dtypes = (Dtype.INT16,)
    along, still, one_b = 15.5, 4.9, 19.5

    def accepts(self, call: Call) -> bool:
        k: Constants = OPS["div"].prepare(call)
        return bool(k["doublings"] <= MOST_DOUBLINGS)


@dataclass(frozen=True)
class Scaled(portable.Rescaling):
    """`rounding` is added to what is left of a product, and the sum shifted by `shift`.

    Results 0 … hi are `raised` so far that saturation bounds them above, and lowered by as much to 0; others
    by 0.
    """

    multiplier: int
    rounding: int
    shift: int
    raised: int


class Scale(portable.ByProduct):
    """A rescale between int8 and int16, or of int16, or a clamp: SMLAW and a saturation."""

    isa = Isa.DSP
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return not by_table(call) and _scaled(call, OPS[self.op].prepare(call)) is not None

    @property
    def template(self) -> str:
        return "kernels/dsp/rescale.wide.c.j2"

    def cycles(self, call: Call) -> float:
        y, k = call.output, OPS[self.op].prepare(call)
        bounded = y.dtype is Dtype.INT16 and k["hi"] < y.dtype.high
        each = 0.5 if self.layout(call, k).raised else 1.0
        stays = call.inputs[0].dtype is y.dtype is Dtype.INT16
        return 50 + ((3.9 if stays else 4.25) + bounded * each) * y.size

    def layout(self, call: Call, k: Constants) -> Scaled:
        found = _scaled(call, k)
        assert found is not None
        return found


def _scaled(call: Call, k: Constants) -> Scaled | None:
    """((x·multiplier >> 16) + rounding) >> shift, as a Requant does it; None where that leaves 32 bits."""
    r, y = k["requant"], call.output
    shift = 32 + r.shift - r.pre_shift - DROPPED_BITS
    if not 1 <= shift <= MOST_SHIFTED:
        return None
    rounding = (y.zero_point << shift) + (1 << shift >> 1)
    if abs(rounding) > MOST_ADDED:
        return None
    bounded = y.dtype is Dtype.INT16 and k["lo"] == 0
    raised = y.dtype.high - int(k["hi"]) if bounded else 0
    raised *= rounding + (raised << shift) <= MOST_ADDED
    return Scaled(
        *(y.size, call.inputs[0], y, int(r.multiplier[0])),
        *(rounding + (raised << shift), shift, raised),
    )


@dataclass(frozen=True)
class WideBends(portable_prelu.Bends):
    """`outer` times `rows` of `n` values: a slope for each value of a row, or (`still`) one for each row."""

    rows: int
    n: int
    still: bool
    rounding: int
    shift: int


class PReluWide(portable_prelu.PReluWide):
    """min(v, 0) times its slope and max(v, 0) times the other: one of the two products is zero."""

    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def accepts(self, call: Call) -> bool:
        return True

    def cycles(self, call: Call) -> float:
        found = self.layout(call, OPS["prelu"].prepare(call))
        rows = found.outer * found.rows
        return 60 + (6.5 if found.still else 7.0) * call.output.size + rows * (14 + 6 * (found.n % 2))

    def layout(self, call: Call, k: Constants) -> WideBends:
        found, rounding, shift = super().layout(call, k), k["rounding"], k["shift"]
        still = found.inner > 1
        rows, n = (found.channels, found.inner) if still else (1, found.channels)
        return WideBends(
            *(found.outer, found.channels, found.inner, rows, n, still),
            *(rounding >> DROPPED_BITS, shift - DROPPED_BITS),
        )


class TableWide(portable.TableWide):
    """Between two entries, as they lie."""

    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def cycles(self, call: Call) -> float:
        return 60 + 11.5 * call.output.size


MOST_LINES = 2**10
"""For they take twice the flash of entries: 8 KB."""


class TableLines(portable.TableWide):
    """The line through two entries as one of x itself: where it meets zero and its slope are in flash."""

    name = "lines"
    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def accepts(self, call: Call) -> bool:
        lines = _lines(OPS[self.op].prepare(call))
        return len(lines) <= MOST_LINES and bool(np.abs(lines).max() <= INT32_MAX)

    def cycles(self, call: Call) -> float:
        return 60 + 7.65 * call.output.size

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"lines": _lines(k).astype(np.int32).ravel()}


def _lines(k: Constants) -> Array:
    """int64 (segments, 2): (line[0] + (x·line[1] >> 16)) is the line between the entries of x's segment."""
    entries = k["entries"].astype(np.int64)
    rise, number = np.diff(entries), np.arange(len(entries) - 1)
    at_zero = entries[:-1] - rise * (number - len(rise) // 2)
    return np.stack([at_zero, rise * len(rise)], axis=1)


for kernel in (
    *(AddWide(), MulWide(), DivWide(), MaximumWide(), PReluWide(), TableWide(), TableLines()),
    *map(Scale, ("rescale", "clamp")),
):
    register(kernel)
