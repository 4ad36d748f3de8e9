"""keep_last_steps: a recurrent layer of which one step is read keeps that, and walks no further than there.

What is read is often behind both directions joined, and behind views: parts of these are taken before.
"""

from dataclasses import replace

from ..ir import Graph, Node, Shape, Tensor
from ..ops.recurrent import RECURRENT_OPS, STEP_AXIS
from ..ops.reshape import ReshapeAttrs
from ..ops.slice import SliceAttrs
from .drop_dead import drop_dead
from .rewrite import fresh_name, named, names


def keep_last_steps(graph: Graph) -> Graph:
    if not any(node.op in RECURRENT_OPS for node in graph.nodes):
        return graph
    graph = drop_dead(graph)
    for name in reversed(names(graph, "slice")):
        graph = _taken_before(graph, name)
    graph = drop_dead(graph)
    for name in [node.name for node in graph.nodes if node.op in RECURRENT_OPS]:
        graph = _shortened(graph, named(graph, name))
    return graph


def _taken_before(graph: Graph, name: str) -> Graph:
    """One place of an axis taken of what a view or a concatenation was made of, as far as that goes."""
    node = named(graph, name)
    maker = graph.producer(node.inputs[0])
    axis = _single(graph, node)
    if maker is None or axis is None:
        return graph
    if maker.op == "reshape" and _of_layer(graph, maker.inputs[0]):
        before, behind = (graph.tensors[t].shape for t in (maker.inputs[0], maker.output))
        at = _same_axis(before, behind, axis)
        if at is None:
            return graph
        graph, taken = _sliced(graph, node, maker.inputs[0], at, node.attrs.start[axis])
        view = replace(node, op="reshape", attrs=ReshapeAttrs(node.attrs.size), inputs=(taken,))
        return _taken_before(_replaced(graph, node, view), taken)
    if maker.op == "concat" and maker.attrs.axis != axis and not maker.attrs.constants:
        if not all(_of_layer(graph, each) for each in maker.inputs) or not _only_single(graph, maker, axis):
            return graph
        parts = []
        for each in maker.inputs:
            graph, taken = _sliced(graph, node, each, axis, node.attrs.start[axis])
            parts.append(taken)
        graph = _replaced(graph, node, replace(node, op="concat", attrs=maker.attrs, inputs=tuple(parts)))
        for taken in parts:
            graph = _taken_before(graph, taken)
    return graph


def _of_layer(graph: Graph, name: str) -> bool:
    """Whether it is what a recurrent layer writes, viewed and joined or not."""
    node = graph.producer(name)
    if node is None:
        return False
    return node.op in RECURRENT_OPS or (
        node.op in ("reshape", "concat") and all(_of_layer(graph, each) for each in node.inputs)
    )


def _single(graph: Graph, node: Node) -> int | None:
    """The axis along which a slice takes one place, and all of the others; None: it is another slice."""
    shape = graph.tensors[node.inputs[0]].shape
    attrs: SliceAttrs = node.attrs
    cut = attrs.cut_axes(shape)
    return cut[0] if len(cut) == 1 and attrs.size[cut[0]] == 1 else None


def _only_single(graph: Graph, maker: Node, axis: int) -> bool:
    """Whether nothing but such slices along the axis reads it."""
    readers = graph.consumers(maker.output)
    return maker.output not in graph.wanted and all(
        reader.op == "slice" and _single(graph, reader) == axis for reader in readers
    )


def _same_axis(before: Shape, behind: Shape, axis: int) -> int | None:
    """Where an axis was before a view that only moved axes of size 1."""
    if [n for n in before if n > 1] != [n for n in behind if n > 1] or behind[axis] == 1:
        return None
    number = sum(n > 1 for n in behind[:axis])
    return [a for a, n in enumerate(before) if n > 1][number]


def _sliced(
    graph: Graph, reader: Node, source: str, axis: int, first: int, count: int = 1
) -> tuple[Graph, str]:
    """The graph with places of a tensor taken, before the reader; and what they are called."""
    shape = graph.tensors[source].shape
    start, size = [0] * len(shape), list(shape)
    start[axis], size[axis] = first, count
    new = fresh_name(graph, f"{reader.name}_of_{source}")
    attrs = SliceAttrs(tuple(start), (1,) * len(shape), tuple(size))
    made = Node(new, "slice", attrs, (source,), (new,), reader.source)
    nodes = [each for node in graph.nodes for each in ([made, node] if node is reader else [node])]
    return graph.with_nodes(nodes, **{new: Tensor(new, tuple(size))}), new


def _replaced(graph: Graph, old: Node, new: Node) -> Graph:
    return drop_dead(graph.with_nodes([new if node is old else node for node in graph.nodes]))


def _shortened(graph: Graph, node: Node) -> Graph:
    """The layer with the one step of it that is read, if there is no other."""
    hidden, *cell = node.outputs
    x = graph.tensors[node.inputs[0]]
    readers = graph.consumers(hidden)
    if not node.attrs.every or x.shape[STEP_AXIS] == 1 or not readers or hidden in graph.wanted:
        return graph
    if any(reader.op != "slice" or _single(graph, reader) != STEP_AXIS for reader in readers):
        return graph
    places = {reader.attrs.start[STEP_AXIS] for reader in readers}
    (place, *others) = places
    last = 0 if node.attrs.reverse else x.shape[STEP_AXIS] - 1
    if others or (place != last and any(graph.consumers(c) or c in graph.wanted for c in cell)):
        return graph
    short = node
    if place != last:
        first, count = (place, x.shape[STEP_AXIS] - place) if node.attrs.reverse else (0, place + 1)
        graph, taken = _sliced(graph, node, x.name, STEP_AXIS, first, count)
        short = replace(node, inputs=(taken, *node.inputs[1:]))
    short = replace(short, attrs=replace(node.attrs, every=False))
    shape = graph.tensors[hidden].shape
    one = replace(graph.tensors[hidden], shape=(shape[0], 1, shape[2]))
    whole = {reader.output for reader in readers}
    nodes = []
    for each in graph.nodes:
        if each is node:
            each = short
        elif each.op == "slice" and each.output in whole:
            each = replace(each, op="reshape", attrs=ReshapeAttrs(one.shape))
        nodes.append(each)
    return graph.with_nodes(nodes, **{hidden: one})
