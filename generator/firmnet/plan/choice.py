"""Which layers run as cascades, so that a limit is kept and as little time as possible is lost?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from ..ir import Graph, Node
from ..kernels import choices
from ..ops import OPS
from ..targets import Isa
from .cascade import ALIGNMENT, Sketch, Striper
from .step import Step, cascaded, distances, need, need_instead, single, storages, view

MAX_LAYERS = 16
"""The longest cascade tried."""
HEIGHTS = (256, 128, 64, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
"""Rows of a stripe, the cheapest first."""

FREE_CYCLES_PER_MAC = {Isa.SCALAR: 1 / 100, Isa.DSP: 1 / 500, Isa.HELIUM: 1 / 500}
"""What cascades may cost without being asked for.

Below 0.2 % of the time: kernels take some 6 cycles per multiply-accumulate without the DSP extension, 1.1 to
1.4 with it.
"""
LEAST_GAIN = 0.02
"""The part of the memory that a further cascade must save to be looked for."""


@dataclass(frozen=True)
class _Way:
    """Steps up to some layer: the most memory that one of them needs, and the cycles that they cost more."""

    need_bytes: int = 0
    extra_cycles: int = 0
    steps: tuple[Step, ...] = ()

    def then(self, step: Step, need_bytes: int) -> "_Way":
        extra = self.extra_cycles + step.extra_cycles
        return _Way(max(self.need_bytes, need_bytes), extra, (*self.steps, step))


@dataclass(frozen=True)
class _Limits:
    """What a cascade must keep: more than `capacity` only if there is none within, never the others."""

    capacity: int
    need_bytes: float
    extra_cycles: float


class _Tried:
    """What an iterator gives, made once, as far as somebody has asked for it."""

    def __init__(self, source: Iterator[tuple[Step, int]]) -> None:
        self._source, self._known = source, list[tuple[Step, int]]()

    def __iter__(self) -> Iterator[tuple[Step, int]]:
        yield from self._known
        for step in self._source:
            self._known.append(step)
            yield step


class Search:
    """Chooses the steps of a graph; remembers what its cascades need."""

    def __init__(self, graph: Graph, isa: Isa) -> None:
        self.graph, self.striper = graph, Striper(graph, isa)
        self._ways = self._by_layer()
        self.singles = tuple(ways[0][0] for ways in self._ways)
        self._sketches: dict[tuple[int, int], list[tuple[Sketch, int]]] = {}
        self._cascades: dict[tuple[int, int, int], _Tried] = {}

    def ever_smaller(self, capacity: int) -> Iterator[tuple[Step, ...]]:
        """The cheapest steps of which none needs more than `capacity` bytes, then the cheapest that need less
        than those, and so on to the least; at last those that need the least wherever they are.
        """
        way = self._cheapest(capacity)
        while 0 < way.need_bytes <= capacity:
            yield way.steps
            capacity = way.need_bytes - ALIGNMENT
            way = self._cheapest(capacity)
        yield self._cheapest(way.need_bytes).steps
        yield self._cheapest(0).steps

    def nearly_free(self) -> tuple[Step, ...]:
        """The steps that need the least memory, of those that cost nearly nothing."""
        macs = sum(OPS[n.op].macs(self.graph.call(n)) for n in self.graph.nodes)
        budget = FREE_CYCLES_PER_MAC[self.striper.isa] * macs
        best = _Way(max((ways[0][1] for ways in self._ways), default=0), 0, self.singles)
        while True:
            capacity = int(best.need_bytes * (1 - LEAST_GAIN))
            way = self._cheapest(capacity, budget)
            if not 0 < way.need_bytes <= capacity or way.extra_cycles > budget:
                return best.steps
            best = way

    def _cheapest(self, capacity: int, budget: float = inf) -> _Way:
        """The cheapest steps of which none needs more than `capacity` bytes; else those that need the least.

        None that cost more than `budget` are looked for.

        A shortest path: a layer whose cheapest kernel needs more than the capacity runs by a dearer one, or
        within some cascade; others run alone.
        """
        above = [i for i, ways in enumerate(self._ways) if ways[0][1] > capacity]
        best: list[_Way | None] = [_Way(), *[None] * len(self.singles)]

        def rank(way: _Way) -> tuple[int, int, int]:
            return max(way.need_bytes, capacity), way.extra_cycles, way.need_bytes

        def offer(end: int, way: _Way) -> None:
            known = best[end]
            if known is None or rank(way) < rank(known):
                best[end] = way

        for i, ways in enumerate(self._ways):
            before = best[i]
            assert before is not None
            for step, bytes_ in ways if i in above else ways[:1]:
                offer(i + 1, before.then(step, bytes_))
            for end in self._ends(i, above):
                found = self._cascade(i, end, self._limits(before, best[end], capacity, budget))
                if found:
                    offer(end, before.then(*found))
        way = best[-1]
        assert way is not None
        return way

    def _by_layer(self) -> list[list[tuple[Step, int]]]:
        """The steps that run each layer alone, by its kernels, the cheapest first, and the bytes they need.

        Only those that need less than all that are cheaper.
        """
        steps = [self._alone(node) for node in self.graph.nodes]
        first = [alone[0] for alone in steps]
        alive = storages(self.graph, first)
        sharing = distances(first, alive)
        found = []
        for i, alone in enumerate(steps):
            ways = [(first[i], need(alive, sharing, i))]
            for step in alone[1:]:
                bytes_ = need_instead(alive, i, first[i], step)
                if bytes_ < ways[-1][1]:
                    ways.append((step, bytes_))
            found.append(ways)
        return found

    def _alone(self, node: Node) -> list[Step]:
        """A layer by each of its kernels, the cheapest first."""
        if OPS[node.op].view:
            return [view(self.graph, node)]
        ways = choices(node.op, self.graph.call(node), self.striper.isa)
        return [single(self.graph, node, way, round(way.cycles - ways[0].cycles)) for way in ways]

    def _ends(self, first: int, above: Sequence[int]) -> Iterator[int]:
        """Where a cascade may end that begins with layer `first` and holds one of those `above`."""
        for end in range(first + 1, min(first + MAX_LAYERS, len(self.singles)) + 1):
            if self.striper.reach(self.singles[end - 1].nodes[0]) is None:
                return
            if any(first <= i < end for i in above):
                yield end

    def _limits(self, before: _Way, known: _Way | None, capacity: int, budget: float) -> "_Limits":
        """What a cascade behind `before` must keep so that they are better than what is `known`."""
        most_bytes, most_cycles = inf, budget - before.extra_cycles
        if known:
            most_bytes = max(known.need_bytes, capacity)
            if known.need_bytes <= capacity:
                most_cycles = min(most_cycles, known.extra_cycles - before.extra_cycles)
        return _Limits(capacity, most_bytes, most_cycles)

    def _cascade(self, first: int, end: int, limits: "_Limits") -> tuple[Step, int] | None:
        """The cheapest of layers first ≤ i < end that keeps within the capacity, else the smallest.

        None where it does not keep the other limits.
        """
        possible = self._possible(first, end)
        fitting: tuple[Step, int] | None = None
        least: tuple[Step, int] | None = None
        for sketch, at_least in possible:
            most = min(limits.extra_cycles, fitting[0].extra_cycles - 1) if fitting else limits.extra_cycles
            if sketch.extra_cycles > most or at_least > limits.need_bytes:
                continue
            if at_least > limits.capacity and sketch is not possible[-1][0]:
                continue
            for step, bytes_ in self._tried(first, end, sketch):
                if step.extra_cycles > most:
                    break
                if bytes_ <= limits.capacity:
                    fitting = step, bytes_
                    break
                if least is None or bytes_ < least[1]:
                    least = step, bytes_
        return fitting or least

    def _possible(self, first: int, end: int) -> list[tuple[Sketch, int]]:
        """Cascades, those of the highest stripes first, each with bytes below which it cannot be."""
        if (first, end) not in self._sketches:
            nodes = [step.nodes[0] for step in self.singles[first:end]]
            tensors, output = self.graph.tensors, nodes[-1].output
            whole = max(tensors[name].byte_count for name in (*self.graph.activations(nodes[0]), output))
            heights = [height for height in HEIGHTS if height < tensors[output].shape[1]]
            made = [sketch for sketch in (self.striper.sketch(nodes, height) for height in heights) if sketch]
            self._sketches[first, end] = [(sketch, sketch.rolling_bytes + whole) for sketch in made]
        return self._sketches[first, end]

    def _tried(self, first: int, end: int, sketch: Sketch) -> Iterator[tuple[Step, int]]:
        """The steps of a cascade, by the cheapest kernels first, and what they need whatever the others are.

        Only those that need less than all that are cheaper.
        """
        key = first, end, sketch.height
        if key not in self._cascades:
            self._cascades[key] = _Tried(self._stepping(first, end, sketch))
        return iter(self._cascades[key])

    def _stepping(self, first: int, end: int, sketch: Sketch) -> Iterator[tuple[Step, int]]:
        least = inf
        for cascade in self.striper.cascades(sketch):
            step, bytes_ = self._needing(first, cascaded(cascade), end)
            if bytes_ < least:
                yield step, bytes_
            least = min(least, bytes_)

    def _needing(self, first: int, step: Step, end: int) -> tuple[Step, int]:
        (bytes_,) = self._needs([*self.singles[:first], step, *self.singles[end:]], [first])
        return step, bytes_

    def _needs(self, steps: Sequence[Step], which: Iterable[int]) -> list[int]:
        """Bytes that these of the steps need."""
        alive = storages(self.graph, steps)
        sharing = distances(steps, alive)
        return [need(alive, sharing, i) for i in which]
