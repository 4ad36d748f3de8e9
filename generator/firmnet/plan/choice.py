"""Which layers run as cascades, so that a limit is kept and as little time as possible is lost?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..ir import Graph
from ..ops import OPS
from .cascade import Striper
from .step import Step, cascaded, distances, need, storages

MAX_LAYERS = 16
"""The longest cascade tried."""
HEIGHTS = (32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
"""Rows of a stripe, the cheapest first."""


FREE_CYCLES_PER_MAC = {True: 1 / 500, False: 1 / 100}
"""What cascades may cost without being asked for, with the DSP extension and without.

Below 0.2 % of the time: kernels take 1.1 to 1.4 cycles per multiply-accumulate there, some 6 here."""


LEAST_GAIN = 0.02
"""The part of the memory that a further cascade must save to be looked for."""


@dataclass(frozen=True)
class _Way:
    """Steps up to some layer: the most memory that one of them needs, and the cycles that cascades cost."""

    need_bytes: int
    extra_cycles: int
    steps: tuple[Step, ...] = ()

    def then(self, step: Step, need_bytes: int) -> "_Way":
        cost = step.cascade.extra_cycles if step.cascade else 0
        return _Way(max(self.need_bytes, need_bytes), self.extra_cycles + cost, (*self.steps, step))

    def rank(self) -> tuple[int, int]:
        return self.need_bytes, self.extra_cycles


def choose(graph: Graph, singles: Sequence[Step], striper: Striper, capacity: int) -> tuple[Step, ...]:
    """The cheapest steps of which none needs more than `capacity` bytes; else those that need the least.

    A shortest path: every layer above the capacity is passed within some cascade, others run alone.
    """
    alone = _needs(graph, singles)
    above = [i for i, bytes_ in enumerate(alone) if bytes_ > capacity]
    best: list[_Way | None] = [_Way(capacity, 0), *[None] * len(singles)]

    def offer(end: int, way: _Way) -> None:
        known = best[end]
        if known is None or way.rank() < known.rank():
            best[end] = way

    for i, step in enumerate(singles):
        before = best[i]
        assert before is not None
        offer(i + 1, before.then(step, alone[i]))
        for end in _ends(singles, striper, i, above):
            found = _cascade(graph, singles, striper, i, end, capacity)
            if found:
                offer(end, before.then(*found))
    way = best[-1]
    assert way is not None
    return way.steps


def nearly_free(graph: Graph, singles: Sequence[Step], striper: Striper) -> tuple[Step, ...]:
    """The steps that need the least memory, of those that cost nearly nothing."""
    macs = sum(OPS[node.op].cost(graph.call(node), striper.dsp).macs for node in graph.nodes)
    budget = FREE_CYCLES_PER_MAC[striper.dsp] * macs
    best = tuple(singles)
    while True:
        capacity = int(max(_needs(graph, best), default=0) * (1 - LEAST_GAIN))
        steps = choose(graph, singles, striper, capacity)
        extra = sum(step.cascade.extra_cycles for step in steps if step.cascade)
        if max(_needs(graph, steps), default=0) > capacity or extra > budget:
            return best
        best = steps


def _needs(graph: Graph, steps: Sequence[Step]) -> list[int]:
    alive = storages(graph, steps)
    sharing = distances(steps, alive)
    return [need(alive, sharing, i) for i in range(len(steps))]


def _ends(singles: Sequence[Step], striper: Striper, first: int, above: Sequence[int]) -> Iterator[int]:
    """Where a cascade may end that begins with layer `first` and holds a layer that is above the capacity."""
    for end in range(first + 1, min(first + MAX_LAYERS, len(singles)) + 1):
        if striper.reach(singles[end - 1].nodes[0]) is None:
            return
        if any(first <= i < end for i in above):
            yield end


def _cascade(
    graph: Graph, singles: Sequence[Step], striper: Striper, first: int, end: int, capacity: int
) -> tuple[Step, int] | None:
    """Layers first ≤ i < end in the highest stripes that keep within the capacity, else the smallest."""
    nodes = [step.nodes[0] for step in singles[first:end]]
    whole = max(graph.tensors[name].size for name in (*graph.activations(nodes[0]), nodes[-1].output))
    height = graph.tensors[nodes[-1].output].shape[1]
    rolling = [(rows, striper.rolling_bytes(nodes, rows)) for rows in HEIGHTS if rows < height]
    possible = [(rows, bytes_ + whole) for rows, bytes_ in rolling if bytes_ is not None]
    least: tuple[Step, int] | None = None
    for rows, at_least in possible:
        if at_least > capacity and rows != possible[-1][0]:
            continue
        cascade = striper.cascade(nodes, rows)
        if cascade is None:
            continue
        step = cascaded(cascade)
        steps = [*singles[:first], step, *singles[end:]]
        alive = storages(graph, steps)
        needed = need(alive, distances(steps, alive), first)
        if needed <= capacity:
            return step, needed
        if least is None or needed < least[1]:
            least = step, needed
    return least
