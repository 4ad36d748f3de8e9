"""How does a mean over the whole window go on with a stream? What comes is added, what leaves taken away."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Call, Dtype, Graph, Node, QParams, Shape, Tensor
from ..ops import OPS
from ..ops.avg_pool2d import Span, requant_of, spans
from ..ops.rings import OLDEST
from ..ops.running_mean import RunningMean, RunningMeanAttrs, summed_in_a_place
from .follow import Followed

STATES = ("places", "totals", "oldest")
"""What a running mean remembers."""
WORTH_PLACES = 4
"""Of fewer for each that comes, all are added up anew: that is quicker, and remembers less."""


@dataclass(frozen=True)
class Running:
    """A mean that is `running`, by its options and the tensors of its STATES."""

    attrs: RunningMeanAttrs
    states: tuple[Tensor, ...]


def running_means(graph: Graph, found: Followed) -> dict[str, Running]:
    """By layer, those of a quantized network of windows that are to go on with its stream."""
    return {node.name: running for node, running in _running(graph, found)}


def reading_the_new(graph: Graph, found: Followed, means: Mapping[str, Running]) -> Followed:
    """As such means read: of their input what comes with each run."""
    news = {
        (node.name, node.inputs[0]): found.block(node.inputs[0]) for node in graph.nodes if node.name in means
    }
    return replace(found, reads={**found.reads, **news})


def _running(graph: Graph, found: Followed) -> Iterator[tuple[Node, Running]]:
    for node in graph.nodes:
        if node.op != "avg_pool2d" or node.inputs[0] not in found.timed or node.output in found.timed:
            continue
        axis, come = found.timed[node.inputs[0]].axis, found.new(node.inputs[0])
        running = _mean(graph.call(node), axis, come)
        if running:
            yield node, running


def _mean(call: Call, axis: int, come: int) -> Running | None:
    """None for a mean of anything but the whole time, and where another form would round otherwise."""
    x, y, along, other = call.inputs[0], call.output, spans(call)[axis - 1], 3 - axis
    across = spans(call)[other - 1]
    if not _at_once(along, x.shape[axis]) or x.shape[axis] <= WORTH_PLACES * come:
        return None
    if not _at_once(across, x.shape[other]) and not _each_alone(across):
        return None
    summed = (other,) if x.shape[other] > y.shape[other] else ()
    divisor = call.attrs.divisor_override or along[0].divisor * across[0].divisor
    attrs = RunningMeanAttrs(axis, summed, divisor, call.attrs.lo, call.attrs.hi)
    new = replace(x, shape=_with(x.shape, axis, come))
    states = _states(Call(attrs, (new,), ()), x, y.size, x.shape[axis])
    made = Call(attrs, (new, *states), (y, *states))
    if OPS[RunningMean.name].refuses(made):
        return None
    try:
        now = OPS[RunningMean.name].prepare(made)["requant"]
    except OverflowError:
        return None
    before = requant_of(call)
    alike = replace(now, multiplier=before.multiplier) == before
    return Running(attrs, states) if alike and np.array_equal(now.multiplier, before.multiplier) else None


def _states(call: Call, x: Tensor, values: int, places: int) -> tuple[Tensor, ...]:
    narrow = x.dtype is Dtype.INT8 and summed_in_a_place(call) == 1
    kept = x.q if narrow else QParams(x.q.scale, 0, Dtype.INT16)
    totals = QParams(x.q.scale, 0, Dtype.INT32)
    shapes: tuple[Shape, ...] = ((places, values), (values,), (1,))
    kinds = zip(STATES, shapes, (kept, totals, OLDEST), strict=True)
    return tuple(Tensor(what, shape, q) for what, shape, q in kinds)


def _at_once(found: list[Span], size: int) -> bool:
    return [(span.start, span.end) for span in found] == [(0, size)]


def _each_alone(found: list[Span]) -> bool:
    return all((span.start, span.end, span.divisor) == (i, i + 1, 1) for i, span in enumerate(found))


def _with(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])
