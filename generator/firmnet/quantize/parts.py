"""Which parts of an output are lost beside larger ones, with which they share its scale?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..ir import Dtype, Graph, Node
from .quality import POOR_OUTPUT_DB, LayerQuality, poor_outputs

NAMED_PARTS = 3
MOVING = ("pick", "reshape", "slice", "transpose")


@dataclass(frozen=True)
class _Part:
    """What a layer wrote with the scale of something joined, and how that is called in a command."""

    row: LayerQuality
    layer: str
    joined: str


def lost_parts(graph: Graph, rows: Sequence[LayerQuality]) -> str:
    """One sentence naming the parts of an output that have less than 20 dB where all together have more."""
    if poor_outputs(graph, rows):
        return ""
    named = {row.name: row for row in rows}
    for port in graph.outputs:
        parts = [part for part in _parts(graph, port.tensor, named, "") if _is_lost(part.row)]
        if parts:
            worst = sorted(parts, key=lambda part: part.row.snr_db)[:NAMED_PARTS]
            lost = ", ".join(f"{part.layer} ({part.row.snr_db:.1f} dB)" for part in worst)
            return (
                f"parts of the output {port.name!r} are much smaller than others beside them, and share "
                f"their scale: less than {POOR_OUTPUT_DB:g} dB are left of {lost}; return them as an output "
                f"of their own, or give all int16 (--precision {worst[0].joined}=int16)"
            )
    return ""


def _is_lost(row: LayerQuality) -> bool:
    """By its own rounding, not by what came before."""
    return -math.inf < row.own_snr_db < POOR_OUTPUT_DB


def _parts(graph: Graph, tensor: str, rows: Mapping[str, LayerQuality], joined: str) -> Iterator[_Part]:
    """Of what is joined, the layers that write int8 into it."""
    node = graph.producer(tensor)
    if node is None or graph.tensors[tensor].dtype is not Dtype.INT8:
        return
    if node.op == "concat":
        for name in graph.activations(node):
            yield from _parts(graph, name, rows, joined or node.name)
    elif node.op in MOVING:
        yield from _parts(graph, node.inputs[0], rows, joined)
    elif joined and node.name in rows:
        yield _Part(rows[node.name], _maker(graph, node).name, joined)


def _maker(graph: Graph, node: Node) -> Node:
    """The layer whose values these are, moved or in another scale."""
    while node.op in ("rescale", "reshape", "transpose"):
        before = graph.producer(node.inputs[0])
        if before is None:
            break
        node = before
    return node
