"""How does plain C compute values one by one, of one input or of two?"""

from dataclasses import dataclass

from ...ir import Call, Dtype, Shape, Tensor
from ...ops import OPS
from ...ops.add import narrow
from ...ops.rescale import by_table
from ...ops.spec import Constants
from ...ops.tables import TableOp
from ..loops import Loops, merged, strides
from ..spec import FAMILIES, Kernel, Size, register
from .movement import COMPILER_UNROLLS


@dataclass(frozen=True)
class Broadcast:
    """Nested loops over a as (size, step in b)."""

    loops: Loops
    size: int


class Pairwise(Kernel):
    """Each value of a with one of b, which may be smaller; the output may take a's place."""

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        a, b = call.inputs
        in_place, same = 0 if a.dtype is call.output.dtype else None, a.shape == b.shape
        return (in_place, 0 if same and b.dtype is call.output.dtype else None)

    def layout(self, call: Call, k: Constants) -> object:
        a, b = call.inputs
        return Broadcast(broadcast(a.shape, b.shape), call.output.size)


class Add(Pairwise):
    op = "add"

    def cycles(self, call: Call) -> float:
        return 29 + 18.95 * call.output.size


class Mul(Pairwise):
    op = "mul"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        return 60 + 18.4 * call.output.size


class Maximum(Pairwise):
    op = "maximum"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        n, _ = broadcast(*(tensor.shape for tensor in call.inputs))[-1]
        return 30 + (10 if n > COMPILER_UNROLLS else 6 + 6 / n) * call.output.size


class Div(Pairwise):
    """Slower where each value has a divisor of its own."""

    op = "div"

    def cycles(self, call: Call) -> float:
        a, b = call.inputs
        still = broadcast(a.shape, b.shape)[-1][1] == 0
        return 30 + (21 if a.shape == b.shape else 11 if still else 16.6) * call.output.size


class DivWide(Pairwise):
    """Where int16 is read or written."""

    op = "div"
    name = "wide"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return not narrow(call)

    def cycles(self, call: Call) -> float:
        return 30 + 36.5 * call.output.size


class Table(Kernel):
    """Every `TableOp` by 256 entries, from that of −128 up; the output may take the input's place."""

    def __init__(self, op: str) -> None:
        self.op = op

    @property
    def template(self) -> str:
        return f"kernels/{FAMILIES[self.isa]}/table.c.j2"

    def cycles(self, call: Call) -> float:
        """The compiler writes a few values out, and several of a round where there are many."""
        size = call.output.size
        if size <= 16:
            return 27 + 6 * size
        return 33 + 10 * size if size < 48 else 40 + 4.6 * size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def layout(self, call: Call, k: Constants) -> Size:
        return Size(call.output.size)


class TableWide(Kernel):
    """int16 between two of its entries; the output may take the input's place."""

    op = "table"
    name = "wide"
    dtypes = (Dtype.INT16,)

    def cycles(self, call: Call) -> float:
        return 40 + 25 * call.output.size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def layout(self, call: Call, k: Constants) -> Size:
        return Size(call.output.size)


class CompareWide(Kernel):
    """int16 with a first and a last value; a result may take the place of what was read."""

    op = "compare"
    name = "wide"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return call.inputs[0].dtype is Dtype.INT16

    def cycles(self, call: Call) -> float:
        return 40 + 8 * call.output.size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def layout(self, call: Call, k: Constants) -> Size:
        return Size(call.output.size)


@dataclass(frozen=True)
class Rescaling:
    """`size` values of one type become as many of another."""

    size: int
    x: Tensor
    y: Tensor


class ByProduct(Kernel):
    """A rescale between any types, or a clamp, by one product of 64 bits; in place where a reader cannot be
    overtaken.
    """

    name = "wide"
    dtypes = tuple(Dtype)

    def __init__(self, op: str) -> None:
        self.op = op

    @property
    def template(self) -> str:
        return f"kernels/{FAMILIES[self.isa]}/rescale.wide.c.j2"

    def accepts(self, call: Call) -> bool:
        """What the op computes by no table."""
        return not by_table(call)

    def cycles(self, call: Call) -> float:
        return 40 + 16 * call.output.size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """Values of 8 bits may lie over any others: the compiler knows that they may be the same memory."""
        x, y = call.inputs[0].dtype.bytes, call.output.dtype.bytes
        if x == y:
            return (0,)
        return (max(0, (y - x) * (call.output.size - 1)) if 1 in (x, y) else None,)

    def layout(self, call: Call, k: Constants) -> Rescaling:
        return Rescaling(call.output.size, call.inputs[0], call.output)


class AddWide(Pairwise):
    op = "add"
    name = "wide"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return not narrow(call)

    def cycles(self, call: Call) -> float:
        return 30 + 24.8 * call.output.size


TABLE_OPS = [name for name, op in OPS.items() if isinstance(op, TableOp)]


def broadcast(a: Shape, b: Shape) -> Loops:
    """Nested loops over a as (size, step in b), b repeated where it has size 1."""
    steps = [step if size > 1 else 0 for size, step in zip(b, strides(b), strict=True)]
    return merged(zip(a, steps, strict=True))


for kernel in (
    Add(),
    AddWide(),
    Mul(),
    Maximum(),
    Div(),
    DivWide(),
    *map(Table, TABLE_OPS),
    TableWide(),
    CompareWide(),
    *map(ByProduct, ("rescale", "clamp")),
):
    register(kernel)
