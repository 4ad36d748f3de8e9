"""Is a graph one that all stages can carry? If not: what is wrong with it, and what to do."""

from collections.abc import Iterable

from ..errors import GraphError
from .graph import Graph, State, Tensor

MAX_RANK = 8
"""Axes of a tensor: what loops in C are generated for, and files hold."""


def check(graph: Graph) -> None:
    """Raise GraphError, naming layer or tensor, for a graph that some stage could not carry.

    Names are unique C identifiers, every value exists before it is read, ports and states have tensors that
    fit them, and quantized tensors have a type with the zero points that it may have. Which types a layer
    takes is its op's word (ops.check_types).
    """
    for key, tensor in graph.tensors.items():
        if key != tensor.name:
            raise GraphError(f"graph {graph.name!r}: tensor {tensor.name!r} is filed under {key!r}")
        _check_tensor(tensor)
    _check_ports(graph)
    for state in graph.states:
        _check_state(graph, state)
    _check_stream(graph)
    _check_nodes(graph)


def _check_tensor(tensor: Tensor) -> None:
    if len(tensor.shape) > MAX_RANK or any(size < 1 for size in tensor.shape):
        raise GraphError(
            f"tensor {tensor.name!r} has the shape {tensor.shape}: at most {MAX_RANK} axes, none of them "
            "empty, can be stored; reshape it"
        )
    q = tensor.qparams
    if q is None:
        return
    if not q.dtype.low <= q.zero_point <= q.dtype.high:
        raise GraphError(
            f"tensor {tensor.name!r} has the zero point {q.zero_point}, which {q.dtype} does not hold: "
            f"choose one from {q.dtype.low} to {q.dtype.high}"
        )
    if q.dtype.symmetric and q.zero_point:
        raise GraphError(
            f"tensor {tensor.name!r} is {q.dtype} with the zero point {q.zero_point}: {q.dtype} is "
            "symmetric, so make it 0"
        )
    if tensor.data is None and len(q.scale) != 1:
        raise GraphError(f"tensor {tensor.name!r} has {len(q.scale)} scales: an activation has one")


def _check_ports(graph: Graph) -> None:
    for what, ports in (("input", graph.inputs), ("output", graph.outputs)):
        if not ports:
            raise GraphError(f"graph {graph.name!r} has no {what}: give it one")
        _check_names(graph, what, [port.name for port in ports])
        for port in ports:
            tensor = _known(graph, port.tensor, f"the {what} {port.name!r}")
            if tensor.data is not None:
                raise GraphError(f"the {what} {port.name!r} is a constant: leave it out")
            if port.order and sorted(port.order) != list(range(len(tensor.shape))):
                raise GraphError(
                    f"the {what} {port.name!r} has the order {port.order}, which is none of "
                    f"{len(tensor.shape)} axes"
                )
    given = [*graph.given]
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise GraphError(f"tensor {twice[0]!r} stands for two inputs or states: give each its own")


def _check_names(graph: Graph, what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not name.isidentifier() or name.upper() in seen:
            raise GraphError(
                f"graph {graph.name!r}: the {what}'s name {name!r} is not a C identifier of its own: "
                "rename it"
            )
        seen.add(name.upper())


def _check_state(graph: Graph, state: State) -> None:
    """One shape and scale for what is read, what replaces it, and what it is at first."""
    _check_names(graph, "state", [other.name for other in graph.states])
    tensor, following, initial = (
        _known(graph, name, f"the state {state.name!r}") for name in (state.tensor, state.next, state.initial)
    )
    if tensor.data is not None or following.data is not None or initial.data is None:
        raise GraphError(
            f"the state {state.name!r} needs a tensor, a computed one that replaces it and a constant it "
            "begins with"
        )
    for other, what in ((following, "is replaced by"), (initial, "begins with")):
        if other.shape != tensor.shape or other.qparams != tensor.qparams:
            raise GraphError(
                f"the state {state.name!r} is {_told(tensor)}, but {what} {other.name!r}, {_told(other)}: "
                "reshape or rescale that to the state's"
            )


def _check_stream(graph: Graph) -> None:
    """One input, with as many frames as a hop has along the axis that is time."""
    stream = graph.stream
    if stream is None:
        return
    frames = 0
    if len(graph.inputs) == 1:
        port = graph.inputs[0]
        shape = graph.tensors[port.tensor].shape
        axes = port.order or range(len(shape))
        frames = next((shape[i] for i, axis in enumerate(axes) if axis == stream.axis), 0)
    if not 0 < frames == stream.hop < stream.window:
        raise GraphError(
            f"graph {graph.name!r} is given {frames} frames of a signal per run, not the {stream.hop} of its "
            f"hop, out of {stream.window}: give it one input with as many along axis {stream.axis}"
        )


def _told(tensor: Tensor) -> str:
    q = tensor.qparams
    return f"{tensor.shape}" + (f" {q.dtype}, scale {q.scale[0]:g}, zero point {q.zero_point}" if q else "")


def _check_nodes(graph: Graph) -> None:
    ready = {*graph.given} | {name for name, tensor in graph.tensors.items() if tensor.data is not None}
    names: set[str] = set()
    for node in graph.nodes:
        if not node.name.isidentifier() or node.name in names:
            raise GraphError(f"graph {graph.name!r}: layer name {node.name!r} is not a unique C identifier")
        names.add(node.name)
        for name in node.inputs:
            if name not in ready:
                raise GraphError(f"layer {node.name!r} reads {name!r} before anything writes it")
        if not node.outputs:
            raise GraphError(f"layer {node.name!r} writes nothing: leave it out")
        for name in node.outputs:
            if name in ready or name not in graph.tensors:
                raise GraphError(f"layer {node.name!r} writes {name!r}, which is written already or unknown")
            ready.add(name)
    for name in graph.wanted:
        if name not in ready:
            raise GraphError(f"graph {graph.name!r}: nothing writes {name!r}, which it must hand out")


def _known(graph: Graph, name: str, what: str) -> Tensor:
    if name not in graph.tensors:
        raise GraphError(f"graph {graph.name!r}: {what} has the tensor {name!r}, which is unknown")
    return graph.tensors[name]
