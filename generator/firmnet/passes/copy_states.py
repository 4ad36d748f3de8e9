"""copy_states: what a state was before the run is copied where it is wanted when its next value is there.

That is so of an output that is the old value, under any shape, and of states that exchange their values.
"""

from collections.abc import Mapping
from dataclasses import replace

from ..ir import Graph, Node
from ..ops import OPS, overwritten, roots
from .rewrite import fresh_name


def copy_states(graph: Graph) -> Graph:
    for i, port in enumerate(graph.outputs):
        if roots(graph)[port.tensor] in overwritten(graph):
            graph, copy = _copied(graph, port.tensor)
            outputs = (*graph.outputs[:i], replace(port, tensor=copy), *graph.outputs[i + 1 :])
            graph = replace(graph, outputs=outputs)
    for i, state in enumerate(graph.states):
        if _in_circle(state.tensor, overwritten(graph)):
            graph, copy = _copied(graph, state.next)
            states = (*graph.states[:i], replace(state, next=copy), *graph.states[i + 1 :])
            graph = replace(graph, states=states)
    return graph.with_nodes(graph.nodes)


def _in_circle(state: str, following: Mapping[str, str]) -> bool:
    at, seen = following.get(state, ""), set[str]()
    while at in following and at not in seen and at != state:
        seen.add(at)
        at = following[at]
    return at == state


def _copied(graph: Graph, name: str) -> tuple[Graph, str]:
    """The graph with a layer that copies a tensor, and what that makes."""
    new = fresh_name(graph, f"{name}_kept")
    layer = Node(new, "rescale", OPS["rescale"].attrs(), (name,), (new,), f"what {name} was before")
    tensors = {**graph.tensors, new: replace(graph.tensors[name], name=new)}
    return replace(graph, nodes=(*graph.nodes, layer), tensors=tensors), new
