"""How does the DSP extension combine an activation with a smaller one, as gates and channel offsets are?

Four values of the larger at a time, spread to halves of two registers, meet values of the smaller that lie in
halves of registers too: each product picks its halves. What is spread when depends on how b is repeated.
"""

from dataclasses import dataclass

from ...ir import Array, Call
from ...ops.spec import Constants
from ...targets import Isa
from ..portable import elementwise as portable
from ..spec import register
from .elementwise import entries

SHORT = 8
"""Values in a row below which four rows become a block of words."""
WORDWISE = ("div", "maximum")
"""Ops that gain by such blocks where a row is a word, too."""
VALUE_CYCLES = {
    "add": {"along": 6.25, "still": 4.5, "tiles": 5.2, "dots": 5.3},
    "mul": {"along": 6.25, "still": 5.5, "tiles": 5.2, "dots": 5.3},
    "div": {"along": 6.4, "still": 4.5, "tiles": 5.3, "dots": 4.1},
    "maximum": {"along": 1.9, "still": 1.6, "tiles": 1.55, "dots": 4.0},
}
"""Per op and form of its walk."""
B_CYCLES = {"div": {"tiles": 8, "dots": 3}, "maximum": {"tiles": 7, "dots": 6}}
"""Of each value of b that a block meets."""
HALVES = "bt"
"""The bottom and the top half of a register, as instructions are called."""


@dataclass(frozen=True)
class Nest(portable.Broadcast):
    """a is walked in order, in rows of `n` values; `outer`: loops around them, as (size, what b moves after).

    `form`: "along": each value of the row meets its own value of b; "still": all meet the same; "tiles" and
    "dots" are the same two with `rows` rows in one go, b the same in all of them (tiles) or going on (dots).
    """

    form: str
    outer: tuple[tuple[int, int], ...]
    n: int
    rows: int

    def halves(self, i: int, b: tuple[str, ...]) -> tuple[str, str]:
        """Where value i of a block finds its b: register, half; `b` are the registers, of two values each.

        A word of b that was spread lies as values 0 and 2, 1 and 3; a row that was gathered as 0 and 1, ….
        """
        if self.form == "still":
            return b[0], HALVES[0]
        if self.form == "tiles":
            column = i % self.n
            return b[column // 2], HALVES[column % 2]
        place = i % 4 if self.form == "along" else i // self.n
        return b[place % 2], HALVES[place // 2]


def nest(call: Call, op: str) -> Nest:
    loops = portable.broadcast(*(tensor.shape for tensor in call.inputs))
    *outer, (n, step) = loops
    rows, form = 1, "along" if step else "still"
    if outer and n < SHORT and (n % 4 or (step and op in WORDWISE)):
        rows, form = outer.pop()[0], "tiles" if step else "dots"
    moved = {"along": n, "still": 0, "tiles": 0, "dots": rows}[form]
    walks = []
    for size, step in reversed(outer):
        walks.append((size, step - moved))
        moved = size * step
    return Nest(loops, call.output.size, form, tuple(reversed(walks)), n, rows)


class Add(portable.Pairwise):
    op = "add"
    name = "broadcast"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        a, b = call.inputs
        return a.shape != b.shape

    def cycles(self, call: Call) -> float:
        """Of every value, by its walk, and around every row."""
        found = nest(call, self.op)
        rows = call.output.size / (found.n * found.rows)
        met = {"tiles": found.n, "dots": found.rows}.get(found.form, 0)
        around = 9 + B_CYCLES.get(self.op, {}).get(found.form, 0) * met
        return 60 + VALUE_CYCLES[self.op][found.form] * call.output.size + around * rows

    def layout(self, call: Call, k: Constants) -> Nest:
        return nest(call, self.op)


class Mul(Add):
    op = "mul"


class Maximum(Add):
    op = "maximum"


class Div(Add):
    op = "div"

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return entries(k)


for kernel in (Add(), Mul(), Maximum(), Div()):
    register(kernel)
