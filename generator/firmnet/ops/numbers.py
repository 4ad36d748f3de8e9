"""Which activations hold whole numbers that name rows of a table, not real values?"""

from ..ir import Dtype, Graph, QParams
from .spec import OPS

COUNTING = (Dtype.UINT8, Dtype.INT16, Dtype.INT32)
"""Types of such numbers, the smallest first."""


def counted(numbers: int) -> QParams:
    """Steps of 1 in the smallest type that has 0 to numbers − 1."""
    return QParams((1.0,), 0, next(kind for kind in COUNTING if numbers - 1 <= kind.high))


def numbered(graph: Graph) -> dict[str, tuple[int, int]]:
    """Activations that tables are read by, moved or not: rows of the smallest and of the largest table."""
    found: dict[str, tuple[int, int]] = {}

    def note(name: str, least: int, most: int) -> None:
        known = found.get(name, (least, most))
        found[name] = min(known[0], least), max(known[1], most)

    for node in reversed(graph.nodes):
        rows = OPS[node.op].numbers(node.attrs)
        if rows is not None:
            note(graph.activations(node)[0], rows, rows)
        for output in node.outputs if OPS[node.op].keeps_qparams else ():
            if output in found:
                for name in graph.activations(node):
                    note(name, *found[output])
    return found
