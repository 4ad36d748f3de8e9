"""gather_attention: scores of queries and keys, their softmax and its product with values become one layer.

What lies between, a factor, a mask, a bias, has many spellings. Whether what goes into the softmax are scores
times a factor plus a constant is found out by trying: it must be so for scores of every size.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..ir import Array, Graph, Node, Tensor
from ..ops import OPS
from ..ops.attention import MASKED, MOST_KEYS, AttentionAttrs
from ..ops.reshape import ReshapeAttrs
from .drop_dead import drop_dead
from .rewrite import fresh_name, named, names, only_reader, without

BETWEEN = (
    "add",
    "batch_norm",
    "max_pool2d",
    "mul",
    "pad",
    "reduce",
    "reshape",
    "slice",
    "table",
    "transpose",
)
"""Of what masks and factors are written."""
MOST_BETWEEN = 32
TRIED_SCORES = ((0.1, 0.0), (1.0, 0.0), (4.0, 0.0), (16.0, 0.0), (4.0, -24.0))
"""How large are the scores that are tried, in what the softmax reads, and around what they lie."""
NO_WEIGHT = 1e-7
"""A weight that is less whatever the scores are is that of a key which is kept out."""
LEAST_WEIGHT = 1e-38
"""That of a key which is not: a bias far below the others, which the layer can still express."""
SAME_WEIGHT = 2e-5
"""How far weights may be from what they should be: what is kept out by a number far below has some, too."""


def gather_attention(graph: Graph) -> Graph:
    graph = drop_dead(graph)  # weights that nobody wants
    for name in names(graph, "softmax"):
        found = _found(graph, named(graph, name))
        graph = _gathered(graph, found) if found else graph
    return drop_dead(graph)


@dataclass(frozen=True)
class _Found:
    """`scores` and `mixed` are the two products; `turned`: the second has the weights on its right, turned
    round. `bias` goes with the scores in their own shape.
    """

    scores: Node
    mixed: Node
    turned: bool
    scale: float
    causal: int | None
    bias: Array | None


def _found(graph: Graph, softmax: Node) -> _Found | None:
    mixed, turned = _mixed(graph, softmax)
    parts = _between(graph, softmax)
    if mixed is None or parts is None:
        return None
    scores, *others = parts
    shape, softened = (graph.tensors[name].shape for name in (scores.output, softmax.output))
    weights = graph.tensors[mixed.inputs[int(turned)]].shape
    met = weights[-2:][::-1] if turned else weights[-2:]
    last = softmax.attrs.axis == len(softened) - 1 and len(shape) > 1 and shape[-1] == softened[-1]
    if not last or met != shape[-2:] or prod(shape) != prod(softened) or shape[-1] > MOST_KEYS:
        return None
    fitted = _tried(graph, scores, (*others, softmax)) if _plain(scores) and _plain(mixed) else None
    return _Found(scores, mixed, turned, fitted[0], *_causal(fitted[1])) if fitted else None


def _plain(product: Node) -> bool:
    """As it is imported."""
    attrs = product.attrs
    order = tuple(range(len(attrs.y_order)))
    return attrs.a_order == attrs.b_order == attrs.y_order == order and attrs.lo is attrs.hi is None


def _mixed(graph: Graph, softmax: Node) -> tuple[Node | None, bool]:
    """The product of which the weights are one factor, read by nothing else, as they are or turned round."""
    name, shape = softmax.output, graph.tensors[softmax.output].shape
    places = np.arange(prod(shape), dtype=np.float64).reshape(shape)
    while True:
        readers = graph.consumers(name)
        if len(readers) != 1 or name in graph.wanted:
            return None, False
        (reader,) = readers
        if reader.op not in ("reshape", "transpose"):
            break
        places = OPS[reader.op].run_float(graph.call(reader), places)
        name = reader.output
    if reader.op != "matmul" or reader.inputs[0] == reader.inputs[1]:
        return None, False
    turned = reader.inputs[1] == name
    read = places.swapaxes(-1, -2) if turned else places
    in_order = bool((np.diff(read.ravel()) > 0).all())
    return (reader, turned) if in_order else (None, False)


def _between(graph: Graph, softmax: Node) -> tuple[Node, ...] | None:
    """The product of which the softmax is made, and what makes it of this alone; None: it is not so."""
    needed, waiting, root = set[str](), [softmax.inputs[0]], None
    while waiting:
        node = graph.producer(waiting.pop())
        if node is not None and node.op == "matmul" and root in (None, node):
            root = node
            continue
        if node is None or node.op not in BETWEEN or len(needed) > MOST_BETWEEN:
            return None
        if node.name not in needed:
            needed.add(node.name)
            waiting += graph.activations(node)
    parts = tuple(node for node in graph.nodes if node.name in needed)
    if root is None or not _closed(graph, root, parts, softmax):
        return None
    return (root, *parts)


def _closed(graph: Graph, root: Node, parts: tuple[Node, ...], softmax: Node) -> bool:
    """Whether nobody else reads what lies between."""
    inside = {softmax.name, *(node.name for node in parts)}
    made = [root.output, *(node.output for node in parts)]
    readers = {reader.name for name in made for reader in graph.consumers(name)}
    return readers <= inside and not {*graph.wanted}.intersection(made)


def _tried(graph: Graph, scores: Node, parts: tuple[Node, ...]) -> tuple[float, Array] | None:
    """The factor and the bias, as they go with the scores, with which a softmax of them has these weights."""
    shape = graph.tensors[scores.output].shape
    rng = np.random.default_rng(0)
    noise = rng.normal(size=shape)
    none = _computed(graph, parts, scores.output, 0 * noise)
    tiny = 1e-3
    little = _computed(graph, parts, scores.output, tiny * noise)
    for least in (NO_WEIGHT, LEAST_WEIGHT):
        kept = (none > least) & (little > least)
        found = _fitted(none, little, tiny * noise, kept) if kept.any(-1).all() else None
        if found and _holds(graph, scores.output, parts, *found, rng):
            return found
    return None


def _fitted(none: Array, little: Array, values: Array, kept: Array) -> tuple[float, Array] | None:
    """Factor and bias of what makes these weights of scores that are 0, and those of `values`."""
    logs, moved = (np.log(np.where(kept, weights, 1.0)) for weights in (none, little))
    centred = _centred(values, kept)
    along = float((centred**2).sum())
    scale = float((_centred(moved - logs, kept) * centred).sum()) / along if along else 1.0
    bias = np.where(kept, logs - np.where(kept, logs, -np.inf).max(-1, keepdims=True), 2 * MASKED)
    if not scale > 0:
        return None
    return float(f"{scale:.9g}"), bias


def _holds(
    graph: Graph, root: str, parts: tuple[Node, ...], scale: float, bias: Array, rng: np.random.Generator
) -> bool:
    """Whether it is so for scores of every size."""
    for size, middle in TRIED_SCORES:
        values = (rng.normal(size=bias.shape) * size + middle) / scale
        expected = _softmax(np.where(bias > MASKED, scale * values + bias, -np.inf))
        if np.abs(_computed(graph, parts, root, values) - expected).max() > SAME_WEIGHT:
            return False
    return True


def _centred(values: Array, kept: Array) -> Array:
    """Less the mean of those of their row that are kept; others are 0."""
    mean = np.where(kept, values, 0.0).sum(-1, keepdims=True) / kept.sum(-1, keepdims=True)
    return np.where(kept, values - mean, 0.0)


def _softmax(scores: Array) -> Array:
    e = np.exp(scores - scores.max(-1, keepdims=True))
    weights: Array = e / e.sum(-1, keepdims=True)
    return weights


def _computed(graph: Graph, parts: tuple[Node, ...], root: str, values: Array) -> Array:
    """What the softmax, the last of the parts, makes of these values, in their shape."""
    known = {root: values}
    for node in parts:
        given = [known[name] if name in known else graph.tensors[name].real for name in node.inputs]
        with np.errstate(all="ignore"):
            known[node.output] = OPS[node.op].run_float(graph.call(node), *given)
    return known[parts[-1].output].reshape(values.shape)


def _causal(bias: Array) -> tuple[int | None, Array | None]:
    """How far queries see beyond themselves, if not all the way, and what of the bias that leaves; all of it
    where that is less.
    """
    *_, m, n = bias.shape
    met = (bias > MASKED).reshape(-1, m, n).any(0)
    ahead = int((np.arange(n) - np.arange(m)[:, None])[met].max())
    whole = _without_repeats(bias)
    if 0 <= ahead < n - 1:
        left = _without_repeats(np.where(np.tri(m, n, ahead, dtype=bool), bias, 0.0))
        if left.size <= whole.size:
            return ahead, left if left.any() else None
    return None, whole if whole.any() else None


def _without_repeats(bias: Array) -> Array:
    """With axes of size 1 along which nothing differs."""
    for axis in range(bias.ndim):
        first = np.take(bias, [0], axis)
        if np.abs(bias - first).max() <= 1e-9:
            bias = first
    return bias


def _gathered(graph: Graph, found: _Found) -> Graph:
    """The layer reads what the products read; where weights were viewed in another shape, values are, too."""
    scores, mixed, turned = found.scores, found.mixed, found.turned
    shape, product = (graph.tensors[node.output].shape for node in (scores, mixed))
    value = mixed.inputs[int(not turned)]
    values = graph.tensors[value].shape
    order = tuple(range(len(shape)))
    swapped = (*order[:-2], order[-1], order[-2])
    steps, tensors = list[Node](), dict[str, Tensor]()
    made = (*shape[:-2], *product[-2:])
    if len(values) != len(shape) or product != made:
        value = fresh_name(graph, f"{mixed.name}_values")
        viewed = (*shape[:-2], *values[-2:])
        if prod(viewed) != prod(values):
            return graph
        tensors[value] = Tensor(value, viewed)
        inputs = (mixed.inputs[int(not turned)],)
        steps.append(Node(value, "reshape", ReshapeAttrs(viewed), inputs, (value,)))
    reads = [*scores.inputs, value]
    if found.bias is not None:
        constant = fresh_name(graph, f"{mixed.name}_bias")
        tensors[constant] = Tensor(constant, found.bias.shape, None, found.bias)
        reads.append(constant)
    across = swapped if turned else order
    attrs = AttentionAttrs(order, order, across, across, found.scale, found.causal)
    whole = replace(mixed, op="attention", attrs=attrs, inputs=tuple(reads))
    name = mixed.output
    if made == product:
        steps.append(whole)
    else:
        name = fresh_name(graph, f"{mixed.name}_heads")
        tensors[name] = Tensor(name, made)
        view = Node(mixed.name, "reshape", ReshapeAttrs(product), (name,), mixed.outputs, mixed.source)
        steps += [replace(whole, name=name, outputs=(name,)), view]
    nodes = [new for old in graph.nodes for new in (steps if old is mixed else [old])]
    return _scaled(drop_dead(graph.with_nodes(nodes, **tensors)), (name,))


def _scaled(graph: Graph, outputs: tuple[str, ...]) -> Graph:
    """The layer has the factors that queries or keys alone are multiplied by."""
    for read in (0, 1):
        layer = next(node for node in graph.nodes if node.outputs == outputs)
        factor = _factor(graph, layer.inputs[read])
        if factor is None or layer.inputs.count(layer.inputs[read]) > 1:
            continue
        gain = float(graph.tensors[factor.inputs[1]].values[0])
        attrs = replace(layer.attrs, scale=layer.attrs.scale * gain)
        scaled = [replace(node, attrs=attrs) if node is layer else node for node in graph.nodes]
        graph = without(graph.with_nodes(scaled), factor)
    return graph


def _factor(graph: Graph, name: str) -> Node | None:
    """One factor for all values, which nothing but views part from their only reader."""
    while only_reader(graph, name) and (node := graph.producer(name)) is not None:
        if node.op == "batch_norm":
            gain, shift = (graph.tensors[constant].values for constant in node.inputs[1:])
            uniform = gain[0] > 0 and not np.ptp(gain) and not shift.any()
            return node if uniform else None
        if node.op not in ("reshape", "transpose"):
            return None
        name = node.inputs[0]
    return None
