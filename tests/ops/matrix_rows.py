"""Which rows has the op matrix? Every case of every op that has a kernel, each a model of one layer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cases import cases_of
from casework import Case

from firmnet.interpret import run_int
from firmnet.ir import Array, Graph, Node
from firmnet.ops import OPS, Op

RANDOM_INPUTS = 100
MACHINES = {"core": "mps2-an386", "core_m3": "mps2-an385", "core_m7": "mps2-an500", "core_m33": "mps2-an505"}
"""Device in a test id → emulated machine; the M3 has no DSP extension."""

Outputs = Mapping[str, Array]
"""Row id → int8 (N, output bytes)."""

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Werror")


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
        names = tuple(tensor.name for tensor in call.inputs)
        inputs = tuple(tensor.name for tensor in call.inputs if tensor.data is None)
        node = Node(call.output.name, self.op.name, call.attrs, names, call.output.name)
        tensors = {tensor.name: tensor for tensor in (*call.inputs, call.output)}
        return Graph(f"{self.op.name}_{self.case.label}", (node,), tensors, inputs, call.output.name)

    @cached_property
    def inputs(self) -> Array:
        """int8 (N, bytes of all inputs): seeded noise, faint noise at random levels, the extremes."""
        size = sum(self.graph.tensors[name].size for name in self.graph.inputs)
        rng = np.random.default_rng(7)
        noise = rng.integers(-128, 128, (RANDOM_INPUTS, size))
        levels = rng.integers(-128, 128, (20, 1)) + rng.integers(-3, 4, (20, size))
        extremes = np.stack([np.full(size, -128), np.full(size, 127), np.arange(size) % 2 * 255 - 128])
        return np.concatenate([noise, levels.clip(-128, 127), extremes]).astype(np.int8)

    @cached_property
    def expected(self) -> Array:
        """What the oracle says, int8 (N, output bytes)."""
        return np.stack([run_int(self.graph, *self.split(x)).ravel() for x in self.inputs])

    def split(self, x: Array) -> list[Array]:
        """One row of `inputs` as one array per input tensor."""
        tensors = [self.graph.tensors[name] for name in self.graph.inputs]
        ends = np.cumsum([tensor.size for tensor in tensors])
        return [part.reshape(t.shape) for part, t in zip(np.split(x, ends[:-1]), tensors, strict=True)]


ROWS = [Row(op, case) for op in OPS.values() if not (op.view or op.float_only) for case in cases_of(op.name)]


def rows_of(op: str) -> list[Row]:
    return [row for row in ROWS if row.op.name == op]


def ops_of(rows: Iterable[Row]) -> list[str]:
    """Names of the ops that have some of these rows: tests build one program per op, and `-k` chooses."""
    return list(dict.fromkeys(row.op.name for row in rows))
