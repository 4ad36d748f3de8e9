"""gather_norms: a norm written by hand, of means, squares and a root, becomes the one layer that it is.

(x - mean) / sqrt(variance + eps) has many spellings. One is found by its shape, a quotient or product of all
values by one number for each group. Whether that number is their deviation is found out by trying: it must be
so for values of every size, from which eps and a factor follow too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Graph, Node, Shape, Tensor
from ..ops import OPS
from ..ops.layer_norm import LARGEST_GROUP, LayerNormAttrs
from .drop_dead import drop_dead
from .rewrite import named, unique

PARTS = ("add", "avg_pool2d", "batch_norm", "clamp", "div", "mul", "reduce", "reshape", "table", "transpose")
"""Of what means and deviations are written."""
MOST_PARTS = 32
TRIED_SIZES = (1e-9, 1e-5, 1e-2, 1.0, 1e3, 1e6)
"""Of the values that are tried, the least and the greatest at the ends: there eps is all, and nothing."""
SAME = 1e-7
"""How far, relative to them, deviations may be from what they should be."""
LARGEST_ADDED = 1e-4
"""Added to a root."""


def gather_norms(graph: Graph) -> Graph:
    for name in [node.name for node in graph.nodes if node.op in ("div", "mul")]:
        for candidate in _candidates(graph, named(graph, name)):
            if found := _tried(graph, candidate):
                graph = _gathered(graph, candidate, *found)
                break
    return drop_dead(graph)


@dataclass(frozen=True)
class _Candidate:
    """`node` divides x by `spread`, or multiplies by it; or what `centre` makes of x, less its mean, which
    `scalings` go on to multiply by constants.
    """

    node: Node
    x: str
    spread: str
    axes: Shape
    centre: Node | None = None
    scalings: tuple[Node, ...] = ()


def _candidates(graph: Graph, node: Node) -> Iterator[_Candidate]:
    names = graph.activations(node)
    for values, spread in [names, names[::-1]][: 2 if node.op == "mul" else 1] if len(names) == 2 else []:
        x, one = graph.tensors[values].shape, graph.tensors[spread].shape
        axes = tuple(i for i, (n, k) in enumerate(zip(x, one, strict=False)) if n > 1 and k == 1)
        groups = tuple(1 if i in axes else n for i, n in enumerate(x))
        if axes and one == groups and x == graph.tensors[node.output].shape:
            centre, scalings = _centre(graph, values)
            if centre is not None and graph.tensors[centre.output].shape == x:
                yield _Candidate(node, centre.inputs[0], spread, axes, centre, scalings)
            yield _Candidate(node, values, spread, axes)


def _centre(graph: Graph, name: str) -> tuple[Node | None, tuple[Node, ...]]:
    """The difference that a tensor is, but for constant factors and views behind it; None: it is none."""
    behind: tuple[Node, ...] = ()
    node = graph.producer(name)
    while node is not None and (node.op == "reshape" or _is_factor(graph, node)):
        behind = (node, *behind)
        node = graph.producer(node.inputs[0])
    difference = node is not None and node.op == "add" and (node.attrs.a, node.attrs.b) == (1, -1)
    return (node if difference else None), behind


def _is_factor(graph: Graph, node: Node) -> bool:
    return node.op == "batch_norm" and not graph.tensors[node.inputs[2]].values.any()


def _tried(graph: Graph, candidate: _Candidate) -> tuple[LayerNormAttrs, float] | None:
    """The norm that it is, and its gain; None: it is none."""
    size = int(np.prod([graph.tensors[candidate.x].shape[axis] for axis in candidate.axes]))
    wanted = (candidate.spread, *([candidate.centre.output] if candidate.centre else []))
    root = _origin(graph, candidate.x)
    parts = _between(graph, root, wanted)
    if parts is None or size > min(LARGEST_GROUP.values()):
        return None
    spreads, divisors = [], []
    for values in _values(graph.tensors[root]):
        known = _computed(graph, parts, root, values)
        x = values.reshape(graph.tensors[candidate.x].shape)
        if candidate.centre:
            x = x - x.mean(candidate.axes, keepdims=True)
            if not np.allclose(known[candidate.centre.output], x, rtol=0, atol=SAME * np.abs(x).max()):
                return None
        spreads.append((x * x).mean(candidate.axes).ravel())
        divisor = known[candidate.spread].ravel()
        divisors.append(divisor if candidate.node.op == "div" else 1 / divisor)
    return _fitted(candidate, np.array(spreads), np.array(divisors))


def _origin(graph: Graph, name: str) -> str:
    """The tensor of which this one is a view."""
    while (node := graph.producer(name)) is not None and node.op == "reshape":
        name = node.inputs[0]
    return name


def _between(graph: Graph, root: str, wanted: tuple[str, ...]) -> tuple[Node, ...] | None:
    """The layers that make some tensors from one, in order; None: these read another too, or are no parts."""
    needed, waiting = set[str](), [name for name in wanted if name != root]
    while waiting:
        node = graph.producer(waiting.pop())
        if node is None or node.op not in PARTS or len(needed) > MOST_PARTS:
            return None
        if node.name not in needed:
            needed.add(node.name)
            waiting += [name for name in graph.activations(node) if name != root]
    return tuple(node for node in graph.nodes if node.name in needed)


def _values(root: Tensor) -> Iterator[Array]:
    """Noise of every size, and not around 0."""
    rng = np.random.default_rng(0)
    for size in TRIED_SIZES:
        yield size * rng.normal(0.5, 1.0, size=root.shape)


def _computed(graph: Graph, parts: tuple[Node, ...], root: str, values: Array) -> dict[str, Array]:
    """What the layers make of these values, by tensor."""
    known = {root: values}
    for node in parts:
        given = [known[name] if name in known else graph.tensors[name].real for name in node.inputs]
        with np.errstate(all="ignore"):
            known[node.output] = OPS[node.op].run_float(graph.call(node), *given)
    return known


def _fitted(candidate: _Candidate, squares: Array, divisors: Array) -> tuple[LayerNormAttrs, float] | None:
    """Divisors (sizes, groups) as a factor times √(squares + eps), or times √squares + `beside`."""
    factor = float(np.median(divisors[-1] / np.sqrt(squares[-1])))
    if not (np.isfinite(divisors).all() and factor > 0):
        return None
    eps = _rounded(np.median((divisors[0] / factor) ** 2 - squares[0]))
    beside = _rounded(np.median(divisors[0] / factor - np.sqrt(squares[0])))
    options = LayerNormAttrs(candidate.axes, centred=candidate.centre is not None)
    for attrs in (replace(options, eps=eps), replace(options, eps=0.0, beside=beside)):
        made = factor * (np.sqrt(squares + attrs.eps) + attrs.beside)
        if attrs.beside <= LARGEST_ADDED and (np.abs(made - divisors) <= SAME * made).all():
            return attrs, 1 / factor
    return None


def _rounded(value: float) -> float:
    """Without what the trials' own rounding has added."""
    return max(float(f"{value:.9g}"), 0.0)


def _gathered(graph: Graph, candidate: _Candidate, attrs: LayerNormAttrs, gain: float) -> Graph:
    """The norm, and behind it what scaled the difference before it was divided."""
    node, taken = candidate.node, {*graph.tensors}
    constants = []
    for kind, value in (("gain", gain), ("shift", 0.0)):
        constants.append(Tensor(unique(f"{node.name}_{kind}", taken), (1,), None, np.array([value])))
    steps = [replace(node, op="layer_norm", attrs=attrs, inputs=(candidate.x, *(c.name for c in constants)))]
    tensors = {constant.name: constant for constant in constants}
    for scaling in candidate.scalings:
        before = steps[-1]
        name = unique(f"{node.name}_normal", taken | {*tensors})
        tensors[name] = replace(graph.tensors[before.inputs[0]], name=name)
        steps[-1] = replace(before, name=name, outputs=(name,))
        steps.append(
            replace(scaling, name=node.name, inputs=(name, *scaling.inputs[1:]), outputs=node.outputs)
        )
    nodes = [new for old in graph.nodes for new in (steps if old is node else [old])]
    return graph.with_nodes(nodes, **tensors)
