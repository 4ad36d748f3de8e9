"""How does plain C clear what is above a diagonal? Value by value."""

from dataclasses import dataclass
from math import prod

from ...ir import Call
from ...ops.spec import Constants
from ..spec import Kernel, register


@dataclass(frozen=True)
class Matrices:
    """So many matrices, one after the other."""

    count: int
    rows: int
    columns: int
    diagonal: int


class Tril(Kernel):
    op = "tril"

    def cycles(self, call: Call) -> float:
        """A loop for each row, a comparison for each value."""
        return 30 + 10 * prod(call.output.shape[:-1]) + 8 * call.output.size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """Each value is read where the output's is written, just before: it works in place."""
        return (0,)

    def layout(self, call: Call, k: Constants) -> Matrices:
        *outer, rows, columns = call.output.shape
        return Matrices(prod(outer), rows, columns, call.attrs.diagonal)


register(Tril())
