"""How does plain C compute values one by one, of one input or of two?"""

from dataclasses import dataclass

from ...ir import Call, Shape
from ...ops.spec import Constants
from ..loops import Loops, merged, strides
from ..spec import Kernel, Size, register


@dataclass(frozen=True)
class Broadcast:
    """Nested loops over a as (size, step in b)."""

    loops: Loops
    size: int


class Pairwise(Kernel):
    """Each value of a with one of b, which may be smaller; the output may take a's place."""

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        a, b = call.inputs
        return (0, 0 if a.shape == b.shape else None)

    def layout(self, call: Call, k: Constants) -> object:
        a, b = call.inputs
        return Broadcast(broadcast(a.shape, b.shape), call.output.size)


class Add(Pairwise):
    op = "add"

    def cycles(self, call: Call) -> float:
        return 29 + 18.95 * call.output.size


class Mul(Pairwise):
    op = "mul"

    def cycles(self, call: Call) -> float:
        return 60 + 18.4 * call.output.size


class Table(Kernel):
    """A table of 256 entries, from that of −128 up; the output may take the input's place."""

    def cycles(self, call: Call) -> float:
        return 34 + 4.5 * call.output.size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def layout(self, call: Call, k: Constants) -> Size:
        return Size(call.output.size)


class Clamp(Table):
    op = "clamp"


class Rescale(Table):
    op = "rescale"


def broadcast(a: Shape, b: Shape) -> Loops:
    """Nested loops over a as (size, step in b), b repeated where it has size 1."""
    steps = [step if size > 1 else 0 for size, step in zip(b, strides(b), strict=True)]
    return merged(zip(a, steps, strict=True))


for kernel in (Add(), Mul(), Clamp(), Rescale()):
    register(kernel)
