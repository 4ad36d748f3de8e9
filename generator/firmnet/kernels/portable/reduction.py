"""How does plain C reduce values along some axes to one? In two nests of loops, one within the other."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from ...ir import Call, Dtype
from ...ops.add import narrow
from ...ops.normalize import RECIPROCAL_BITS, ROOT_BITS
from ...ops.reduce import count
from ...ops.spec import Constants
from ..loops import Loops, merged, strides
from ..spec import Kernel, register
from .movement import COMPILER_UNROLLS

ROOT_CYCLES, DIVISION_CYCLES = 100, 110


@dataclass(frozen=True)
class Reduction:
    """`kept` loops (size, step) over what stays, and in each over the `count` values that become one.

    `wide`: their sum of squares leaves 32 bits.
    """

    kept: Loops
    reduced: Loops
    count: int
    kind: str
    wide: bool


class Reduce(Kernel):
    op = "reduce"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        root = ROOT_CYCLES if call.attrs.kind in ("l2", "std") else 0
        each = 5.0 if _unrolled(call) else 9.4
        return 40 + each * call.inputs[0].size + (16 + root) * call.output.size

    def layout(self, call: Call, k: Constants) -> Reduction:
        return reduction(call, call.attrs.kind)


@dataclass(frozen=True)
class Normalization:
    """`fraction_bits` of a root, `shift` of a reciprocal."""

    over: Reduction
    fraction_bits: int
    shift: int


class Normalize(Kernel):
    op = "normalize"

    def cycles(self, call: Call) -> float:
        lanes = call.output.size / count(call)
        each = 14.0 if _unrolled(call) else 25.3
        return 40 + each * call.output.size + (20 + ROOT_CYCLES + DIVISION_CYCLES) * lanes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """Lanes that lie one behind the other are read whole before they are written."""
        return (0 if reduction(call, "l2").reduced == ((count(call), 1),) else None,)

    def layout(self, call: Call, k: Constants) -> Normalization:
        return Normalization(reduction(call, "l2"), ROOT_BITS, RECIPROCAL_BITS)


class NormalizeWide(Normalize):
    """Where int16 is read or written."""

    name = "wide"
    dtypes: ClassVar[tuple[Dtype, ...]] = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return not narrow(call)

    def cycles(self, call: Call) -> float:
        lanes = call.output.size / count(call)
        return 40 + 34 * call.output.size + 60 * lanes

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return super().overlap(call) if call.inputs[0].dtype is call.output.dtype else (None,)


def _unrolled(call: Call) -> bool:
    """Whether the compiler makes no loop of what lies along a lane's last axis."""
    return reduction(call, "").reduced[-1][0] <= COMPILER_UNROLLS


def reduction(call: Call, kind: str) -> Reduction:
    x, axes = call.inputs[0].shape, call.attrs.axes
    steps = [(axis, size, step) for axis, (size, step) in enumerate(zip(x, strides(x), strict=True))]
    kept = merged((size, step) for axis, size, step in steps if axis not in axes)
    over = merged((size, step) for axis, size, step in steps if axis in axes)
    n = prod(size for size, _ in over)
    largest = 2**15 if call.inputs[0].dtype is Dtype.INT16 else 255
    return Reduction(kept, over, n, kind, n * largest**2 >= 2**31)


for kernel in (Reduce(), Normalize(), NormalizeWide()):
    register(kernel)
