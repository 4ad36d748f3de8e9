"""Where layers read a few of many places in time, these stay in a ring instead of moving in every run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..ir import Array, Graph, Node, QParams, Shape, State, Tensor
from ..ops.delay_line import DelayLine, DelayLineAttrs
from ..ops.reshape import ReshapeAttrs
from ..ops.rings import MOST_PLACES, OLDEST
from ..ops.slice import SliceAttrs
from ..passes.rewrite import fresh_name


@dataclass(frozen=True)
class _Line:
    """`appends` keeps `state`, and `slices`, all of which read the same of it, are all that reads it."""

    state: State
    appends: Node
    slices: tuple[Node, ...]
    attrs: DelayLineAttrs


def delay_lines(graph: Graph) -> Graph:
    """Quantized graph of hops → one of the same bits, with other states and reshapes that change nothing."""
    for state in graph.states:
        if line := _line(graph, state):
            graph = _with_ring(graph, line)
    return graph


def _line(graph: Graph, state: State) -> _Line | None:
    """None where that moves no fewer values than to append and to slice."""
    appends = graph.producer(state.next)
    if not appends or appends.op != "append" or appends.inputs[0] != state.tensor:
        return None
    alone = graph.consumers(state.tensor) == [appends] and state.tensor not in appends.inputs[1:]
    if not alone or state.tensor in graph.wanted or graph.wanted.count(state.next) > 1:
        return None
    axis, kept = appends.attrs.axis, graph.tensors[state.tensor]
    readers = [*_readers(graph, state.next)]
    read = {_taps(graph, node, axis, kept.shape) for node in readers}
    attrs = read.pop() if len(read) == 1 else None
    places, come = (graph.tensors[name].shape[axis] for name in appends.inputs)
    if not attrs or places >= MOST_PLACES or attrs.taps + come >= places:
        return None
    return _Line(state, appends, tuple(readers), attrs)


def _readers(graph: Graph, name: str) -> Iterator[Node]:
    """What reads a value, also under another shape."""
    for node in graph.consumers(name):
        if node.op == "reshape" and node.output not in graph.wanted:
            yield from _readers(graph, node.output)
        else:
            yield node


def _taps(graph: Graph, node: Node, axis: int, kept: Shape) -> DelayLineAttrs | None:
    """What it reads of the places along the axis, if it slices these forwards and nothing else."""
    if node.op != "slice":
        return None
    taken: SliceAttrs = node.attrs
    shape = graph.tensors[node.inputs[0]].shape
    cut = taken.cut_axes(shape)
    if len(cut) != 1 or taken.step[cut[0]] < 1:
        return None
    along = cut[0]
    if (shape[along], prod(shape[:along])) != (kept[axis], prod(kept[:axis])):
        return None
    return DelayLineAttrs(axis, taken.start[along], taken.step[along], taken.size[along])


def _with_ring(graph: Graph, line: _Line) -> Graph:
    new: dict[str, Tensor] = {}

    def file(what: str, shape: Shape, q: QParams, data: Array | None = None) -> str:
        name = fresh_name(graph, f"{line.appends.output}_{what}", new)
        new[name] = Tensor(name, shape, q, data)
        return name

    kept, axis = graph.tensors[line.state.tensor], line.attrs.axis
    taps = file("taps", (*kept.shape[:axis], line.attrs.taps, *kept.shape[axis + 1 :]), kept.q)
    oldest, later = file("oldest", (1,), OLDEST), file("oldest_next", (1,), OLDEST)
    state = State(oldest, oldest, later, file("oldest_begin", (1,), OLDEST, np.zeros(1, np.int16)))
    read, made = (line.appends.inputs[1], line.state.tensor, oldest), (taps, line.state.next, later)
    ring = replace(line.appends, op=DelayLine.name, attrs=line.attrs, inputs=read, outputs=made)

    def instead(node: Node) -> Node:
        if node is line.appends:
            return ring
        if node not in line.slices:
            return node
        return replace(node, op="reshape", attrs=ReshapeAttrs(node.attrs.size), inputs=(taps,))

    return replace(graph, states=(*graph.states, state)).with_nodes([*map(instead, graph.nodes)], **new)
