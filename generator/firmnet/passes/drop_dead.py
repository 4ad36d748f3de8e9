"""drop_dead: layers whose result nobody reads go."""

from ..ir import Graph, Node


def drop_dead(graph: Graph) -> Graph:
    read = {graph.output}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output in read:
            kept.append(node)
            read.update(node.inputs)
    return graph.with_nodes(kept[::-1])
