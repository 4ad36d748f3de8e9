"""How does plain C move values? By runs of neighbours that it copies, or one by one."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Shape
from ...ops.spec import Constants
from ..loops import Loops, merged, strides
from ..spec import Kernel, register


@dataclass(frozen=True)
class Joined:
    """`blocks` times the next `lengths` values of each input."""

    blocks: int
    lengths: tuple[int, ...]


class Concat(Kernel):
    op = "concat"

    def layout(self, call: Call, k: Constants) -> Joined:
        axis = call.attrs.axis
        return Joined(prod(call.output.shape[:axis]), tuple(prod(x.shape[axis:]) for x in call.inputs))


@dataclass(frozen=True)
class Runs:
    """Where the input lies in the output, as runs of `run` neighbours: the first at place `first`.

    `loops` are (size, output step, input step).
    """

    size: int
    first: int
    run: int
    loops: tuple[tuple[int, int, int], ...]


class Pad(Kernel):
    op = "pad"

    def layout(self, call: Call, k: Constants) -> Runs:
        x, y = call.inputs[0].shape, call.output.shape
        into, out_of = strides(y), strides(x)
        inner = max((axis for axis in range(len(x)) if x[axis] != y[axis]), default=0)
        first = sum(before * step for before, step in zip(call.attrs.before, into, strict=True))
        loops = tuple((x[axis], into[axis], out_of[axis]) for axis in range(inner) if x[axis] > 1)
        return Runs(call.output.size, first, x[inner] * out_of[inner], loops)


@dataclass(frozen=True)
class Strides:
    """Nested loops over the output as (size, input step)."""

    loops: Loops


class Transpose(Kernel):
    op = "transpose"

    def layout(self, call: Call, k: Constants) -> Strides:
        return Strides(_walk(call.inputs[0].shape, call.attrs.order))


class TransposeRuns(Transpose):
    """Where the last axes stay neighbours."""

    name = "runs"

    def accepts(self, call: Call) -> bool:
        size, step = _walk(call.inputs[0].shape, call.attrs.order)[-1]
        return step == 1 and size > 1


def _walk(shape: Shape, order: Shape) -> Loops:
    """Axes that stay neighbours become one."""
    steps = strides(shape)
    return merged((shape[axis], steps[axis]) for axis in order)


for kernel in (Concat(), Pad(), TransposeRuns(), Transpose()):
    register(kernel)
