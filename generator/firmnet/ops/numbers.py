"""Which activations hold whole numbers that name rows of a table, not real values?"""

import numpy as np

from ..ir import Array, Dtype, Graph, QParams
from .spec import OPS

COUNTING = (Dtype.UINT8, Dtype.INT16, Dtype.INT32)
"""Types of such numbers, the smallest first."""

FIRST_PLACE = 2**40
"""Values that are followed through a graph count from here on, so that no constant is taken for one."""


def counted(numbers: int) -> QParams:
    """Steps of 1 in the smallest type that has 0 to numbers − 1."""
    return QParams((1.0,), 0, next(kind for kind in COUNTING if numbers - 1 <= kind.high))


def numbered(graph: Graph) -> dict[str, int]:
    """Activations that tables are read by, moved or not: rows of the largest table.

    What is moved together has one type, that of the largest: columns of one input too.
    """
    found: dict[str, int] = {}
    for node in graph.nodes:
        rows = OPS[node.op].numbers(node.attrs)
        if rows is not None:
            name = graph.activations(node)[0]
            found[name] = max(rows, found.get(name, 0))
    moves = [{*graph.activations(node), *node.outputs} for node in graph.nodes if OPS[node.op].keeps_qparams]
    known: dict[str, int] = {}
    while found != known:
        known = dict(found)
        for moved in (*reversed(moves), *moves):
            if read := moved & found.keys():
                found |= dict.fromkeys(moved, max(found[name] for name in read))
    return found


def least_rows(graph: Graph) -> dict[str, Array]:
    """Of each input that tables are read by: for each of its values the rows of the smallest of its tables.

    int64, in the stored layout. A value that no table is read by has the rows of the largest.
    """
    named = numbered(graph)
    places: dict[str, Array] = {}
    free = FIRST_PLACE
    for name in (port.tensor for port in graph.inputs if port.tensor in named):
        tensor = graph.tensors[name]
        places[name] = np.arange(free, free + tensor.size, dtype=np.float64).reshape(tensor.shape)
        free += tensor.size
    inputs, moved = dict(places), places
    rows = np.full(free - FIRST_PLACE, np.iinfo(np.int64).max)
    for node in graph.nodes:
        least = OPS[node.op].numbers(node.attrs)
        if least is not None and node.inputs[0] in moved:
            read = moved[node.inputs[0]].ravel().astype(np.int64) - FIRST_PLACE
            np.minimum.at(rows, read[read >= 0], least)
        elif OPS[node.op].keeps_qparams and set(graph.activations(node)) <= set(moved):
            given = [moved[name] if name in moved else graph.tensors[name].values for name in node.inputs]
            made = OPS[node.op].run_float(graph.call(node), *given)
            moved |= zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=True)
    return {
        name: np.minimum(rows[at.astype(np.int64) - FIRST_PLACE], named[name]) for name, at in inputs.items()
    }
