"""How does plain C flip? Line by line, each run of neighbours copied to its new place."""

from dataclasses import dataclass
from math import prod

from ...ir import Call
from ...ops.spec import Constants
from ..spec import Kernel, register


@dataclass(frozen=True)
class Flipped:
    """`lines` times `runs` runs of `values` neighbours; `line` values are in all of them."""

    lines: int
    runs: int
    values: int
    line: int


class Flip(Kernel):
    op = "flip"

    def cycles(self, call: Call) -> float:
        """A loop and a call of memcpy for each run, and a word at a time."""
        size, runs = call.output.size, prod(call.output.shape[: call.attrs.axis + 1])
        return 30 + 40 * runs + size

    def layout(self, call: Call, k: Constants) -> Flipped:
        shape, axis = call.output.shape, call.attrs.axis
        values = prod(shape[axis + 1 :])
        return Flipped(prod(shape[:axis]), shape[axis], values, shape[axis] * values)


register(Flip())
