"""How does the DSP extension bend values by a slope for each channel? Four values at a time."""

from dataclasses import dataclass
from math import lcm, prod

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...targets import Isa
from ..portable.prelu import Bends
from ..spec import Kernel, register
from .instructions import WORD_VALUES

LONG_ROW = 32
"""Values that are worth a loop."""
MOST_BENDS = 512


@dataclass(frozen=True)
class BendRows:
    """`rows` of `n` values and a `tail`, `size` in all, and that `repeated` times.

    `still`: all values of a row have one bend, else each its own, the same in every row.
    """

    rows: int
    n: int
    tail: int
    size: int
    repeated: int
    still: bool


class PRelu(Kernel):
    """v·slope + max(v, 0)·(1 − slope): both products in one SMLAD. In place."""

    op = "prelu"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        found = _rows(call)
        return found.still or found.n <= MOST_BENDS

    def cycles(self, call: Call) -> float:
        found = _rows(call)
        each = 6.1 if found.still else 7.1
        row = 14 + 5 * (found.n % 4) + each * found.n
        return 45 + found.repeated * (25 + found.rows * row + (each + 1) * found.tail)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """A word for each bend: the multiplier below zero, and how much more it is above."""
        pairs = np.stack([k["negative"], k["positive"] - k["negative"]], axis=1)
        bends = np.ascontiguousarray(pairs, np.int16).view(np.int32).ravel()
        found = _rows(call)
        return {"bends": bends if found.still else np.resize(bends, min(found.n, found.size))}

    def layout(self, call: Call, k: Constants) -> BendRows:
        return _rows(call)


def _rows(call: Call) -> BendRows:
    """Channels that lie last go in rows of several pixels, which are words and long enough for a loop."""
    shape, axis = call.output.shape, call.attrs.axis
    bends = Bends(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))
    if bends.inner > 1:
        return BendRows(bends.channels, bends.inner, 0, bends.channels * bends.inner, bends.outer, True)
    size, n = bends.outer * bends.channels, lcm(bends.channels, WORD_VALUES)
    n *= max(1, LONG_ROW // n)
    return BendRows(size // n, n, size % n, size, 1, False)


register(PRelu())
