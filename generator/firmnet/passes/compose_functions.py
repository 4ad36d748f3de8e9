"""compose_functions: functions of one value, one after the other or meeting again, become one table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..ir import Graph, Node
from ..ops.functions import MOST_STEPS, CurveStep, TableAttrs
from .drop_dead import drop_dead
from .rewrite import named

PAIRS = ("add", "div", "maximum", "mul")
"""Ops of two values, which are functions of one where both values come from that."""


def compose_functions(graph: Graph) -> Graph:
    """x · sigmoid(x) is one table, and nothing in between is rounded; so is a factor or offset alone.

    A table reads the earliest activation of which it is a function, as long as nothing else reads what lies
    between. Where two values meet again, what lies between is computed beside the table if it is read.
    """
    known: dict[str, list[str]] = {}  # stays right: from the last layer on, what was changed lies behind
    for name in [node.name for node in reversed(graph.nodes)]:
        if any(node.name == name for node in graph.nodes):
            graph = _composed(graph, named(graph, name), known)
    return graph


def _composed(graph: Graph, node: Node, known: dict[str, list[str]]) -> Graph:
    found = list(_formulas(graph, node, known)) if len(node.outputs) == 1 else []
    if not found:
        return graph
    formula = next((f for f in reversed(found) if f.is_private(graph)), found[0])
    if formula.nodes == (node,) and node.op in ("table", "clamp"):
        return graph
    if _is_bounded_count(graph, formula):
        return graph
    sources = " + ".join(dict.fromkeys(inner.source for inner in formula.nodes if inner.source))
    table = Node(node.name, "table", TableAttrs(formula.steps), (formula.root,), node.outputs, sources)
    return drop_dead(graph.with_nodes([table if other is node else other for other in graph.nodes]))


def _is_bounded_count(graph: Graph, formula: "Formula") -> bool:
    """Of a state (x + 1).clamp(max=9) stays two layers: of int16 a table walks over its edge, and these do
    not.
    """
    *others, last = formula.nodes
    states = {state.tensor for state in graph.states}
    return last.op == "clamp" and formula.root in states and {node.op for node in others} == {"batch_norm"}


@dataclass(frozen=True)
class Formula:
    """What the last of `nodes` makes, as steps from the tensor `root`."""

    root: str
    nodes: tuple[Node, ...]
    steps: tuple[CurveStep, ...]

    def is_private(self, graph: Graph) -> bool:
        """Whether nothing else reads what lies between."""
        inner = {name for node in self.nodes[:-1] for name in node.outputs}
        outside = (other for other in graph.nodes if other not in self.nodes)
        return inner.isdisjoint(graph.wanted) and all(inner.isdisjoint(other.inputs) for other in outside)


def _formulas(graph: Graph, node: Node, known: dict[str, list[str]]) -> Iterator[Formula]:
    """By the activations of which the node's output is a function, the nearest first."""
    for root in _origins(graph, node.output, known)[1:]:
        writing = _Writing(graph, root)
        writing.write(node.output)
        if len(writing.steps) <= MOST_STEPS:
            yield Formula(root, tuple(writing.nodes), tuple(writing.steps))


def _origins(graph: Graph, tensor: str, known: dict[str, list[str]]) -> list[str]:
    """The tensor itself, and those of which it is a function, the nearest first; `known` of those met before,
    which values that meet again lead to by many ways.
    """
    made = graph.producer(tensor)
    if made is None or not _is_function(graph, made):
        return [tensor]
    if tensor not in known:
        first, *rest = [_origins(graph, name, known) for name in graph.activations(made)]
        known[tensor] = [tensor, *(name for name in first if all(name in other for other in rest))]
    return known[tensor]


def _is_function(graph: Graph, node: Node) -> bool:
    """Whether each value of its output depends on one value of each activation, all alike."""
    shape = graph.tensors[node.outputs[0]].shape
    constants = [graph.tensors[name] for name in node.inputs if graph.tensors[name].data is not None]
    if any(graph.tensors[name].shape != shape for name in graph.activations(node)):
        return False
    if node.op == "batch_norm":
        return not any(np.ptp(tensor.values) for tensor in constants)
    return not constants and node.op in ("table", "clamp", *PAIRS)


@dataclass
class _Writing:
    """Steps as they come, and which of them makes a tensor; 0 is the root."""

    graph: Graph
    root: str
    nodes: list[Node] = field(default_factory=list)
    steps: list[CurveStep] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)

    def write(self, tensor: str) -> int:
        if tensor == self.root:
            return 0
        if tensor not in self.known:
            node = self.graph.producer(tensor)
            assert node is not None
            reads = tuple(self.write(name) for name in self.graph.activations(node))
            self.known[tensor] = _STEPS[node.op](self, node, reads)
            self.nodes.append(node)
        return self.known[tensor]

    def step(self, function: str, options: tuple[Any, ...], reads: tuple[int, ...]) -> int:
        self.steps.append(CurveStep(function, options, reads))
        return len(self.steps)

    def table(self, node: Node, reads: tuple[int, ...]) -> int:
        before, (start,) = len(self.steps), reads
        for step in node.attrs.steps:
            moved = tuple(read + before if read else start for read in step.reads)
            self.steps.append(replace(step, reads=moved))
        return len(self.steps)

    def clamp(self, node: Node, reads: tuple[int, ...]) -> int:
        return self.step("clamp", (node.attrs.lo, node.attrs.hi), reads)

    def affine(self, node: Node, reads: tuple[int, ...]) -> int:
        scale, shift = (float(self.graph.tensors[name].values.flat[0]) for name in node.inputs[1:])
        return self.step("affine", (scale, shift), reads)

    def sum(self, node: Node, reads: tuple[int, ...]) -> int:
        scaled = [self.scaled(read, by) for read, by in zip(reads, (node.attrs.a, node.attrs.b), strict=True)]
        return self.bounded(node, self.step("add", (), tuple(scaled)))

    def product(self, node: Node, reads: tuple[int, ...]) -> int:
        return self.bounded(node, self.step("mul", (), reads))

    def quotient(self, node: Node, reads: tuple[int, ...]) -> int:
        return self.step("div", (), reads)

    def extreme(self, node: Node, reads: tuple[int, ...]) -> int:
        return self.step("minimum" if node.attrs.smaller else "maximum", (), reads)

    def scaled(self, read: int, factor: float) -> int:
        return read if factor == 1 else self.step("affine", (factor, 0.0), (read,))

    def bounded(self, node: Node, made: int) -> int:
        return made if (node.attrs.lo, node.attrs.hi) == (None, None) else self.clamp(node, (made,))


_STEPS: dict[str, Callable[[_Writing, Node, tuple[int, ...]], int]] = {
    "table": _Writing.table,
    "clamp": _Writing.clamp,
    "batch_norm": _Writing.affine,
    "add": _Writing.sum,
    "div": _Writing.quotient,
    "maximum": _Writing.extreme,
    "mul": _Writing.product,
}
