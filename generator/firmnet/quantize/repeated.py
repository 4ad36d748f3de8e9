"""Which activations are the same one at every step of a loop that forward writes out?

Layers with the same weights are a step each, and what stands around them is compared from there on.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping

from ..ir import Graph, Node
from ..ops import OPS

Computed = Hashable
"""What layers have in common that compute the same: op, options, shapes, constants."""


class Sets:
    """Names that are found to be one are joined."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The name that stands for its set."""
        while (above := self._above.get(name, name)) != name:
            self._above[name] = self._above.get(above, above)
            name = above
        return name

    def join(self, names: Iterable[str]) -> bool:
        """Whether some were apart."""
        first, *others = dict.fromkeys(map(self.of, names))
        self._above |= dict.fromkeys(others, first)
        return bool(others)


def repeated(graph: Graph) -> list[list[str]]:
    """Activations by their place in a step, those of all steps together; none where no weights come again.

    Layers with the same weights are alike; so are, from there on, layers that compute the same of activations
    which are one, and those that make such activations in the same way. What stands in one place of layers
    alike is one, however it was made: also what comes before the first step. Of twins, which compute the same
    of the very same activations, only those who read them tell which is which.
    """
    if not _come_again(graph):
        return []
    alike = {node.name: _alike(graph, node) for node in graph.nodes}
    twins = Counter((alike[node.name], graph.activations(node)) for node in graph.nodes)
    tensors, layers = Sets(), Sets()
    _join(layers, ((node.name, alike[node.name]) for node in graph.nodes if _has_weights(node)))
    changed = True
    while changed:
        changed = False
        members: dict[str, list[Node]] = {}
        for node in graph.nodes:
            members.setdefault(layers.of(node.name), []).append(node)
        for nodes in members.values():
            places = [(*graph.activations(node), *node.outputs) for node in nodes]
            for names in zip(*places, strict=True):
                changed |= tensors.join(names)
        read, made = [], []
        for node in graph.nodes:
            given = tuple(map(tensors.of, graph.activations(node)))
            if twins[alike[node.name], graph.activations(node)] == 1:
                read.append((node.name, (alike[node.name], given)))
            made += [
                (node.name, (alike[node.name], i, tensors.of(name))) for i, name in enumerate(node.outputs)
            ]
        changed |= _join(layers, read)
        changed |= _join(layers, made)
    found: dict[str, list[str]] = {}
    for name, tensor in graph.tensors.items():
        if tensor.data is None:
            found.setdefault(tensors.of(name), []).append(name)
    return [names for names in found.values() if len(names) > 1]


def adding_up(graph: Graph) -> list[str]:
    """Of loops that are written out: what a step hands on to the next by sums and products, and what it adds.

    Steps with scales in common round alike, and that adds up there.
    """
    place = _places(graph)
    sums = [node for node in graph.nodes if _sums(node)]
    looped = _looped(graph, sums, place)
    looped |= {
        place[x]
        for node in sums
        if node.op == "add" and place.get(node.output) in looped
        for x in graph.activations(node)
        if x in place
    }
    return [name for name in place if place[name] in looped]


def from_itself(graph: Graph) -> list[str]:
    """Of loops that are written out: what is computed from what it was a step before."""
    place = _places(graph)
    looped = _looped(graph, graph.nodes, place)
    return [name for name in place if place[name] in looped]


def _places(graph: Graph) -> dict[str, str]:
    """The first activation of its place in a step, of every one that has such a place."""
    return {name: names[0] for names in repeated(graph) for name in names}


def _sums(node: Node) -> bool:
    if node.op == "table":
        return all(step.function == "affine" for step in node.attrs.steps)
    return node.op in ("add", "mul") or OPS[node.op].keeps_qparams


def _looped(graph: Graph, nodes: Iterable[Node], place: Mapping[str, str]) -> set[str]:
    """The places from which these layers come back to them."""
    onward: dict[str, set[str]] = {}
    for node in nodes:
        for x in graph.activations(node):
            onward.setdefault(place.get(x, x), set()).update(place.get(y, y) for y in node.outputs)
    found = set()
    for start in {*place.values()} & onward.keys():
        seen, waiting = set[str](), [start]
        while waiting:
            new = onward.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        if start in seen:
            found.add(start)
    return found


def _join(sets: Sets, keyed: Iterable[tuple[str, Hashable]]) -> bool:
    """Names with the same key are one; whether some were not."""
    found: dict[Hashable, list[str]] = {}
    for name, key in keyed:
        found.setdefault(key, []).append(name)
    return sum([sets.join(names) for names in found.values()]) > 0


def _has_weights(node: Node) -> bool:
    return OPS[node.op].weighted or OPS[node.op].learned


def _come_again(graph: Graph) -> bool:
    """Whether two layers have the same weights."""
    by_shape: dict[Computed, list[Node]] = {}
    for node in graph.nodes:
        if _has_weights(node):
            by_shape.setdefault((node.op, *_shapes(graph, node)), []).append(node)
    several = [nodes for nodes in by_shape.values() if len(nodes) > 1]
    return any(len({_alike(graph, node) for node in nodes}) < len(nodes) for nodes in several)


def _alike(graph: Graph, node: Node) -> Computed:
    constants = [graph.tensors[name].values for name in node.inputs if graph.tensors[name].data is not None]
    kept = tuple((str(array.dtype), array.tobytes()) for array in constants)
    return node.op, node.attrs, _shapes(graph, node), kept


def _shapes(graph: Graph, node: Node) -> tuple[tuple[int, ...], ...]:
    return tuple(graph.tensors[name].shape for name in (*node.inputs, *node.outputs))
