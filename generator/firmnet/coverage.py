"""How much of a network do some inputs reach? What never varies over all of them is not proven by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .interpret import int_values
from .ir import Array, Dtype, Graph, Node, Port, QParams
from .ops import OPS
from .ops.pick import PickAttrs, is_constant
from .ops.tables import TableOp

MOST_LAYERS = 3
"""So many layers are named in a sentence; the rest are counted."""


@dataclass(frozen=True)
class LayerCoverage:
    """What one layer's output took on: how many of 256 levels, how many of its channels varied.

    Of values with more than 8 bits the levels are those of their upper 8. `saturated` is the share of values
    at an end of their type that stands for "or beyond"; `table_entries`, of a layer that is a table of 256,
    how many were read.
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
    """What `inputs` inputs reached; `clipped` is the share of their float values beyond the input's range.

    `still`: which inputs and outputs never vary, where the model has several of them and not all outputs do.
    """

    inputs: int
    outputs_vary: bool
    layers: tuple[LayerCoverage, ...]
    clipped: float | None = None
    still: tuple[str, ...] = ()

    @property
    def weakness(self) -> str:
        """Why these inputs prove little, in one clause; "" when they reach every layer."""
        found = []
        if self.inputs == 1:
            found.append("there is only one")
        elif not self.outputs_vary:
            found.append("the outputs never vary")
        elif self.still:
            found.append(f"{', '.join(self.still)} never {'vary' if len(self.still) > 1 else 'varies'}")
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
    at_ends: dict[str, int] = field(default_factory=dict)

    def add(self, values: Mapping[str, Array]) -> None:
        """Every activation of one inference by name."""
        self.count += 1
        for name, y in values.items():
            q = self.graph.tensors[name].q
            levels = np.bincount(_upper_bits(y, q.dtype), minlength=256)
            self.at_ends[name] = self.at_ends.get(name, 0) + _at_ends(y, q)
            low, high = _ends(y)
            if name in self.seen:
                self.seen[name] += levels
                low, high = np.minimum(low, self.low[name]), np.maximum(high, self.high[name])
            else:
                self.seen[name] = levels
            self.low[name], self.high[name] = low, high

    def coverage(self, clipped: float | None = None) -> Coverage:
        layers = [node for node in self.graph.nodes if not OPS[node.op].view]
        layers = [
            node for node in layers if not (isinstance(node.attrs, PickAttrs) and is_constant(node.attrs))
        ]
        vary = any(self._varies(port) for port in self.graph.outputs)
        ports = [("input", port) for port in self.graph.inputs] + [("output", p) for p in self.graph.outputs]
        still = tuple(f"{what} {port.name!r}" for what, port in ports if not self._varies(port))
        return Coverage(self.count, vary, tuple(map(self._layer, layers)), clipped, still if vary else ())

    def _varies(self, port: Port) -> bool:
        return bool(np.any(self.low[port.tensor] != self.high[port.tensor]))

    def _layer(self, node: Node) -> LayerCoverage:
        seen = np.sum([self.seen[name] for name in node.outputs], axis=0)
        varying = np.concatenate([self.low[name] != self.high[name] for name in node.outputs])
        entries = None
        if isinstance(OPS[node.op], TableOp) and self.graph.tensors[node.inputs[0]].dtype is Dtype.INT8:
            entries = int((self.seen[self.graph.activations(node)[0]] > 0).sum())
        return LayerCoverage(
            name=node.name,
            op=node.op,
            levels=int((seen > 0).sum()),
            channels=varying.size,
            varying_channels=int(varying.sum()),
            saturated=sum(self.at_ends[name] for name in node.outputs) / int(seen.sum()),
            table_entries=entries,
        )


def _ends(y: Array) -> tuple[Array, Array]:
    """The least and the largest value of every channel, the last axis as it is stored."""
    flat = y.reshape(-1, y.shape[-1] if y.ndim else 1)
    return flat.min(axis=0), flat.max(axis=0)


def _upper_bits(y: Array, dtype: Dtype) -> Array:
    """The upper 8 bits of every value, as numbers from 0 on."""
    bits: Array = (y.ravel().astype(np.int64) - dtype.low) >> (dtype.bits - 8)
    return bits


def _at_ends(y: Array, q: QParams) -> int:
    """How many values are the largest, or the least where that is not zero, an activation's own lower end."""
    least = int((y == q.dtype.low).sum()) if q.zero_point != q.dtype.low else 0
    return int((y == q.dtype.high).sum()) + least


def most_telling(graph: Graph, inputs: Sequence[Sequence[Array]], certain: int, count: int) -> list[int]:
    """Which of some samples of all inputs, as stored, to verify with: at most `count`, by index.

    The first `certain` (1 or more) whatever they reach, then each time the one that moves most channels which
    have not varied; of equals the first.
    """
    chosen, others = list(range(certain)), range(certain, len(inputs))
    low, high = _extremes(graph, inputs[certain - 1])
    for i in reversed(range(certain - 1)):
        if np.all(low != high):  # no sample moves more
            break
        low, high = _joined((low, high), _extremes(graph, inputs[i]))
    if np.all(low != high):
        return [*chosen, *others][: max(count, certain)]
    left = {i: _extremes(graph, inputs[i]) for i in others}

    def moved_by(i: int) -> int:
        return int(((low == high) & ((left[i][0] != low) | (left[i][1] != high))).sum())

    while left and len(chosen) < count:
        best = max(left, key=lambda i: (moved_by(i), -i))
        chosen.append(best)
        low, high = _joined((low, high), left.pop(best))
    return chosen


Extremes = tuple[Array, Array]
"""The least and the largest value of every channel of all activations, one behind the other."""


def _extremes(graph: Graph, inputs: Sequence[Array]) -> Extremes:
    """Over one inference."""
    low, high = zip(*(_ends(y) for y in int_values(graph, *inputs).values()), strict=True)
    return np.concatenate(low), np.concatenate(high)


def _joined(a: Extremes, b: Extremes) -> Extremes:
    return np.minimum(a[0], b[0]), np.maximum(a[1], b[1])


def clipped_share(samples: Sequence[Array], qs: Sequence[QParams]) -> float:
    """The share of float values that lie beyond what their type holds, by more than rounding."""
    beyond = 0
    for x, q in zip(samples, qs, strict=True):
        low, high = q.range
        beyond += int(((x < low - q.scale[0] / 2) | (x > high + q.scale[0] / 2)).sum())
    return beyond / sum(x.size for x in samples)
