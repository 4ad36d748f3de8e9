"""How do a model's inputs, outputs and states look in C?"""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np

from ..ir import Graph, Port, Shape, Tensor
from ..kernels.loops import Loops, merged, strides
from .buffers import Buffers
from .numbers import float_literal, initializer, integer_literal


@dataclass(frozen=True)
class EdgeWalk:
    """What visits an edge's values in the model's own order, and how real numbers become its integers.

    `loops` are (size, step in memory); `index` is the place of a value in them. `inner` is the last of them;
    `outer_index` is " + " and the place of its first value in the `outer` ones.
    """

    loops: Loops
    index: str
    outer: Loops
    inner: tuple[int, int]
    outer_index: str
    reciprocal: str
    offset: str
    scale: str
    zero_point: str
    low: str
    high: str


@dataclass(frozen=True)
class CPort:
    """An input or output: where it lies, and its walk."""

    name: str
    place: str
    bytes: int
    type: str
    dtype: str
    edge: EdgeWalk


@dataclass(frozen=True)
class CState:
    """`initial` are the values it begins with, "" where all its bytes are `fill`."""

    number: int
    name: str
    place: str
    bytes: int
    size: int
    type: str
    dtype: str
    initial: str
    fill: int


@dataclass(frozen=True)
class Update:
    """After a run, the state at `state` takes over what lies at `next`."""

    name: str
    state: str
    next: str
    bytes: int


def ports(graph: Graph, buffers: Buffers, which: Sequence[Port]) -> list[CPort]:
    found = []
    for port in which:
        tensor = graph.tensors[port.tensor]
        place = str(buffers.value(port.tensor))
        type_, dtype = tensor.dtype.c, f"FN_{tensor.dtype.upper()}"
        found.append(CPort(port.name, place, tensor.byte_count, type_, dtype, walk(tensor, port.order)))
    return found


def states(graph: Graph, buffers: Buffers) -> list[CState]:
    found = []
    for number, state in enumerate(graph.states):
        tensor, begin = graph.tensors[state.tensor], graph.tensors[state.initial].values
        filled = {*begin.tobytes()}
        found.append(
            CState(
                number,
                state.name,
                str(buffers.value(state.tensor)),
                tensor.byte_count,
                tensor.size,
                tensor.dtype.c,
                f"FN_{tensor.dtype.upper()}",
                "" if len(filled) == 1 else initializer(begin),
                min(filled),
            )
        )
    return found


def updates(graph: Graph, buffers: Buffers) -> list[Update]:
    """In an order in which each state is read, where another takes it over, before it is written."""
    roots = {state.name: buffers.roots[state.tensor] for state in graph.states}
    sources = {state.name: buffers.roots[state.next] for state in graph.states}
    moved = [state for state in graph.states if roots[state.name] != sources[state.name]]
    before = {
        state.name: [other.name for other in moved if sources[other.name] == roots[state.name]]
        for state in moved
    }
    order = list(TopologicalSorter(before).static_order())
    return [
        Update(
            state.name,
            str(buffers.value(state.tensor)),
            str(buffers.value(state.next)),
            graph.tensors[state.tensor].byte_count,
        )
        for state in sorted(moved, key=lambda state: order.index(state.name))
    ]


def walk(tensor: Tensor, order: Shape) -> EdgeWalk:
    steps = strides(tensor.shape)
    axes = np.argsort(order) if order else range(len(tensor.shape))
    loops = merged((tensor.shape[axis], steps[axis]) for axis in axes)
    places = [f"i{i} * {stride}" if stride > 1 else f"i{i}" for i, (_, stride) in enumerate(loops)]
    return EdgeWalk(
        loops,
        " + ".join(places),
        loops[:-1],
        loops[-1],
        "".join(f" + {place}" for place in places[:-1]),
        float_literal(np.float32(1.0 / tensor.scale)),
        float_literal(np.float32(tensor.zero_point + 0.5)),
        float_literal(np.float32(tensor.scale)),
        integer_literal(tensor.zero_point),
        integer_literal(tensor.dtype.low),
        integer_literal(tensor.dtype.high),
    )
