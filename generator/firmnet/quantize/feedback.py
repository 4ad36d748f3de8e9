"""Which way are weights rounded? So that each one makes up for those before it (Frantar et al., 2022).

What a weight loses by rounding goes to the weights behind it in its row, as far as their inputs vary together
in the calibration samples, and what is lost on average into the bias. Some samples are left out of that: they
decide whether the outputs gain by it.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from math import ceil, sqrt

import numpy as np

from ..ir import Array, Graph, Node, Tensor
from ..ops import OPS
from ..ops.conv2d import window_of
from ..ops.recurrent import RECURRENT_OPS, Recurrent
from ..qmath import INT32_MAX
from .quality import spread
from .runs import SampleRuns
from .signals import Reference

JUDGED_EVERY = 3
"""One sample, or sequence, of so many is left for the judgement."""
LEAST_JUDGED, MOST_JUDGED, MOST_JUDGED_STEPS = 4, 32, 256
MOST_LEARNED, MOST_LEARNED_STEPS = 64, 2048
DAMPING = 0.1
"""Of the mean variance of a tensor: how far its values are taken to vary by themselves."""
STILL = 1e-9
"""Of the most: what tensors that hardly vary are damped with."""
MOST_COLUMNS = 640
LINES = 2048
"""So many places of all samples together a layer of places is known by, or a little more."""
MOST_WORK = 4_000_000_000
"""What a network may take, in multiply-accumulates; layers that find no room are left."""
MOST_LOST_DB = 3.0
"""By all samples together, of which one near a fork may have nearly all the noise, where the others gain."""
FLOOR = 1e-3
"""Of a sample's noise: where there is less, there is nothing to gain."""


@dataclass(frozen=True)
class Compensated:
    """An integer graph whose weights make up for each other in these layers, and what a sample that was not
    used for it gains by that on average.
    """

    graph: Graph
    layers: tuple[str, ...]
    gain_db: float


@dataclass(frozen=True)
class _Part:
    """Rows of weights that are multiplied by the same values: of one tensor, or of several side by side.

    `rows` are those of the weights, `biases` those of the bias. Where there are `groups`, each has its share
    of the rows, and values of its own.
    """

    weights: tuple[int, ...]
    rows: slice
    biases: slice
    groups: int = 1


class _Moments:
    """Means (groups, K) and covariances (groups, K, K) of what rows are multiplied by."""

    def __init__(self) -> None:
        self._count, self._sum, self._products = 0, np.zeros(()), np.zeros(())

    @classmethod
    def of(cls, parts: Sequence["_Moments"]) -> "_Moments":
        """Of all lines that these have seen."""
        found = cls()
        for part in parts:
            found._count += part._count
            found._sum = found._sum + part._sum
            found._products = found._products + part._products
        return found

    def add(self, lines: Array) -> None:
        """Lines (groups, N, K)."""
        self._count += lines.shape[1]
        self._sum = self._sum + lines.sum(axis=1)
        self._products = self._products + lines.transpose(0, 2, 1) @ lines

    @property
    def mean(self) -> Array:
        mean: Array = self._sum / self._count
        return mean

    @property
    def covariance(self) -> Array:
        mean = self.mean
        covariance: Array = self._products / self._count - mean[:, :, None] * mean[:, None, :]
        return covariance


