"""How does plain C move values? By runs of neighbours that it copies, or one by one."""

from dataclasses import dataclass
from math import prod

from ...ir import Array, Call, Dtype
from ...ops.slice import SliceAttrs
from ...ops.spec import Constants
from ..loops import Walk, strides, walks
from ..spec import FAMILIES, Kernel, register

COMPILER_UNROLLS = 16
"""Bytes of a copy, or rounds of a loop, that the compiler unrolls."""


@dataclass(frozen=True)
class Joined:
    """`blocks` times the next values of each part: its name ("x0" an activation, "part0" a constant) and how
    many.
    """

    blocks: int
    parts: tuple[tuple[str, int], ...]
    dtype: Dtype

    @property
    def activations(self) -> list[str]:
        return sorted(
            (name for name, _ in self.parts if name.startswith("x")), key=lambda name: int(name[1:])
        )

    @property
    def constants(self) -> list[str]:
        return [name for name, _ in self.parts if not name.startswith("x")]

    @property
    def total(self) -> int:
        """Values of one block of the output."""
        return sum(length for _, length in self.parts)


class Concat(Kernel):
    op = "concat"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        joined = self.layout(call, {})
        sizes = [length * joined.dtype.bytes for _, length in joined.parts]
        return 16 + joined.blocks * sum(copy_cycles(size) for size in sizes)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        constants = [tensor.values for tensor in call.inputs if tensor.data is not None]
        return {f"part{i}": values.ravel() for i, values in enumerate(constants)}

    def layout(self, call: Call, k: Constants) -> Joined:
        attrs, axis = call.attrs, call.attrs.axis
        first = len(call.inputs) - len(attrs.constants)
        names = [f"x{i}" for i in range(first)] + [f"part{i}" for i in range(len(attrs.constants))]
        lengths = [prod(x.shape[axis:]) for x in call.inputs]
        parts = attrs.parts([*zip(names, lengths, strict=True)])
        return Joined(prod(call.output.shape[:axis]), tuple(parts), call.output.dtype)


class ConcatApart(Concat):
    """Where parts have few values in each of many blocks: value by value, through all blocks."""

    name = "apart"

    def accepts(self, call: Call) -> bool:
        joined = self.layout(call, {})
        return joined.total <= COMPILER_UNROLLS and joined.blocks >= COMPILER_UNROLLS

    def cycles(self, call: Call) -> float:
        joined = self.layout(call, {})
        each = _value_cycles((joined.blocks, 1, joined.total), joined.dtype)
        return 30 + joined.total * (5 + each)


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
class Moves:
    """From where it begins in the input on; `outer` and `inner` loops are (size, input step, output step)."""

    outer: tuple[Walk, ...]
    inner: Walk
    dtype: Dtype


class Moved(Kernel):
    """Some of the values of the input in another order, one by one: the longest loop is inside."""

    dtypes = tuple(Dtype)

    def __init__(self, op: str) -> None:
        self.op = op

    @property
    def template(self) -> str:
        return f"kernels/{FAMILIES[self.isa]}/moved{'.' * bool(self.name)}{self.name}.c.j2"

    def begins_at(self, call: Call) -> int:
        return _loops(call)[0] * call.output.dtype.bytes

    def cycles(self, call: Call) -> float:
        moves = self.layout(call, {})
        return 30 + prod(size for size, _, _ in moves.outer) * (5 + _value_cycles(moves.inner, moves.dtype))

    def layout(self, call: Call, k: Constants) -> Moves:
        _, loops = _loops(call)
        inner = max(range(len(loops)), key=lambda i: (loops[i][0], i))
        return Moves(loops[:inner] + loops[inner + 1 :], loops[inner], call.output.dtype)


class MovedRuns(Moved):
    """Where neighbours stay neighbours."""

    name = "runs"

    def accepts(self, call: Call) -> bool:
        size, source, _ = _loops(call)[1][-1]
        return source == 1 and size > 1

    def cycles(self, call: Call) -> float:
        moves = self.layout(call, {})
        run = moves.inner[0] * moves.dtype.bytes
        around = 30 if moves.outer else 5
        return around + call.output.size / moves.inner[0] * (2.5 + copy_cycles(run))

    def layout(self, call: Call, k: Constants) -> Moves:
        _, loops = _loops(call)
        return Moves(loops[:-1], loops[-1], call.output.dtype)


def _loops(call: Call) -> tuple[int, tuple[Walk, ...]]:
    """Where in the input the output's first value is, and loops over the output in order."""
    steps, sizes, attrs = strides(call.inputs[0].shape), call.output.shape, call.attrs
    first = 0
    if isinstance(attrs, SliceAttrs):
        first = sum(start * step for start, step in zip(attrs.start, steps, strict=True))
        steps = tuple(by * step for by, step in zip(attrs.step, steps, strict=True))
    else:
        steps = tuple(steps[axis] for axis in attrs.order)
    return first, walks(zip(sizes, steps, strides(sizes), strict=True))


def _value_cycles(loop: Walk, dtype: Dtype) -> float:
    """Of values one by one: a load and a store each, and a loop around eight where these are many.

    There the compiler makes words of neighbouring bytes before it stores them.
    """
    count, _, step = loop
    if count // 8 <= COMPILER_UNROLLS // 2:
        return 2.15 * count
    return (3.5 if step == 1 and dtype.bytes == 1 else 2.9) * count


def copy_cycles(size: int) -> float:
    """Of a memcpy of so many bytes: a few become words, many a call."""
    if size > COMPILER_UNROLLS:
        return 20 + 0.78 * size
    return 3.6 + 0.55 * size + (2.5 if size % 4 and size > 2 else 0)


for kernel in (
    Concat(),
    ConcatApart(),
    Pad(),
    *(kind(op) for op in ("transpose", "slice") for kind in (MovedRuns, Moved)),
):
    register(kernel)
