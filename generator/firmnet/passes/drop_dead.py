"""drop_dead: layers whose result nobody reads go."""

from ..ir import Graph, Node


def drop_dead(graph: Graph) -> Graph:
    read = {*graph.wanted}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if read & {*node.outputs}:
            kept.append(node)
            read.update(node.inputs)
    return graph.with_nodes(kept[::-1])
