"""join_cells: a cell that a loop calls again and again, step by step through a tensor, is one layer over it.

Its weights are there once then, and its code too.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Graph, Node, Shape, Tensor
from ..ops import OPS
from ..ops.recurrent import RECURRENT_OPS, Recurrent
from ..ops.reshape import ReshapeAttrs
from ..ops.slice import SliceAttrs
from .drop_dead import drop_dead
from .rewrite import fresh_name, redirect


@dataclass(frozen=True)
class _Step:
    """A call of a cell, and which place along an axis of which tensor it reads."""

    node: Node
    whole: str
    axis: int
    place: int


def join_cells(graph: Graph) -> Graph:
    tried: set[str] = set()
    while True:
        graph = drop_dead(graph) if tried else graph
        first = next((n for n in graph.nodes if n.op in RECURRENT_OPS and n.name not in tried), None)
        if first is None:
            return graph
        tried.add(first.name)
        steps = _chain(graph, first)
        if len(steps) > 1:
            graph = _joined(graph, steps)


def _chain(graph: Graph, first: Node) -> list[_Step]:
    """The calls from this one on that begin with the states of the one before, at even steps."""
    step = _step(graph, first)
    found = [step] if step else []
    while step:
        step = _next(graph, step)
        if step is None or (
            len(found) > 1 and step.place - found[-1].place != found[1].place - found[0].place
        ):
            break
        found.append(step)
    return found


def _step(graph: Graph, node: Node) -> _Step | None:
    """One sequence, one step, of a tensor that holds nothing but such steps."""
    x = graph.tensors[node.inputs[0]]
    maker = graph.producer(_viewed(graph, x.name))
    if x.shape[:2] != (1, 1) or maker is None or maker.op != "slice" or node.attrs.reverse:
        return None
    whole = graph.tensors[maker.inputs[0]]
    attrs: SliceAttrs = maker.attrs
    cut = attrs.cut_axes(whole.shape)
    if len(cut) != 1 or attrs.size[cut[0]] != 1 or whole.size != whole.shape[cut[0]] * x.size:
        return None
    return _Step(node, whole.name, cut[0], int(attrs.start[cut[0]]))


def _next(graph: Graph, step: _Step) -> _Step | None:
    """The only call of the same cell that begins with all states that this one ends with."""
    for node in graph.nodes:
        if node.op == step.node.op and node.attrs.given and _states(graph, node) == [*step.node.outputs]:
            found = _step(graph, node)
            same = replace(node.attrs, given=step.node.attrs.given) == step.node.attrs
            if found and same and (found.whole, found.axis) == (step.whole, step.axis):
                return found if _alike(graph, node, step.node) and found.place != step.place else None
    return None


def _states(graph: Graph, node: Node) -> list[str]:
    """What it begins with, before views."""
    count = len(_op(node).states)
    return [_viewed(graph, name) for name in node.inputs[1 : 1 + count]]


def _alike(graph: Graph, a: Node, b: Node) -> bool:
    """Whether two have the same weights."""
    of_a, of_b = (_op(n).parts(n.attrs, tuple(graph.tensors[name] for name in n.inputs)) for n in (a, b))
    weights = [key for key in of_a if key not in ("x", *_op(a).states)]
    return all(np.array_equal(of_a[key].values, of_b[key].values) for key in weights)


def _op(node: Node) -> Recurrent:
    op = OPS[node.op]
    assert isinstance(op, Recurrent)
    return op


def _viewed(graph: Graph, name: str) -> str:
    """What a tensor is a view of."""
    node = graph.producer(name)
    while node is not None and node.op == "reshape":
        name = node.inputs[0]
        node = graph.producer(name)
    return name


def _joined(graph: Graph, steps: list[_Step]) -> Graph:
    """One layer in the place of the first, and slices of what it writes in those of all."""
    first, last, whole = steps[0], steps[-1], graph.tensors[steps[0].whole]
    stride, count = steps[1].place - first.place, len(steps)
    back = stride == -1
    new: dict[str, Tensor] = {}
    nodes: list[Node] = []

    def tensor(what: str, shape: Shape) -> str:
        name = fresh_name(graph, f"{first.node.name}_{what}", new)
        new[name] = Tensor(name, shape)
        return name

    def add(what: str, op: str, attrs: object, source: str, shape: Shape) -> str:
        name = tensor(what, shape)
        nodes.append(Node(name, op, attrs, (source,), (name,), first.node.source))
        return name

    name = whole.name
    if count != whole.shape[first.axis] or stride not in (1, -1):
        start, step, size = [0] * len(whole.shape), [1] * len(whole.shape), list(whole.shape)
        start[first.axis] = last.place if back else first.place
        step[first.axis], size[first.axis] = 1 if back else stride, count
        cut = SliceAttrs(tuple(start), tuple(step), tuple(size))
        name = add("steps", "slice", cut, name, tuple(size))
    shape = (1, count, whole.size // whole.shape[first.axis])
    if graph.tensors.get(name, new.get(name)).shape != shape:  # type: ignore[union-attr]
        name = add("sequence", "reshape", ReshapeAttrs(shape), name, shape)
    hidden = graph.tensors[first.node.outputs[0]]
    every = tensor("every", (1, count, hidden.shape[2]))
    ends = [last.node.outputs[1]] if len(last.node.outputs) > 1 else []
    attrs = replace(first.node.attrs, reverse=back, every=True)
    layer = replace(first.node, attrs=attrs, inputs=(name, *first.node.inputs[1:]), outputs=(every, *ends))
    nodes.append(layer)
    moved = {}
    for number, each in enumerate(steps):
        place = count - 1 - number if back else number
        cut = SliceAttrs((0, place, 0), (1, 1, 1), hidden.shape)
        moved[each.node.outputs[0]] = add(f"step_{number}", "slice", cut, every, hidden.shape)
    gone = {each.node.name for each in steps}
    kept = [
        node
        for old in graph.nodes
        for node in (nodes if old is first.node else [] if old.name in gone else [old])
    ]
    return redirect(graph.with_nodes(kept, **new), moved)
