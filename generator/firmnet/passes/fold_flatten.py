"""fold_flatten: a transpose before a flatten becomes another order of the linear layer's columns."""

from dataclasses import replace

import numpy as np

from ..ir import Array, Graph, Node
from .drop_dead import drop_dead
from .rewrite import only_reader


def fold_flatten(graph: Graph) -> Graph:
    for vector in [node.output for node in graph.nodes if node.op in ("reshape", "concat")]:
        if _only_linear_readers(graph, vector):
            rewired, columns = _as_stored(graph, vector)
            graph = _rewired(graph, vector, rewired, columns) if rewired else graph
    return drop_dead(graph)


def _only_linear_readers(graph: Graph, vector: str) -> bool:
    """Is every reader a linear layer with weights of its own, which may take the values in any order?"""
    tensor, readers = graph.tensors[vector], graph.consumers(vector)
    owned = all(len(graph.consumers(reader.inputs[1])) == 1 for reader in readers if reader.op == "linear")
    is_vector = tensor.shape[-1:] == (tensor.size,)
    return (
        is_vector
        and owned
        and vector not in graph.wanted
        and all(reader.op == "linear" for reader in readers)
    )


def _as_stored(graph: Graph, vector: str) -> tuple[dict[str, Node], Array]:
    """The vector made without transposes: layers to change, and where each old element is in it."""
    node, size = graph.producer(vector), graph.tensors[vector].size
    if node is not None and node.op == "reshape":
        before = graph.producer(node.inputs[0])
        if before is not None and before.op == "transpose":
            shape = graph.tensors[before.inputs[0]].shape
            columns = np.arange(size).reshape(shape).transpose(before.attrs.order).reshape(-1)
            return {node.name: replace(node, inputs=before.inputs)}, columns
    if node is not None and node.op == "concat":
        return _parts_as_stored(graph, node)
    return {}, np.arange(size)


def _parts_as_stored(graph: Graph, concat: Node) -> tuple[dict[str, Node], Array]:
    """The same for a vector of vectors, part by part."""
    rewired: dict[str, Node] = {}
    columns: list[Array] = []
    start = 0
    for part in concat.attrs.parts(concat.inputs):
        size = graph.tensors[part].size
        is_private = only_reader(graph, part) is concat
        changed, order = _as_stored(graph, part) if is_private else ({}, np.arange(size))
        rewired |= changed
        columns.append(start + order)
        start += size
    return rewired, np.concatenate(columns)


def _rewired(graph: Graph, vector: str, rewired: dict[str, Node], columns: Array) -> Graph:
    weights = {}
    for reader in graph.consumers(vector):
        weight = graph.tensors[reader.inputs[1]]
        moved = np.empty_like(weight.values)
        moved[:, columns] = weight.values
        weights[weight.name] = replace(weight, data=moved)
    return graph.with_nodes([rewired.get(node.name, node) for node in graph.nodes], **weights)
