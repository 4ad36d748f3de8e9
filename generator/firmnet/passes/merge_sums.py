"""merge_sums: convolutions of one input whose outputs are added up become one, and so do linear layers.

Branches that training has apart (3x3, 1x3, 3x1 and 1x1, each with its batch norm) are one kernel. Not where
that has more weights than both (7x1 and 1x7), nor where weights of very different sizes would share a scale:
rounded to int8 they must keep 40 dB.
"""

from dataclasses import replace
from math import prod

import numpy as np

from ..ir import Array, Graph, Node
from ..ops.conv2d import Conv2dAttrs
from ..ops.windows import Pair
from .drop_dead import drop_dead
from .rewrite import named, names, only_reader

HIGHEST_WEIGHT = 127
LEAST_SNR = 1e4
"""Of the weights, rounded: their power over that of what is lost."""


def merge_sums(graph: Graph) -> Graph:
    for name in names(graph, "add"):
        graph = _merged(graph, named(graph, name))
    return drop_dead(graph)


def _merged(graph: Graph, total: Node) -> Graph:
    """The graph with a layer in place of a sum, if that is one of two such layers."""
    layers = [graph.producer(tensor) for tensor in total.inputs]
    if total.inputs[0] == total.inputs[1] or not all(layers):
        return graph
    one, other = (layer for layer in layers if layer)
    if not _alike(graph, one, other) or not all(_free(graph, layer) for layer in (one, other)):
        return graph
    weights = [graph.tensors[layer.inputs[1]].values for layer in (one, other)]
    biases = [graph.tensors[layer.inputs[2]].values for layer in (one, other)]
    factors = total.attrs.a, total.attrs.b
    attrs = one.attrs
    if one.op == "conv2d":
        placed = _placed(one.attrs, other.attrs, *(w.shape[1:3] for w in weights))
        if placed is None:
            return graph
        attrs, size, begins = placed
        if prod(size) > sum(prod(w.shape[1:3]) for w in weights):
            return graph
        weights = [_spread(w, size, begin) for w, begin in zip(weights, begins, strict=True)]
    weight, bias = (factors[0] * a + factors[1] * b for a, b in (weights, biases))
    if _kept(weight) < LEAST_SNR:
        return graph
    w, b = (graph.tensors[name] for name in one.inputs[1:])
    changed = {
        w.name: replace(w, shape=weight.shape, data=weight),
        b.name: replace(b, shape=bias.shape, data=bias),
    }
    attrs = replace(attrs, lo=total.attrs.lo, hi=total.attrs.hi)
    made = replace(total, op=one.op, attrs=attrs, inputs=one.inputs)
    gone = (one.name, other.name)
    nodes = [made if node is total else node for node in graph.nodes if node.name not in gone]
    return graph.with_nodes(nodes, **changed)


def _alike(graph: Graph, one: Node, other: Node) -> bool:
    """Two layers of a kind, of one input, whose outputs have one shape."""
    if one.op != other.op or one.op not in ("conv2d", "linear") or one.inputs[0] != other.inputs[0]:
        return False
    shapes = {graph.tensors[layer.output].shape for layer in (one, other)}
    if one.op == "linear":
        return len(shapes) == 1
    return len(shapes) == 1 and all(
        getattr(one.attrs, key) == getattr(other.attrs, key) for key in ("stride", "groups")
    )


def _free(graph: Graph, layer: Node) -> bool:
    """Whether nobody else reads the layer or its weights, and nothing is clamped."""
    unclamped = (layer.attrs.lo, layer.attrs.hi) == (None, None)
    owned = all(len(graph.consumers(name)) == 1 for name in layer.inputs[1:])
    return unclamped and owned and only_reader(graph, layer.output) is not None


def _placed(
    one: Conv2dAttrs, other: Conv2dAttrs, kernel: Pair, other_kernel: Pair
) -> tuple[Conv2dAttrs, Pair, tuple[Pair, Pair]] | None:
    """Options and size of the kernel that holds both, and where each begins in it."""
    sides = [
        _along(
            (kernel[i], other_kernel[i]),
            (one.dilation[i], other.dilation[i]),
            (one.padding[2 * i], other.padding[2 * i]),
            one.padding[2 * i + 1],
        )
        for i in (0, 1)
    ]
    rows, columns = sides
    if rows is None or columns is None:
        return None
    attrs = replace(one, padding=(*rows[0], *columns[0]), dilation=(rows[1], columns[1]))
    begins = tuple(zip(rows[3], columns[3], strict=True))
    return attrs, (rows[2], columns[2]), (begins[0], begins[1])


def _along(sizes: Pair, dilations: Pair, before: Pair, behind: int) -> tuple[Pair, int, int, Pair] | None:
    """Along one axis: padding, dilation and size of the kernel that holds both, and where each begins."""
    steps = {dilation for size, dilation in zip(sizes, dilations, strict=True) if size > 1} or {1}
    step = min(steps)
    most = max(before)
    if len(steps) > 1 or any((most - pad) % step for pad in before):
        return None
    first, second = ((most - pad) // step for pad in before)
    size = max(first + sizes[0], second + sizes[1])
    more = step * (size - sizes[0] - first)
    return (most, behind + more), step, size, (first, second)


def _spread(weight: Array, size: Pair, begin: Pair) -> Array:
    """A kernel (O, kh, kw, C) within one of zeros."""
    found = np.zeros((weight.shape[0], *size, weight.shape[3]))
    rows, columns = (slice(at, at + n) for at, n in zip(begin, weight.shape[1:3], strict=True))
    found[:, rows, columns] = weight
    return found


def _kept(weight: Array) -> float:
    """The power of weights (O, …) over that of what rounding takes from them, a scale for each output."""
    flat = weight.reshape(len(weight), -1)
    lost = ((np.abs(flat).max(1) / HIGHEST_WEIGHT) ** 2 / 12 * (flat != 0).sum(1)).sum()
    return float((flat**2).sum() / lost) if lost else np.inf
