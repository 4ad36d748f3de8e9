"""copy_states: what a state was before the run is copied where it is wanted when its next value is there.

That is so of an output that is the old value, under any shape, and of states that exchange their values.
"""

from dataclasses import replace

from ..ir import Graph, Node
from ..ops import OPS, circle_of, overwritten, roots
from .rewrite import fresh_name


def copy_states(graph: Graph) -> Graph:
    for i, port in enumerate(graph.outputs):
        if roots(graph)[port.tensor] in overwritten(graph):
            graph, copy = _copied(graph, port.tensor)
            outputs = (*graph.outputs[:i], replace(port, tensor=copy), *graph.outputs[i + 1 :])
            graph = replace(graph, outputs=outputs)
    for i, state in enumerate(graph.states):
        if circle_of(overwritten(graph), state.tensor):
            graph, copy = _copied(graph, state.next)
            states = (*graph.states[:i], replace(state, next=copy), *graph.states[i + 1 :])
            graph = replace(graph, states=states)
    return graph.with_nodes(graph.nodes)


def _copied(graph: Graph, name: str) -> tuple[Graph, str]:
    """The graph with a layer that copies a tensor, and what that makes."""
    new = fresh_name(graph, f"{name}_kept")
    layer = Node(new, "rescale", OPS["rescale"].attrs(), (name,), (new,), f"what {name} was before")
    tensors = {**graph.tensors, new: replace(graph.tensors[name], name=new)}
    return replace(graph, nodes=(*graph.nodes, layer), tensors=tensors), new
