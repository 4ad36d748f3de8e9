"""stand_lines: an image of one row becomes one of one column, so that its layers can run in stripes of rows.

Stripes (plan/cascade.py) are cut along the height; the bytes are the same either way, and `kernels.select`
lays a column down again where that is faster.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..ir import Graph, Node, Tensor
from ..ops import OPS
from ..ops.exchange import exchangeable, turned
from ..ops.reshape import ReshapeAttrs
from .remove_identities import remove_identities
from .rewrite import named, redirect, unique

TURN = (0, 2, 1, 3)
"""Height and width trade places."""


def stand_lines(graph: Graph) -> Graph:
    for name in [node.name for node in graph.nodes]:
        node = named(graph, name)
        standing = _standing(graph, node)
        graph = _with_views(graph, node, *standing) if standing else graph
    return remove_identities(graph)


def _standing(graph: Graph, node: Node) -> tuple[Node, list[Tensor]] | None:
    """The layer and its inputs as they stand; None where it is no layer of lines, or has no such form."""
    op, call = OPS[node.op], graph.call(node)
    if (
        op.view
        or len(node.outputs) > 1
        or not exchangeable(call)
        or not any(lies(graph.tensors[n]) for n in graph.activations(node))
    ):
        return None
    other = op.exchanged(call)
    if other is not None:
        return replace(node, attrs=other.attrs), list(other.inputs)
    attrs = op.remap(node.attrs, TURN)
    if attrs is None or len(graph.activations(node)) < len(call.inputs):
        return None
    return replace(node, attrs=attrs), [turned(tensor) for tensor in call.inputs]


def lies(tensor: Tensor) -> bool:
    """Whether it is an image of one row, and more than one column."""
    return tensor.shape[1] == 1 < tensor.shape[2]


def _with_views(graph: Graph, node: Node, standing: Node, inputs: Sequence[Tensor]) -> Graph:
    """The layer standing, between views of what it reads and of what it makes."""
    taken = {*graph.tensors, *(other.name for other in graph.nodes)}
    views: list[Node] = []
    new: dict[str, Tensor] = {}

    def view(tensor: Tensor, of: str, what: str) -> str:
        name = unique(f"{of}_{what}", taken | new.keys())
        new[name] = replace(tensor, name=name)
        if tensor.data is None:
            views.append(Node(name, "reshape", ReshapeAttrs(tensor.shape), (of,), (name,)))
        return name

    same = [graph.tensors[name] is tensor for name, tensor in zip(node.inputs, inputs, strict=True)]
    reads = [
        name if kept else view(tensor, name, "standing")
        for name, tensor, kept in zip(node.inputs, inputs, same, strict=True)
    ]
    before = tuple(views)
    y = graph.tensors[node.output]
    lying = view(y, y.name, "lying")
    graph = redirect(graph, {y.name: lying})
    nodes: list[Node] = []
    for other in graph.nodes:
        nodes += (
            [*before, replace(standing, inputs=tuple(reads)), views[-1]]
            if other.name == node.name
            else [other]
        )
    return graph.with_nodes(nodes, **new, **{y.name: turned(y)})
