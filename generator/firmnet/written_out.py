"""Does a network have the steps of a loop one by one? What users should know of it."""

from .ir import Graph, Node
from .ops import OPS

TOLD_STEPS = 8
"""Layers with the same weights from which on that is told."""


def written_out(graph: Graph) -> tuple[str, ...]:
    """A sentence for a float graph in which so many layers have the same weights, each in flash by itself."""
    alike: dict[tuple[object, ...], list[Node]] = {}
    for node in graph.nodes:
        if OPS[node.op].weighted:
            weight = graph.tensors[node.inputs[1]].values
            alike.setdefault((weight.shape, weight.tobytes()), []).append(node)
    repeated = [nodes for nodes in alike.values() if len(nodes) >= TOLD_STEPS]
    if not repeated:
        return ()
    most = max(repeated, key=len)
    copies = sum((len(nodes) - 1) * graph.tensors[nodes[0].inputs[1]].size for nodes in repeated)
    return (
        f"{len(most)} layers have the weights of {most[0].name!r}, as where forward has a loop over time: "
        f"each step becomes layers of its own, and {copies:,} bytes of flash are copies. A module of one "
        "step that is given its state and returns it, with `--state NAME=1`, needs each once "
        "(docs/sequences.md)",
    )
