"""Which activations share one scale and zero point? Layers that only move data or take a maximum tie them."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count

from ..errors import GraphError
from ..ir import Dtype, Graph, Node, QParams
from ..ops import OPS, numbered
from .repeated import repeated


@dataclass(frozen=True)
class Groups:
    """`of` gives every activation its group's name."""

    of: Mapping[str, str]

    def members(self, group: str) -> list[str]:
        return [name for name, g in self.of.items() if g == group]


def rescaled(graph: Graph) -> Graph:
    """The graph with a `rescale` layer before every input that cannot be written with its concat's scale.

    An input can when whoever writes it is free to choose, and nothing but the concat depends on the choice:
    so no graph input, no tensor that is read elsewhere, none whose scale is dictated (softmax).
    """
    for node in _joins(graph):
        if _dictated_alike(graph, node):
            continue
        for name in dict.fromkeys(graph.activations(node)):
            if not _adopts(graph, name, node.name):
                graph, _ = with_rescale(graph, name, node.name)
    return graph


def groups(graph: Graph, in_step: Mapping[str, Dtype] | None = None) -> Groups:
    """The groups of a graph on which `rescaled` has run.

    `in_step`: also tied is what is the same activation at every step of a loop (see repeated), but for types
    that are given here, model inputs and parameters that an op dictates, where these differ.
    """
    found = _Joined(name for name, tensor in graph.tensors.items() if tensor.data is None)
    for node in graph.nodes:
        if OPS[node.op].keeps_qparams:
            found.join((*graph.activations(node), *node.outputs), node.outputs[0])
    for state in graph.states:
        found.join((state.tensor, state.next), state.next)
    if in_step is not None:
        free = _freedom(graph, found, in_step)
        for names in repeated(graph):
            kinds: dict[Hashable, list[str]] = {}
            for name in names:
                kinds.setdefault(free[name], []).append(name)
            for alike in kinds.values():
                found.join(alike, found.of[alike[0]])
    return Groups(found.of)


class _Joined:
    """Groups that grow: every activation is alone at first."""

    def __init__(self, names: Iterable[str]) -> None:
        self.of = {name: name for name in names}
        self._members = {name: [name] for name in self.of}

    def join(self, names: Iterable[str], called: str) -> None:
        """The groups of all these made one, under this name, which is that of one of them."""
        joined = [name for group in {self.of[name]: 0 for name in names} for name in self._members.pop(group)]
        self._members[called] = joined
        self.of |= dict.fromkeys(joined, called)


def _freedom(graph: Graph, found: _Joined, given: Mapping[str, Dtype]) -> dict[str, Hashable]:
    """Of each activation what binds its group's parameters: where that is the same, they may be tied."""
    bound: dict[str, set[Hashable]] = {group: set() for group in found.of.values()}
    for port in graph.inputs:
        bound[found.of[port.tensor]].add(("input", port.name))
    for name, dtype in given.items():
        bound[found.of[name]].add(("type", dtype))
    for name, rows in numbered(graph).items():
        bound[found.of[name]].add(("rows", rows))
    for node in graph.nodes:
        q = OPS[node.op].output_qparams(node.attrs)
        for group in {found.of[name] for name in node.outputs}:
            if q or node.op == "restate":
                bound[group].add(("dictated", q, node.name if node.op == "restate" else ""))
    return {name: frozenset(bound[group]) for name, group in found.of.items()}


def dictated(graph: Graph, tied: Groups, dtypes: Mapping[str, Dtype]) -> dict[str, QParams]:
    """The parameters of the groups for which an op dictates them; `dtypes` by group.

    GraphError where two ops dictate different ones.
    """
    fixed: dict[str, QParams] = {}
    for node in graph.nodes:
        for name in node.outputs:
            q = OPS[node.op].output_qparams(node.attrs, dtypes[tied.of[name]])
            if q and fixed.setdefault(tied.of[name], q) != q:
                raise GraphError(
                    f"layer {node.name!r} shares its scale with a layer that dictates another: put a rescale "
                    "between them"
                )
    for name in numbered(graph):
        fixed.setdefault(tied.of[name], QParams((1.0,), 0, dtypes[tied.of[name]]))
    return fixed


def only_passed_on(graph: Graph, name: str) -> bool:
    """Whether nothing reads the tensor but layers that keep its parameters.

    Its values matter only as far as they come out there, and cutting off the extremes before a maximum or a
    move is the same as after it: such a tensor has no say in its group's range.
    """
    readers = graph.consumers(name)
    return bool(readers) and name not in graph.wanted and all(OPS[node.op].keeps_qparams for node in readers)


def _joins(graph: Graph) -> list[Node]:
    """Layers that tie several inputs together (concat), last first: the outermost decides."""
    found = [node for node in graph.nodes if OPS[node.op].keeps_qparams and len(graph.activations(node)) > 1]
    return found[::-1]


def _dictated_alike(graph: Graph, node: Node) -> bool:
    """Whether all that is joined was written, and then at most moved, by layers that dictate one scale."""
    scales = {_dictated_to(graph, name) for name in node.inputs}
    return len(scales) == 1 and None not in scales


def _dictated_to(graph: Graph, name: str) -> QParams | None:
    """For int16 where the layer has no choice: others are free to become int8."""
    node = graph.producer(name)
    if node is None:
        return None
    if OPS[node.op].keeps_qparams:
        moved = {_dictated_to(graph, each) for each in node.inputs}
        return moved.pop() if len(moved) == 1 else None
    found = {OPS[node.op].output_qparams(node.attrs, dtype) for dtype in (Dtype.INT8, Dtype.INT16)}
    return found.pop() if len(found) == 1 else None


def _adopts(graph: Graph, name: str, reader: str) -> bool:
    """Whether the tensor, and those its scale is tied to on the way from where it is computed, are free."""
    if name in (*graph.given, *graph.wanted) or [n.name for n in graph.consumers(name)] != [reader]:
        return False
    node = graph.producer(name)
    if node is None or OPS[node.op].output_qparams(node.attrs):
        return False
    if not OPS[node.op].keeps_qparams or len(graph.activations(node)) > 1:
        return True  # computed anew; or a concat, whose own inputs are dealt with when its turn comes
    readers = {n.name for other in node.outputs for n in graph.consumers(other)}
    if readers != {reader} or {*node.outputs} & {*graph.wanted}:
        return False  # its other outputs have the same scale
    return _adopts(graph, graph.activations(node)[0], node.name)


def with_rescale(graph: Graph, name: str, reader: str) -> tuple[Graph, str]:
    """The graph in which layer `reader` reads the tensor `name` rescaled, and what that is called."""
    new = _unused(graph, f"{name}_to_{reader}")
    layer = Node(new, "rescale", OPS["rescale"].attrs(), (name,), (new,), f"scale of {reader}")
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name == reader:
            nodes.append(layer)
            node = replace(node, inputs=tuple(new if n == name else n for n in node.inputs))
        nodes.append(node)
    return graph.with_nodes(nodes, **{new: replace(graph.tensors[name], name=new)}), new


def _unused(graph: Graph, name: str) -> str:
    taken = {*graph.tensors, *(node.name for node in graph.nodes)}
    return next(n for n in chain((name,), (f"{name}_{i}" for i in count(1))) if n not in taken)
