"""fold_products: a transpose behind a product of two activations becomes the order in which it is written."""

from dataclasses import replace

from ..ir import Graph, Node, Shape
from ..ops.reshape import ReshapeAttrs
from .drop_dead import drop_dead
from .remove_identities import remove_identities
from .rewrite import named, names, only_reader

PRODUCTS = ("attention", "matmul")


def fold_products(graph: Graph) -> Graph:
    for name in names(graph, "transpose"):
        turn = named(graph, name)
        made = _product(graph, turn)
        graph = _folded(graph, turn, made) if made else graph
    return remove_identities(graph)


def _product(graph: Graph, turn: Node) -> Node | None:
    """What the transpose turns round, if nobody else reads it; a view may lie between that only adds or drops
    axes of size 1.
    """
    tensor = turn.inputs[0]
    node = graph.producer(tensor)
    if node is not None and node.op == "reshape" and only_reader(graph, tensor) is turn:
        tensor = node.inputs[0]
        if _large(graph.tensors[tensor].shape) != _large(graph.tensors[node.output].shape):
            return None
        turn, node = node, graph.producer(tensor)
    return node if node and node.op in PRODUCTS and only_reader(graph, tensor) is turn else None


def _folded(graph: Graph, turn: Node, product: Node) -> Graph:
    """The product writes its axes in the transpose's order, and a view stands for that."""
    y, viewed, turned = (graph.tensors[n] for n in (product.output, turn.inputs[0], turn.output))
    large = [axis for axis, n in enumerate(y.shape) if n > 1]
    place = [axis for axis, n in enumerate(viewed.shape) if n > 1]
    moved = iter(large[place.index(axis)] for axis in turn.attrs.order if axis in place)
    order = [next(moved) if n > 1 else axis for axis, n in enumerate(y.shape)]
    attrs = replace(product.attrs, y_order=tuple(product.attrs.y_order[axis] for axis in order))
    view = replace(turn, op="reshape", attrs=ReshapeAttrs(turned.shape), inputs=(product.output,))
    nodes = [
        replace(node, attrs=attrs) if node is product else view if node is turn else node
        for node in graph.nodes
    ]
    written = replace(y, shape=tuple(y.shape[axis] for axis in order))
    return drop_dead(graph.with_nodes(nodes, **{y.name: written}))


def _large(shape: Shape) -> list[int]:
    return [n for n in shape if n > 1]
