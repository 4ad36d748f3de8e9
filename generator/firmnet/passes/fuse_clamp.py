"""fuse_clamp: an activation (relu, relu6, hardtanh) becomes the bounds of the layer that makes its input."""

from dataclasses import replace

from ..ir import Graph, Node
from ..ops import OPS
from ..ops.pick import adds_constants
from .rewrite import named, names, only_reader, without

Bounds = tuple[float | None, float | None]

COMMUTES = ("transpose", "reshape", "slice", "max_pool2d")
"""Ops before which an activation may just as well act: they move values or choose the largest."""


def fuse_clamp(graph: Graph) -> Graph:
    for name in names(graph, "clamp"):
        clamp = named(graph, name)
        producer = _producer(graph, clamp)
        if producer is not None:
            graph = _fused(graph, producer, clamp)
    return graph


def _producer(graph: Graph, clamp: Node) -> Node | None:
    """The layer that can take the bounds: everything between it and the clamp is read by nobody else."""
    tensor = clamp.inputs[0]
    while (node := graph.producer(tensor)) is not None and only_reader(graph, tensor) is not None:
        if OPS[node.op].clamps:
            return node
        if node.op not in COMMUTES and not (node.op == "pick" and not adds_constants(node.attrs)):
            return None
        tensor = node.inputs[0]
    return None


def _fused(graph: Graph, producer: Node, clamp: Node) -> Graph:
    lo, hi = intersect((producer.attrs.lo, producer.attrs.hi), (clamp.attrs.lo, clamp.attrs.hi))
    source = f"{producer.source} + {clamp.source}" if clamp.source else producer.source
    fused = replace(producer, attrs=replace(producer.attrs, lo=lo, hi=hi), source=source)
    nodes = [fused if node is producer else node for node in graph.nodes]
    return without(graph.with_nodes(nodes), clamp)


def intersect(first: Bounds, second: Bounds) -> Bounds:
    """The bounds that clamp once as clamping to `first` and then to `second` would."""
    lo = clamped(first[0], second) if first[0] is not None else second[0]
    hi = clamped(first[1], second) if first[1] is not None else second[1]
    return lo, hi


def clamped(value: float, bounds: Bounds) -> float:
    lo, hi = bounds
    value = value if lo is None else max(value, lo)
    return value if hi is None else min(value, hi)
