"""Which activations does a model compute anew from themselves, run after run? Their rounding adds up."""

from collections.abc import Mapping, Sequence

from ..ir import Graph, Node
from ..ops import OPS


def loops(graph: Graph) -> tuple[str, ...]:
    """The activations from which, by way of states, they are computed again."""
    return tuple(dict.fromkeys(name for loop in each_loop(graph) for name in loop))


def each_loop(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """The same by states that depend on each other."""
    onward: dict[str, list[str]] = {}
    back: dict[str, list[str]] = {}
    for node in graph.nodes:
        for x in graph.activations(node):
            for y in node.outputs:
                onward.setdefault(x, []).append(y)
                back.setdefault(y, []).append(x)
    for state in graph.states:
        onward.setdefault(state.next, []).append(state.tensor)
        back.setdefault(state.tensor, []).append(state.next)
    found: dict[tuple[str, ...], None] = {}
    for state in graph.states:
        loop = _reached(state.tensor, onward) & _reached(state.tensor, back)
        if any(_computes(node, loop) for node in graph.nodes):
            found[tuple(sorted(loop))] = None
    return tuple(found)


def _computes(node: Node, loop: frozenset[str]) -> bool:
    """Whether a layer of the loop makes other values than it is given."""
    inside = not loop.isdisjoint(node.inputs) and not loop.isdisjoint(node.outputs)
    return inside and not OPS[node.op].keeps_qparams and not OPS[node.op].view


def _reached(start: str, along: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """What one comes to from a tensor, itself only if there is a way round."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in along.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return frozenset(found)
