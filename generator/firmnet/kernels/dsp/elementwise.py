"""How does the DSP extension compute values one by one? Four at a time."""

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...targets import Isa
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
        return entries(k)


def entries(k: Constants) -> dict[str, Array]:
    """What quotients look up, in the order of the divisors read as uint8."""
    return {"reciprocals": np.roll(k["reciprocals"] << 8, 128)}


class Table(portable.Table):
    """From the entry of 0 up, in the order of the values read as uint8."""

    isa = Isa.DSP

    def cycles(self, call: Call) -> float:
        return 47 + 4.13 * call.output.size

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"table": np.roll(k["table"], len(k["table"]) // 2)}


for kernel in (Add(), Mul(), Maximum(), Div(), *map(Table, portable.TABLE_OPS)):
    register(kernel)
