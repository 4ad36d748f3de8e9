"""join_parts: parts of tensors that are joined again are one pick, as lists of single entries mostly are.

Even and odd entries by turns, columns in another order, a stack of every x[..., i]: one layer instead of one
for each entry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir import Graph, Node, Shape, Tensor
from ..ops.concat import ConcatAttrs
from ..ops.pick import PickAttrs, everything, runs
from ..ops.reshape import ReshapeAttrs
from ..ops.transpose import TransposeAttrs
from .remove_identities import remove_identities
from .rewrite import fresh_name, named, names

FEWEST_ENTRIES = 2
"""Parts of each tensor: fewer are no list."""


@dataclass(frozen=True)
class Entries:
    """Some places along one axis of a tensor, all of it else."""

    whole: str
    axis: int
    places: tuple[int, ...]


def join_parts(graph: Graph) -> Graph:
    for name in names(graph, "concat"):
        node = named(graph, name)
        parts = _parts(graph, node)
        wholes = list(dict.fromkeys((part.whole, part.axis) for part in parts))
        if wholes and len(parts) >= FEWEST_ENTRIES * len(wholes) and _mostly_used(graph, parts, wholes):
            graph = _picked(graph, node, parts, wholes)
    return remove_identities(graph)


def _parts(graph: Graph, node: Node) -> list[Entries]:
    """What is joined; empty where something else is among it."""
    makers = {output: maker for maker in graph.nodes for output in maker.outputs}
    found = [_part(graph, makers, name, node.attrs.axis) for name in node.inputs]
    return [] if None in found or node.attrs.constants else [part for part in found if part]


def _part(graph: Graph, makers: Mapping[str, Node], name: str, axis: int) -> Entries | None:
    """Which part of what this is, if it lies along `axis` of it, or is one entry which a view put there."""
    shape, maker = graph.tensors[name].shape, makers.get(name)
    viewed = maker is not None and maker.op == "reshape"
    if maker is not None and viewed:
        maker = makers.get(maker.inputs[0])
    if maker is None or maker.op != "slice":
        return None
    whole = graph.tensors[maker.inputs[0]]
    cut = maker.attrs.cut_axes(whole.shape)
    if len(cut) != 1 or (viewed and (maker.attrs.size[cut[0]], shape[axis]) != (1, 1)):
        return None
    alike = _without(whole.shape, cut[0]) == _without(shape, axis)
    if not alike or (not viewed and cut[0] != axis):
        return None
    return Entries(whole.name, cut[0], tuple(maker.attrs.places(cut[0]).tolist()))


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def _mostly_used(graph: Graph, parts: Sequence[Entries], wholes: Sequence[tuple[str, int]]) -> bool:
    """Whether joining several tensors whole moves little that nobody reads."""
    used = {(part.whole, part.axis, place) for part in parts for place in part.places}
    every = sum(graph.tensors[name].shape[axis] for name, axis in wholes)
    return len(wholes) == 1 or 2 * len(used) >= every


def _picked(graph: Graph, node: Node, parts: Sequence[Entries], wholes: Sequence[tuple[str, int]]) -> Graph:
    """The tensors joined whole, along the axis that the node joins, and one pick of that in its place."""
    axis, y = node.attrs.axis, graph.tensors[node.output]
    new: dict[str, Tensor] = {}
    nodes: list[Node] = []

    def add(what: str, op: str, attrs: object, inputs: Sequence[str], shape: Shape) -> str:
        name = fresh_name(graph, f"{node.name}_{what}", new)
        new[name] = Tensor(name, shape)
        nodes.append(replace(node, name=name, op=op, attrs=attrs, inputs=tuple(inputs), outputs=(name,)))
        return name

    begins, turned, size = dict[tuple[str, int], int](), list[str](), 0
    for name, along in wholes:
        shape = graph.tensors[name].shape
        rest = [i for i in range(len(shape)) if i != along]
        order = (*rest[:axis], along, *rest[axis:])
        at_axis = tuple(shape[i] for i in order)
        turned.append(
            name if along == axis else add("turned", "transpose", TransposeAttrs(order), [name], at_axis)
        )
        begins[name, along] = size
        size += shape[along]
    places = [begins[part.whole, part.axis] + place for part in parts for place in part.places]
    whole = (*y.shape[:axis], size, *y.shape[axis + 1 :])
    joined = turned[0] if len(turned) == 1 else add("whole", "concat", ConcatAttrs(axis), turned, whole)
    along_each = tuple(runs(places) if i == axis else everything(n) for i, n in enumerate(whole))
    picked = replace(node, op="pick", attrs=PickAttrs(along_each), inputs=(joined,))
    if places == list(range(size)):
        picked = replace(picked, op="reshape", attrs=ReshapeAttrs(whole))
    every = [each for other in graph.nodes for each in ([*nodes, picked] if other is node else [other])]
    return graph.with_nodes(every, **new)
