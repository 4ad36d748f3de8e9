"""Does a network have the steps of a loop one by one? What users should know of it."""

from .ir import Graph, Node
from .ops import OPS

TOLD_STEPS = 8
"""Layers with the same weights from which on that is told."""
FIRST_STEPS = 2
"""Layers of the first steps, which begin with something else, may have constants of their own."""


def written_out(graph: Graph, integer: Graph) -> tuple[str, ...]:
    """A sentence for a float graph in which so many layers have the same weights, and its integer graph."""
    alike: dict[tuple[object, ...], list[Node]] = {}
    for node in graph.nodes:
        if OPS[node.op].weighted:
            weight = graph.tensors[node.inputs[1]].values
            alike.setdefault((weight.shape, weight.tobytes()), []).append(node)
    repeated = [nodes for nodes in alike.values() if len(nodes) >= TOLD_STEPS]
    if not repeated:
        return ()
    most = max(repeated, key=len)
    copies = sum(_copies(integer, nodes) for nodes in repeated)
    left = (
        f"and {copies:,} bytes of flash are copies, for their scales differ"
        if copies
        else "which share constants and functions, so that a step more costs the names of its layers"
    )
    return (
        f"{len(most)} layers have the weights of {most[0].name!r}, as where forward has a loop over time: "
        f"each step becomes layers of its own, {left}. A module of one step that is given its state and "
        "returns it, with `--state NAME=1`, needs each once (docs/sequences.md)",
    )


def _copies(integer: Graph, alike: list[Node]) -> int:
    """Bytes of weights that are stored again, for layers that are the same but for scales."""
    calls = [integer.call(node) for node in integer.nodes if node.name in {each.name for each in alike}]
    own = {
        (*(t.q for t in (*call.inputs, call.output)), *(t.values.tobytes() for t in call.inputs[1:]))
        for call in calls
    }
    return (len(own) - 1) * calls[0].inputs[1].size if len(own) > 1 + FIRST_STEPS else 0
