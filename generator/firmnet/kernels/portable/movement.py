"""How does plain C move values? By runs of neighbours that it copies, or one by one."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Dtype, Shape
from ...ops.spec import Constants
from ..loops import Loops, merged, strides
from ..spec import Kernel, register

COMPILER_UNROLLS = 16
"""Bytes of a copy, or rounds of a loop, that the compiler unrolls."""


@dataclass(frozen=True)
class Joined:
    """`blocks` times the next `lengths` values of each input."""

    blocks: int
    lengths: tuple[int, ...]
    dtype: Dtype


class Concat(Kernel):
    op = "concat"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        joined = self.layout(call, {})
        return 16 + joined.blocks * sum(_copy_cycles(length) for length in joined.lengths)

    def layout(self, call: Call, k: Constants) -> Joined:
        axis = call.attrs.axis
        return Joined(
            prod(call.output.shape[:axis]),
            tuple(prod(x.shape[axis:]) for x in call.inputs),
            call.output.dtype,
        )


@dataclass(frozen=True)
class Runs:
    """Where the input lies in the output, as runs of `run` neighbours: the first at place `first`.

    `loops` are (size, output step, input step).
    """

    size: int
    first: int
    run: int
    loops: tuple[tuple[int, int, int], ...]
    dtype: Dtype


class Pad(Kernel):
    op = "pad"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        runs = self.layout(call, {})
        copies = prod(size for size, _, _ in runs.loops)
        return 50 + 0.7 * runs.size + copies * (9 + 0.9 * runs.run)

    def layout(self, call: Call, k: Constants) -> Runs:
        x, y = call.inputs[0].shape, call.output.shape
        into, out_of = strides(y), strides(x)
        inner = max((axis for axis in range(len(x)) if x[axis] != y[axis]), default=0)
        first = sum(before * step for before, step in zip(call.attrs.before, into, strict=True))
        loops = tuple((x[axis], into[axis], out_of[axis]) for axis in range(inner) if x[axis] > 1)
        return Runs(call.output.size, first, x[inner] * out_of[inner], loops, call.output.dtype)


@dataclass(frozen=True)
class Strides:
    """Nested loops over the output as (size, input step)."""

    loops: Loops
    dtype: Dtype


class Transpose(Kernel):
    op = "transpose"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        (inner, _), size = _walk(call.inputs[0].shape, call.attrs.order)[-1], call.output.size
        return 30 + size * (7 if inner > COMPILER_UNROLLS else 3 + 4 / inner)

    def layout(self, call: Call, k: Constants) -> Strides:
        return Strides(_walk(call.inputs[0].shape, call.attrs.order), call.output.dtype)


class TransposeRuns(Transpose):
    """Where the last axes stay neighbours."""

    name = "runs"

    def accepts(self, call: Call) -> bool:
        size, step = _walk(call.inputs[0].shape, call.attrs.order)[-1]
        return step == 1 and size > 1

    def cycles(self, call: Call) -> float:
        (inner, _), size = _walk(call.inputs[0].shape, call.attrs.order)[-1], call.output.size
        return 60 + size / inner * (2.5 + _copy_cycles(inner))


def _copy_cycles(size: int) -> float:
    """Of a memcpy of so many bytes: a few become words, many a call."""
    if size > COMPILER_UNROLLS:
        return 20 + 0.78 * size
    return 3.6 + 0.55 * size + (2.5 if size % 4 and size > 2 else 0)


def _walk(shape: Shape, order: Shape) -> Loops:
    """Axes that stay neighbours become one."""
    steps = strides(shape)
    return merged((shape[axis], steps[axis]) for axis in order)


for kernel in (Concat(), Pad(), TransposeRuns(), Transpose()):
    register(kernel)
