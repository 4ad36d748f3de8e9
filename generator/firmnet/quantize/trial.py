"""How good are an integer graph's outputs on a few samples? After a change, only what depends on it runs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any

import numpy as np

from .. import interpret
from ..ir import Array, Graph, Node, wrapped
from ..ops import OPS
from .quality import decibels, tried
from .runs import SampleRuns
from .signals import Reference

MOST_JUDGED = 32
LEAST_JUDGED = 8
NODE_COST = 40_000
"""What calling a layer costs beside its work, in multiply-accumulates; so a cost is about a nanosecond."""


@dataclass(frozen=True)
class Trial:
    """A graph's integer constants and activations, by sample, and the signal-to-noise of its outputs.

    Of several outputs, noise is the mean of their parts of the signal: the worst counts most. Those without a
    signal do not count, and places count as the values that decide them (see signals).
    """

    graph: Graph
    constants: Mapping[str, Any]
    values: tuple[interpret.Values, ...]
    snr_db: float


class Judge:
    """Runs integer graphs on the same few calibration samples, and compares outputs with the float graph's.

    `spent` and what `costs` tells are counted in multiply-accumulates, so that nothing depends on a clock.
    """

    def __init__(self, floats: SampleRuns, budget: int) -> None:
        """So many samples that a few runs over all of them stay within the budget."""
        graph, sequence = floats.graph, floats.sequence
        cost = sum(_cost(graph, node) for node in graph.nodes)
        most = int(np.clip(budget // (5 * cost + 1), LEAST_JUDGED, MOST_JUDGED))
        self.chosen = tried(graph, floats.first_length, most)
        self.samples = [sequence[i] for i in self.chosen]
        self.budget, self.spent = budget, 0
        self._reference = Reference(floats, self.chosen)

    @property
    def left(self) -> int:
        """What is left of the budget."""
        return self.budget - self.spent

    def costs(self, graph: Graph, since: str | None = None) -> int:
        """What a trial costs in which this layer is the first to change (None: all)."""
        names = [node.name for node in graph.nodes]
        nodes = graph.nodes[names.index(since) if since else 0 :]
        return len(self.samples) * sum(_cost(graph, node) for node in nodes)

    def run(self, graph: Graph) -> Trial:
        """Every layer anew; ValueError or OverflowError for one that cannot be expressed."""
        constants = {node.name: OPS[node.op].prepare(graph.call(node)) for node in graph.nodes}
        inputs = [interpret.quantized_inputs(graph, *sample) for sample in self.samples]
        return self._trial(graph, constants, inputs, None, frozenset())

    def changed(self, base: Trial, graph: Graph, layers: Collection[str]) -> Trial:
        """The same layers with other constants or parameters, but for these as they were."""
        own = {n.name: OPS[n.op].prepare(graph.call(n)) for n in graph.nodes if n.name in layers}
        inputs = [tuple(values[port.tensor] for port in graph.inputs) for values in base.values]
        return self._trial(graph, {**base.constants, **own}, inputs, base, frozenset(layers))

    def _trial(
        self,
        graph: Graph,
        constants: Mapping[str, Any],
        inputs: list[tuple[Array, ...]],
        base: Trial | None,
        layers: frozenset[str],
    ) -> Trial:
        state, found = interpret.initial(graph), list[interpret.Values]()
        for i, sample in enumerate(inputs):
            values = {port.tensor: x for port, x in zip(graph.inputs, sample, strict=True)} | state
            known = base.values[i] if base else {}
            for node in graph.nodes:
                given = graph.activations(node)
                if base and node.name not in layers and all(values[n] is known[n] for n in given):
                    values |= {name: known[name] for name in node.outputs}
                    continue
                self.spent += _cost(graph, node)
                made = OPS[node.op].run_int(
                    graph.call(node), constants[node.name], *(values[n] for n in given)
                )
                for name, y in zip(node.outputs, wrapped(made, len(node.outputs)), strict=True):
                    values[name] = known[name] if base and np.array_equal(y, known[name]) else y
            state = interpret.following(graph, values)
            found.append(values)
        return Trial(graph, constants, tuple(found), self._snr(graph, found))

    def _snr(self, graph: Graph, found: list[interpret.Values]) -> float:
        powers = self._reference.powers_of(graph, found)
        parts = [noise / signal for signal, noise in powers if signal]
        return decibels(len(parts), fsum(parts))


def _cost(graph: Graph, node: Node) -> int:
    if OPS[node.op].view:
        return 0
    call = graph.call(node)
    return NODE_COST + OPS[node.op].macs(call) + 8 * sum(y.size for y in call.outputs)
