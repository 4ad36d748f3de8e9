"""How much of a network do some inputs reach? What never varies over all of them is not proven by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .interpret import int_values
from .ir import Array, Graph, Node, QParams
from .ops import OPS
from .ops.tables import TableOp

MOST_LAYERS = 3
"""So many layers are named in a sentence; the rest are counted."""


@dataclass(frozen=True)
class LayerCoverage:
    """What one layer's output took on: how many of 256 levels, how many of its channels varied.

    `saturated` is the share of values at an end of int8 that stands for "or beyond"; `table_entries`, of a
    layer that is a table of 256, how many were read.
    """

    name: str
    op: str
    levels: int
    channels: int
    varying_channels: int
    saturated: float
    table_entries: int | None = None

    @property
    def stuck(self) -> str:
        """How this layer says nothing, "" when it says something."""
        if self.saturated == 1:
            return "saturate"
        return "stay constant" if not self.varying_channels else ""


@dataclass(frozen=True)
class Coverage:
    """What `inputs` inputs reached; `clipped` is the share of their float values beyond the input's range."""

    inputs: int
    outputs_vary: bool
    layers: tuple[LayerCoverage, ...]
    clipped: float | None = None

    @property
    def weakness(self) -> str:
        """Why these inputs prove little, in one clause; "" when they reach every layer."""
        found = []
        if self.inputs == 1:
            found.append("there is only one")
        elif not self.outputs_vary:
            found.append("the outputs never vary")
        for how in ("stay constant", "saturate"):
            names = [layer.name for layer in self.layers if layer.stuck == how]
            if names:
                more = f" and {len(names) - MOST_LAYERS} more" if len(names) > MOST_LAYERS else ""
                found.append(f"{', '.join(names[:MOST_LAYERS])}{more} {how if len(names) > 1 else _one(how)}")
        return "; ".join(found)

    def sentence(self) -> str:
        """For people, in one line."""
        if self.weakness:
            return f"the inputs prove little: {self.weakness}"
        channels, varying = (
            sum(getattr(x, key) for x in self.layers) for key in ("channels", "varying_channels")
        )
        idle = f", {channels - varying} of {channels} channels never do" if channels > varying else ""
        return f"every layer varies over the {self.inputs} inputs{idle}"

    def limits(self) -> str:
        """For people, in one line: what was clipped at the input, and saturates; "" where inputs are int8."""
        if self.clipped is None:
            return ""
        most = max(self.layers, key=lambda layer: layer.saturated, default=None)
        where = f"; at most {most.saturated:.1%} saturate in a layer, in {most.name!r}" if most else ""
        return (
            f"{self.clipped:.1%} of the input values lie beyond the calibrated range and were clipped{where}"
        )


def _one(how: str) -> str:
    return {"stay constant": "stays constant", "saturate": "saturates"}[how]


@dataclass
class Reached:
    """Grows input by input from the oracle's values; never looks at an input twice."""

    graph: Graph
    count: int = 0
    low: dict[str, Array] = field(default_factory=dict)
    high: dict[str, Array] = field(default_factory=dict)
    seen: dict[str, Array] = field(default_factory=dict)

    def add(self, values: Mapping[str, Array]) -> None:
        """Every activation of one inference, int8, by name."""
        self.count += 1
        for name, y in values.items():
            levels = np.bincount(y.view(np.uint8).ravel(), minlength=256)
            low, high = _ends(y)
            if name in self.seen:
                self.seen[name] += levels
                low, high = np.minimum(low, self.low[name]), np.maximum(high, self.high[name])
            else:
                self.seen[name] = levels
            self.low[name], self.high[name] = low, high

    def coverage(self, clipped: float | None = None) -> Coverage:
        layers = [node for node in self.graph.nodes if not OPS[node.op].view]
        output = self.graph.output
        vary = bool((self.low[output] != self.high[output]).any())
        return Coverage(self.count, vary, tuple(map(self._layer, layers)), clipped)

    def moved_by(self, values: Mapping[str, Array]) -> int:
        """How many channels that have not varied so far would, after one more inference."""
        moved = 0
        for name, (low, high) in {name: _ends(y) for name, y in values.items()}.items():
            still = self.low[name] == self.high[name]
            moved += int((still & ((low != self.low[name]) | (high != self.high[name]))).sum())
        return moved

    def _layer(self, node: Node) -> LayerCoverage:
        name, seen = node.output, self.seen[node.output]
        varying = self.low[name] != self.high[name]
        entries = None
        if isinstance(OPS[node.op], TableOp):
            entries = int((self.seen[self.graph.activations(node)[0]] > 0).sum())
        return LayerCoverage(
            name=node.name,
            op=node.op,
            levels=int((seen > 0).sum()),
            channels=varying.size,
            varying_channels=int(varying.sum()),
            saturated=_saturated(self.graph, name, seen),
            table_entries=entries,
        )


def _ends(y: Array) -> tuple[Array, Array]:
    """The least and the largest value of every channel, the last axis as it is stored."""
    flat = y.reshape(-1, y.shape[-1] if y.ndim else 1)
    return flat.min(axis=0), flat.max(axis=0)


def _saturated(graph: Graph, name: str, seen: Array) -> float:
    """The share of values at 127, and at −128 where that is not zero, an activation's own lower end."""
    at_ends = seen[127] + (seen[128] if graph.tensors[name].zero_point != -128 else 0)
    return float(at_ends / seen.sum())


def most_telling(graph: Graph, inputs: Sequence[Array], certain: int, count: int) -> list[int]:
    """Which of some inputs, int8 as stored, to verify with: at most `count`, by index.

    The first `certain` whatever they reach, then each time the one that moves most channels which have not
    varied; of equals the first.
    """
    reached = Reached(graph)
    for x in inputs[:certain]:
        reached.add(int_values(graph, x))
    chosen = list(range(certain))
    left = {i: int_values(graph, x) for i, x in enumerate(inputs) if i >= certain}
    while left and len(chosen) < count:
        best = max(left, key=lambda i: (reached.moved_by(left[i]), -i))
        reached.add(left.pop(best))
        chosen.append(best)
    return chosen


def clipped_share(samples: Array, q: QParams) -> float:
    """The share of float values that lie beyond what int8 holds, by more than rounding."""
    low, high = (q.scale[0] * (level - q.zero_point) for level in (-128.5, 127.5))
    return float(((samples < low) | (samples > high)).mean())
