"""Which small steps do all passes share?"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from ..ir import Graph, Node


def redirect(graph: Graph, moved: Mapping[str, str]) -> Graph:
    """Let every reader of a tensor in `moved` read the tensor it maps to, chains followed to their end."""
    if not moved:
        return graph.with_nodes(graph.nodes)

    def end(name: str) -> str:
        while name in moved:
            name = moved[name]
        return name

    def redirected(node: Node) -> Node:
        reads = tuple(map(end, node.inputs))
        return node if reads == node.inputs else replace(node, inputs=reads)

    nodes = [redirected(node) for node in graph.nodes]
    outputs = tuple(replace(port, tensor=end(port.tensor)) for port in graph.outputs)
    states = tuple(replace(state, next=end(state.next)) for state in graph.states)
    return replace(graph, outputs=outputs, states=states).with_nodes(nodes)


def names(graph: Graph, op: str) -> list[str]:
    """The layers of one op, by name: what a pass goes through while it changes the graph."""
    return [node.name for node in graph.nodes if node.op == op]


def named(graph: Graph, name: str) -> Node:
    """The layer as it is now."""
    return next(node for node in graph.nodes if node.name == name)


def without(graph: Graph, node: Node) -> Graph:
    """The graph with a layer taken out: who read its output reads its first input."""
    kept = replace(graph, nodes=tuple(other for other in graph.nodes if other is not node))
    return redirect(kept, {node.output: node.inputs[0]})


def only_reader(graph: Graph, tensor: str) -> Node | None:
    """The one layer that reads the tensor; None when there are several, none, or the model hands it out
    too.
    """
    readers = graph.consumers(tensor)
    return readers[0] if len(readers) == 1 and tensor not in graph.wanted else None


def unique(name: str, taken: Collection[str]) -> str:
    """The name, numbered if it is taken."""
    return next(n for n in (name, *(f"{name}_{i}" for i in range(1, len(taken) + 2))) if n not in taken)


def fresh_name(graph: Graph, name: str, added: Collection[str] = ()) -> str:
    """The name, numbered if a layer or tensor of the graph has it, or one that is about to be added."""
    return unique(name, {*graph.tensors, *(node.name for node in graph.nodes), *added})
