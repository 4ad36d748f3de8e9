"""How does the DSP extension compute values one by one? Four at a time."""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...targets import Isa
from ..loops import Loops
from ..portable import elementwise as portable
from ..spec import register


class Pairwise(portable.Pairwise):
    """Loads words of both; of a smaller b see broadcast.py."""

    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        a, b = call.inputs
        return a.shape == b.shape


class Add(Pairwise):
    op = "add"

    def cycles(self, call: Call) -> float:
        return 40 + 5.6 * call.output.size


class Mul(Pairwise):
    op = "mul"

    def cycles(self, call: Call) -> float:
        return 55 + 6.25 * call.output.size


class Maximum(Pairwise):
    """SSUB8 compares four values, SEL chooses them."""

    op = "maximum"

    def cycles(self, call: Call) -> float:
        return 40 + 1.88 * call.output.size


class Div(Pairwise):
    """SMLAW multiplies by an entry that has 8 bits more, and drops 16."""

    op = "div"

    def cycles(self, call: Call) -> float:
        return 50 + 7.5 * call.output.size

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """In the order of the divisors read as uint8."""
        return {"reciprocals": np.roll(k["reciprocals"] << 8, 128)}


@dataclass(frozen=True)
class DivisorRows:
    """`rows` of `n` values of a; b moves by `step` from row to row, by `back` where its row was read.

    `still`: one divisor for each row.
    """

    rows: int
    n: int
    step: int
    back: int
    still: bool


class DivBroadcast(Div):
    """By a smaller b, which stands still or goes along with each row of a."""

    name = "broadcast"

    def accepts(self, call: Call) -> bool:
        a, b = call.inputs
        return a.shape != b.shape and len(self._loops(call)) <= 2

    def cycles(self, call: Call) -> float:
        rows = self.layout(call, {})
        return 55 + ((5.0 if rows.still else 7.5) * rows.n + 14) * rows.rows

    def layout(self, call: Call, k: Constants) -> DivisorRows:
        *outer, (n, step) = self._loops(call)
        rows, after = outer[0] if outer else (1, 0)
        return DivisorRows(rows, n, after, after - (n if step else 1), not step)

    def _loops(self, call: Call) -> Loops:
        return portable.broadcast(*(tensor.shape for tensor in call.inputs))


class Table(portable.Table):
    """From the entry of 0 up, in the order of the values read as uint8."""

    isa = Isa.DSP

    def cycles(self, call: Call) -> float:
        return 47 + 4.13 * call.output.size

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"table": np.roll(k["table"], len(k["table"]) // 2)}


for kernel in (Add(), Mul(), Maximum(), Div(), DivBroadcast(), *map(Table, portable.TABLE_OPS)):
    register(kernel)