class Compensation:
    """What calibration samples say about the weights of integer graphs that are made from one float graph."""

    def __init__(self, floats: SampleRuns) -> None:
        self._floats = floats
        self._learned, self._judged = _split(floats)
        self._seen: dict[str, list[_Moments]] = {}

    def of(self, integer: Graph, least_db: float) -> Compensated | None:
        """The integer graph with weights rounded anew, scales and all else as they were; None where samples
        not used for that gain less than `least_db`, or where there are too few.
        """
        floats = self._floats
        layers = _layers(floats.graph, integer, len(self._learned))
        if len(self._judged) < LEAST_JUDGED or not layers:
            return None
        self._seen |= _seen(
            floats, [real for _, real in layers if real.name not in self._seen], self._learned
        )
        graph, changed = integer, []
        for steps in _alike(integer, floats.graph, layers):
            node, real = steps[0]
            seen = [_Moments.of(each) for each in zip(*(self._seen[n.name] for n, _ in steps), strict=True)]
            better = _better(graph, floats.graph, node, real, seen)
            if better is not None:
                graph = _handed_on(better, [n for n, _ in steps])
                changed += [n.name for n, _ in steps]
        gain_db = _gain(floats, self._judged, integer, graph) if changed else 0.0
        return Compensated(graph, tuple(changed), gain_db) if gain_db >= least_db else None


def remembers(graph: Graph) -> bool:
    """Whether what weights lose adds up from step to step."""
    return bool(graph.states) or any(node.op in RECURRENT_OPS for node in graph.nodes)


def _split(floats: SampleRuns) -> tuple[list[int], list[int]]:
    """The numbers of samples to learn from, and of others to judge by; of sequences those of all steps."""
    if not floats.graph.states:
        shown = spread(len(floats.sequence), MOST_LEARNED + MOST_JUDGED)
        shown.sort(key=lambda i: _digest(floats.sequence[i]))  # in whatever order they were given
        judged = shown[JUDGED_EVERY - 1 :: JUDGED_EVERY]
        return [i for n, i in enumerate(shown) if (n + 1) % JUDGED_EVERY], judged
    ends = [end + 1 for end in floats.ends]
    sequences = [range(*each) for each in zip(floats.starts, ends, strict=True)]
    if len(sequences) < JUDGED_EVERY:
        thirds = [ends[0] * i // JUDGED_EVERY for i in range(JUDGED_EVERY + 1)]
        sequences = [range(*each) for each in pairwise(thirds)]
    shown = [i for each in sequences[JUDGED_EVERY - 1 :: JUDGED_EVERY] for i in each]
    others = [i for n, each in enumerate(sequences) if (n + 1) % JUDGED_EVERY for i in each]
    return others[:MOST_LEARNED_STEPS], shown[:MOST_JUDGED_STEPS]


def _digest(sample: Sequence[Array]) -> bytes:
    return sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in sample)).digest()


def _layers(real: Graph, integer: Graph, samples: int) -> list[tuple[Node, Node]]:
    """The layers that so many samples may tell about, each with that of the float graph."""
    named, left, found = {node.name: node for node in real.nodes}, MOST_WORK, []
    for node in integer.nodes:
        if node.op not in (*RECURRENT_OPS, "linear", "conv2d") or node.name not in named:
            continue
        work = sum(_work(integer, node, part, samples) for part in _parts(integer, node))
        if work <= left:
            left -= work
            found.append((node, named[node.name]))
    return found


def _alike(integer: Graph, real: Graph, layers: Sequence[tuple[Node, Node]]) -> list[list[tuple[Node, Node]]]:
    """Layers with the same constants and scales, as the steps of a loop have them: they stay the same."""
    found: dict[Hashable, list[tuple[Node, Node]]] = {}
    for node, meant in layers:
        read = [(t.q, None if t.data is None else t.data.tobytes()) for t in integer.call(node).inputs]
        made = [t.q for t in integer.call(node).outputs]
        weights = [t.values.tobytes() for t in real.call(meant).inputs if t.data is not None]
        key = (node.op, node.attrs, *read, *made, *weights)
        found.setdefault(key, []).append((node, meant))
    return list(found.values())


def _handed_on(graph: Graph, alike: Sequence[Node]) -> Graph:
    """The constants of the first of these layers for all of them."""
    first, *others = alike
    tensors = dict(graph.tensors)
    for node in others:
        for mine, its in zip(node.inputs, first.inputs, strict=True):
            if tensors[mine].data is not None:
                tensors[mine] = replace(tensors[mine], data=tensors[its].data)
    return replace(graph, tensors=tensors)


