"""remove_identities: layers that change nothing go, and a reshape of a reshape becomes one."""

from dataclasses import replace

from ..ir import Graph, Node
from ..ops.pick import everything
from .drop_dead import drop_dead
from .rewrite import redirect


def remove_identities(graph: Graph) -> Graph:
    return drop_dead(merge_reshapes(_without_idle(graph)))


def _without_idle(graph: Graph) -> Graph:
    idle = {node.output: node.inputs[0] for node in graph.nodes if changes_nothing(graph, node)}
    if not idle:
        return graph.with_nodes(graph.nodes)
    nodes = tuple(node for node in graph.nodes if idle.keys().isdisjoint(node.outputs))
    return redirect(replace(graph, nodes=nodes), idle)


def changes_nothing(graph: Graph, node: Node) -> bool:
    match node.op:
        case "reshape":
            return graph.tensors[node.inputs[0]].shape == graph.tensors[node.output].shape
        case "transpose":
            return tuple(node.attrs.order) == tuple(range(len(node.attrs.order)))
        case "clamp":
            return node.attrs.lo is None and node.attrs.hi is None
        case "slice":
            shape = graph.tensors[node.inputs[0]].shape
            forward = all(step == 1 or n == 1 for step, n in zip(node.attrs.step, shape, strict=True))
            return shape == node.attrs.size and forward
        case "pad":
            return not any(node.attrs.before + node.attrs.after)
        case "pick":
            shape = graph.tensors[node.inputs[0]].shape
            return bool(node.attrs.axes == tuple(everything(size) for size in shape))
        case "concat":
            return len(node.inputs) == 1
        case "batch_norm":
            scale, shift = (graph.tensors[name].values for name in node.inputs[1:])
            return node.output not in graph.wanted and bool((scale == 1).all()) and not shift.any()
    return False


def merge_reshapes(graph: Graph) -> Graph:
    """A reshape reads what the reshapes before it read."""
    sources = {node.output: node.inputs[0] for node in graph.nodes if node.op == "reshape"}

    def origin(name: str) -> str:
        while name in sources:
            name = sources[name]
        return name

    def merged(node: Node) -> Node:
        if node.op != "reshape" or node.inputs[0] not in sources:
            return node
        return replace(node, inputs=(origin(node.inputs[0]),))

    graph = graph.with_nodes([merged(node) for node in graph.nodes])
    back = {n.output: n.inputs[0] for n in graph.nodes if n.op == "reshape" and changes_nothing(graph, n)}
    if not back:
        return graph
    nodes = tuple(node for node in graph.nodes if back.keys().isdisjoint(node.outputs))
    return redirect(replace(graph, nodes=nodes), back)
