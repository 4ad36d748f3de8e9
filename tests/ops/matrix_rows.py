"""Which rows has the op matrix? Every case of every op that has a kernel, each a model of one layer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cases import cases_of
from casework import Case

from firmnet.devices.device import side_by_side
from firmnet.interpret import run_int
from firmnet.ir import Array, Graph, Node, Port, Tensor, wrapped
from firmnet.kernels import Choice, choices
from firmnet.ops import OPS, Op
from firmnet.targets import Isa

RANDOM_INPUTS = 100
EXTREMES = 6
"""The last ones of a row."""
FEW = [*range(12), *range(-EXTREMES, 0)]
"""Of a row's inputs, where all would take long: random ones and the extremes."""
MACHINES = {"core": "mps2-an386", "core_m3": "mps2-an385", "core_m7": "mps2-an500", "core_m33": "mps2-an505"}
"""Device in a test id → emulated machine; the M3 has no DSP extension. The matrix runs on "core"."""
Outputs = Mapping[str, Array]
"""Row id → int8 (N, output bytes)."""


@dataclass(frozen=True)
class Row:
    """One case; its graph reads every activation of the call as an input of its own."""

    op: Op
    case: Case

    @property
    def id(self) -> str:
        return f"{self.op.name}-{self.case.label}"

    @cached_property
    def graph(self) -> Graph:
        call = self.case.call
        names, made = (tuple(t.name for t in tensors) for tensors in (call.inputs, call.outputs))
        inputs = tuple(Port(t.name, t.name) for t in call.inputs if t.data is None)
        node = Node(made[0], self.op.name, call.attrs, names, made)
        tensors = {tensor.name: tensor for tensor in (*call.inputs, *call.outputs)}
        outputs = tuple(Port(name, name) for name in made)
        return Graph(f"{self.op.name}_{self.case.label}", (node,), tensors, inputs, outputs)

    @cached_property
    def inputs(self) -> Array:
        """int8 (N, bytes of all inputs): seeded noise, faint noise at random levels, the extremes:
        nothing but zeros, next to nothing, all lowest, all highest, these by turns.
        """
        rng = np.random.default_rng(7)
        return side_by_side([_values(rng, tensor) for tensor in self._given])

    @cached_property
    def expected(self) -> Array:
        """What the oracle says, int8 (N, output bytes)."""
        return self._computed(self.inputs)

    @cached_property
    def few(self) -> Array:
        return self.inputs[FEW]

    @cached_property
    def expected_of_few(self) -> Array:
        return self._computed(self.few)

    @cached_property
    def ways(self) -> list[Choice]:
        """All kernels that can compute it, the cheapest first: it runs on cores with the DSP extension."""
        return choices(self.op.name, self.case.call, Isa.DSP)

    @property
    def plain(self) -> Choice:
        """What runs on cores without the extension."""
        return next(way for way in self.ways if way.kernel.isa is Isa.SCALAR)

    def split(self, x: Array) -> list[Array]:
        """One row of `inputs` as one array per input tensor."""
        ends = np.cumsum([tensor.byte_count for tensor in self._given])
        parts = zip(np.split(x, ends[:-1]), self._given, strict=True)
        return [np.ascontiguousarray(part).view(t.dtype.numpy).reshape(t.shape) for part, t in parts]

    def _computed(self, inputs: Array) -> Array:
        outputs = [wrapped(run_int(self.graph, *self.split(x)), len(self.graph.outputs)) for x in inputs]
        return side_by_side([np.stack([y.ravel() for y in each]) for each in zip(*outputs, strict=True)])

    @property
    def _given(self) -> list[Tensor]:
        return [self.graph.tensors[name] for name in self.graph.given]


def _values(rng: np.random.Generator, tensor: Tensor) -> Array:
    """(N, size) of one input; the last six are what random ones are not, EXTREMES."""
    low, high, size = tensor.dtype.low, tensor.dtype.high, tensor.size
    noise = rng.integers(low, high + 1, (RANDOM_INPUTS, size))
    levels = rng.integers(low, high + 1, (20, 1)) + rng.integers(-3, 4, (20, size))
    nothing = [
        tensor.zero_point + rng.choice([-1, 0, 1], size, p=[share, 1 - 2 * share, share])
        for share in (0.0, 0.1, 0.25)
    ]
    extremes = np.stack(
        [*nothing, np.full(size, low), np.full(size, high), np.where(np.arange(size) % 2, high, low)]
    )
    return np.concatenate([noise, levels.clip(low, high), extremes.clip(low, high)]).astype(
        tensor.dtype.numpy
    )


ROWS = [Row(op, case) for op in OPS.values() if not (op.view or op.float_only) for case in cases_of(op.name)]


def rows_of(op: str) -> list[Row]:
    return [row for row in ROWS if row.op.name == op]


def ops_of(rows: Iterable[Row]) -> list[str]:
    """Names of the ops that have some of these rows: tests build one program per op, and `-k` chooses."""
    return list(dict.fromkeys(row.op.name for row in rows))