def _work(graph: Graph, node: Node, part: _Part, samples: int) -> int:
    """About; more than there may be for rows that are too long."""
    weights = [graph.tensors[node.inputs[i]].values for i in part.weights]
    columns = sum(int(w[0].size) for w in weights)
    if columns > MOST_COLUMNS:
        return MOST_WORK + 1
    if node.op in RECURRENT_OPS:
        lines = samples * graph.tensors[node.inputs[0]].shape[1]
    else:
        lines = min(LINES, samples * graph.tensors[node.output].size // len(weights[0]))
    rows = len(weights[0]) // part.groups
    return part.groups * columns**2 * (lines + columns + rows // 2)


def _parts(graph: Graph, node: Node) -> list[_Part]:
    op = OPS[node.op]
    if not isinstance(op, Recurrent):
        return [_Part((1,), slice(None), slice(None), getattr(node.attrs, "groups", 1))]
    places = op.parts(node.attrs, tuple(range(len(node.inputs))))
    x, h = places["input_weight"], places["state_weight"]
    rows = len(graph.tensors[node.inputs[x]].values)
    apart = (op.biases - op.gates) * rows // op.gates
    both = rows - apart
    parts = [_Part((x, h), slice(both), slice(both))]
    if apart:
        parts += [
            _Part((x,), slice(both, rows), slice(both, rows)),
            _Part((h,), slice(both, rows), slice(rows, None)),
        ]
    return parts


def _seen(floats: SampleRuns, layers: Sequence[Node], learned: Sequence[int]) -> dict[str, list[_Moments]]:
    """Of each part of each layer."""
    graph = floats.graph
    found = {node.name: [_Moments() for _ in _parts(graph, node)] for node in layers}
    for i in learned if layers else ():
        values = floats[i]
        for node in layers:
            given = [values[n] if n in values else graph.tensors[n].values for n in node.inputs]
            read = dict(_lines(graph, node, given, len(learned)))
            for part, moments in zip(_parts(graph, node), found[node.name], strict=True):
                moments.add(np.concatenate([read[weight] for weight in part.weights], axis=2))
    return found


def _lines(graph: Graph, node: Node, given: list[Array], samples: int) -> Iterator[tuple[int, Array]]:
    """What the rows of each weight, by its number among the inputs, are multiplied by: (groups, N, K)."""
    op, call = OPS[node.op], graph.call(node)
    most = ceil(LINES / samples)
    if isinstance(op, Recurrent):
        places = op.parts(node.attrs, tuple(range(len(node.inputs))))
        x = given[places["x"]][:, ::-1] if node.attrs.reverse else given[places["x"]]
        yield places["input_weight"], x.reshape(1, -1, x.shape[-1])
        hidden = op.held(call, *given)[0][:, :-1]
        yield places["state_weight"], hidden.reshape(1, -1, hidden.shape[-1])
    elif node.op == "linear":
        lines = given[0].reshape(1, -1, given[0].shape[-1])
        yield 1, lines[:, :: ceil(lines.shape[1] / most)]
    else:
        step = ceil(sqrt(call.output.shape[1] * call.output.shape[2] / most))
        taps = [tap[0, ::step, ::step] for tap in window_of(call).taps(given[0], 0.0)]
        rows = np.stack(taps, axis=2)  # (rows, columns, taps, channels)
        groups = node.attrs.groups
        split = rows.reshape(-1, len(taps), groups, rows.shape[-1] // groups).transpose(2, 0, 1, 3)
        yield 1, split.reshape(groups, split.shape[1], -1)


def _better(graph: Graph, floats: Graph, node: Node, real: Node, moments: list[_Moments]) -> Graph | None:
    """With this layer's weights rounded anew; None where that would not fit."""
    op = OPS[node.op]
    tensors = dict(graph.tensors)
    place = op.parts(node.attrs, tuple(range(len(node.inputs))))["bias"] if isinstance(op, Recurrent) else 2
    bias = tensors[node.inputs[place]]
    moved = bias.values.astype(np.float64)
    for part, seen in zip(_parts(graph, node), moments, strict=True):
        weights = [tensors[node.inputs[i]] for i in part.weights]
        meant = [floats.tensors[real.inputs[i]].values for i in part.weights]
        try:
            levels, lost = _rounded(part, weights, meant, seen)
        except np.linalg.LinAlgError:
            return None
        begin = 0
        for w in weights:
            data = w.values.copy()
            size = data[0].size
            data[part.rows] = levels[:, begin : begin + size].reshape(data[part.rows].shape)
            tensors[w.name] = replace(w, data=data)
            begin += size
        moved[part.biases] += lost / np.broadcast_to(np.asarray(bias.q.scale), moved.shape)[part.biases]
    if np.abs(moved).max() > INT32_MAX:
        return None
    tensors[bias.name] = replace(bias, data=np.rint(moved).astype(bias.values.dtype))
    better = replace(graph, tensors=tensors)
    try:
        op.prepare(better.call(node))
    except (ValueError, OverflowError):
        return None
    return better


def _rounded(
    part: _Part, weights: Sequence[Tensor], real: Sequence[Array], seen: _Moments
) -> tuple[Array, Array]:
    """Levels (rows, K) of the weights side by side, and what each row loses on average."""
    shown = [w[part.rows].reshape(len(w[part.rows]), -1) for w in real]
    scales = [np.broadcast_to(np.asarray(w.q.scale), len(w.values))[part.rows] for w in weights]
    steps = np.concatenate(
        [np.repeat(s[:, None], w.shape[1], axis=1) for s, w in zip(scales, shown, strict=True)], axis=1
    )
    wanted = np.concatenate(shown, axis=1)
    rest, steps = (x.reshape(part.groups, -1, x.shape[1]).copy() for x in (wanted, steps))
    levels, upper = np.zeros_like(rest), _feedback(seen.covariance, [w.shape[1] for w in shown])
    for k in range(rest.shape[2]):
        levels[:, :, k] = np.clip(np.rint(rest[:, :, k] / steps[:, :, k]), -127, 127)
        left = (rest[:, :, k] - levels[:, :, k] * steps[:, :, k]) / upper[:, k, k, None]
        rest[:, :, k + 1 :] -= left[:, :, None] * upper[:, None, k, k + 1 :]
    lost = (wanted.reshape(rest.shape) - levels * steps) @ seen.mean[:, :, None]
    return levels.reshape(wanted.shape), lost.reshape(-1)


def _feedback(covariance: Array, sizes: Sequence[int]) -> Array:
    """How what an input's weight loses goes to those behind it: upper triangles (groups, K, K)."""
    own = np.split(np.maximum(np.einsum("gkk->gk", covariance), 0.0), np.cumsum(sizes)[:-1], axis=1)
    means = [np.broadcast_to(each.mean(axis=1, keepdims=True), each.shape) for each in own]
    damping = DAMPING * np.concatenate(means, axis=1)
    most = damping.max(axis=1, keepdims=True)
    damping = np.where(most > 0, np.maximum(damping, STILL * most), 1.0)
    inverse = np.linalg.inv(covariance + damping[:, :, None] * np.eye(damping.shape[1]))
    lower = np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2)
    return lower.transpose(0, 2, 1)


def _gain(floats: SampleRuns, judged: Sequence[int], before: Graph, after: Graph) -> float:
    """What a sample gains on average, in dB; nothing where all together lose much."""
    reference = Reference(floats, judged)
    plain, better = (
        reference.noise_of(graph, (floats.integers(graph)[i] for i in judged)) for graph in (before, after)
    )
    if not plain.any() or better.sum() > 10 ** (MOST_LOST_DB / 10) * plain.sum():
        return 0.0
    least = FLOOR * plain.mean()
    return float(10 * np.log10((plain + least) / (better + least)).mean())
