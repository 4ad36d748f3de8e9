"""Along which axis of a network's input does time go, where its user does not say?"""

from ..errors import UserError
from ..interpret import model_shape
from ..ir import Graph, Node
from ..ops import OPS
from .follow import Followed, follow


def followed(graph: Graph, axis: int | None, hop: int | None) -> Followed:
    """As `follow`, along `axis` in the model's own order; None: the one along which most is computed anew.

    Of several alike the longest. UserError where no layer works along it, or what `follow` says of the
    longest.
    """
    (port,) = graph.inputs
    shape = model_shape(graph.tensors[port.tensor], port.order)
    order = port.order or tuple(range(len(shape)))
    if axis is not None:
        axis = axis % len(shape) if -len(shape) <= axis < len(shape) else -1
        if axis < 0 or shape[axis] == 1:
            raise UserError(
                f"the input {port.name!r} of shape {shape} has no such axis with time: give another"
            )
        return _useful(graph, follow(graph, order.index(axis), hop))
    found: list[Followed] = []
    errors: list[UserError] = []
    for each in sorted(range(len(shape)), key=lambda i: -shape[i]):
        if shape[each] == 1:
            continue
        try:
            found.append(_useful(graph, follow(graph, order.index(each), hop)))
        except UserError as error:
            errors.append(error)
    worked = any(OPS[node.op].macs(graph.call(node)) for node in graph.nodes)
    if errors and worked:  # what moves values only is no reason to take an axis for time
        found = [each for each in found if _streamed_macs(graph, each)]
    if not found:
        raise errors[0] if errors else UserError(f"the input {port.name!r} of shape {shape} has no time")
    return max(found, key=lambda each: _streamed(graph, each))


def _useful(graph: Graph, found: Followed) -> Followed:
    if not _streamed(graph, found):
        raise UserError(
            f"no layer of model {graph.name!r} computes places in time one by one, so that a stream would "
            "compute all of it anew in every hop: leave out `stream`, and keep the window in your program"
        )
    return found


def _streamed(graph: Graph, found: Followed) -> int:
    """Multiply-accumulates, or values where there are none, that are computed once for each place in time."""
    return _streamed_macs(graph, found) or len(_each_place(graph, found))


def _streamed_macs(graph: Graph, found: Followed) -> int:
    return sum(OPS[node.op].macs(graph.call(node)) for node in _each_place(graph, found))


def _each_place(graph: Graph, found: Followed) -> list[Node]:
    """The layers that compute each place in time once."""
    return [
        node
        for node in graph.nodes
        if node.name in found.walks
        or (node.name in found.slides and node.output in found.timed and not OPS[node.op].view)
    ]
