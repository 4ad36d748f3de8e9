"""How does plain C put values in order? Each goes to its place among those before it, in the output."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Dtype
from ...ops.spec import Constants
from ..spec import Kernel, register


@dataclass(frozen=True)
class SortedLines:
    """`outer` times `inner` lines of `count` values, which lie `inner` values apart; `kept` stay of each."""

    outer: int
    count: int
    inner: int
    kept: int
    descending: bool
    dtype: Dtype


class Sort(Kernel):
    op = "sort"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        """Of values in no order each passes half of those that are kept before it."""
        lines = self.layout(call, {})
        n, kept = lines.count, lines.kept
        moves = kept * kept / 4 + kept * kept / 2 * sum(1 / i for i in range(kept + 1, n + 1))
        return 20 + lines.outer * lines.inner * (15 + 10 * n + 7 * moves)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """In place, where lines lie one behind the other: of each no more is written than was read."""
        return (0 if self.layout(call, {}).inner == 1 else None,)

    def layout(self, call: Call, k: Constants) -> SortedLines:
        x, attrs = call.inputs[0], call.attrs
        outer, inner = prod(x.shape[: attrs.axis]), prod(x.shape[attrs.axis + 1 :])
        return SortedLines(outer, x.shape[attrs.axis], inner, attrs.count, attrs.descending, x.dtype)


class Argsort(Sort):
    """Places, whose values are looked up again."""

    op = "argsort"

    def cycles(self, call: Call) -> float:
        return 1.5 * super().cycles(call)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (None,)


register(Sort())
register(Argsort())
