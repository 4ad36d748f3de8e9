"""How is a quantized graph stored, and is what was stored one that can be computed?"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter

from .interpret import prepared
from .ir import Array, Call, Dtype, Graph, Node, Port, QParams, Shape, State, Stream, Tensor, check
from .limits import MAX_ELEMENTS
from .ops import OPS, check_states, check_types

SMALLEST_SCALE, LARGEST_SCALE = 2.0**-200, 2.0**200
"""Of a stored tensor: activations lie within 2^±100, and a bias has the product of two scales."""

MAX_TEXT = 2000
Text = Annotated[str, Field(max_length=MAX_TEXT, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, Field(max_length=500, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Extent = Annotated[int, Field(gt=0, le=MAX_ELEMENTS)]
Extents = Annotated[tuple[Extent, ...], Field(max_length=8)]
Axes = Annotated[tuple[Annotated[int, Field(ge=0, lt=8)], ...], Field(max_length=8)]


@dataclass(frozen=True)
class TensorEntry:
    name: Name
    shape: Extents
    qparams: QParams
    constant: bool


@dataclass(frozen=True)
class NodeEntry:
    name: Name
    op: str
    attrs: dict[str, Any]
    inputs: tuple[Name, ...]
    outputs: Annotated[tuple[Name, ...], Field(min_length=1)]
    source: Text = ""


@dataclass(frozen=True)
class PortEntry:
    name: Name
    tensor: Name
    order: Axes = ()


@dataclass(frozen=True)
class StoredStream:
    window: Extent
    hop: Extent
    axis: Annotated[int, Field(ge=0, lt=8)]
    from_reset: bool = False


@dataclass(frozen=True)
class StateEntry:
    name: Name
    tensor: Name
    next: Name
    initial: Name


@dataclass(frozen=True)
class GraphEntry:
    """graph.json."""

    name: Name
    nodes: tuple[NodeEntry, ...]
    tensors: tuple[TensorEntry, ...]
    inputs: Annotated[tuple[PortEntry, ...], Field(min_length=1)]
    outputs: Annotated[tuple[PortEntry, ...], Field(min_length=1)]
    states: tuple[StateEntry, ...] = ()
    stream: StoredStream | None = None


_ENTRY = TypeAdapter(GraphEntry)


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """Everything of a graph but its constants' values."""
    tensors = [
        {
            "name": t.name,
            "shape": t.shape,
            "qparams": t.qparams and asdict(t.qparams),
            "constant": t.data is not None,
        }
        for t in graph.tensors.values()
    ]
    nodes = [
        {**vars(node), "attrs": asdict(node.attrs), "source": printable(node.source)} for node in graph.nodes
    ]
    return {
        "name": graph.name,
        "nodes": nodes,
        "tensors": tensors,
        "inputs": [asdict(port) for port in graph.inputs],
        "outputs": [asdict(port) for port in graph.outputs],
        "states": [asdict(state) for state in graph.states],
        "stream": graph.stream and asdict(graph.stream),
    }


def printable(text: str) -> str:
    """A text as files and terminals may hold it, whatever the user's modules and files are called."""
    return "".join(c if c.isprintable() else "?" for c in text)[:MAX_TEXT]


def read_graph(text: bytes, constants: Mapping[str, Array]) -> Graph:
    """The inverse of graph_to_json; `constants` gives the values by tensor name.

    Raises ValueError (pydantic's among them) unless it is a graph that the oracle computes: every field of
    its kind and within its range, values written before they are read, shapes as the ops make them.
    """
    raw = _ENTRY.validate_json(text, strict=True)
    tensors: dict[str, Tensor] = {}
    for entry in raw.tensors:
        if entry.name in tensors:
            raise ValueError(f"tensor {entry.name!r} is there twice")
        data = _constant(entry, constants) if entry.constant else None
        tensors[entry.name] = Tensor(entry.name, entry.shape, entry.qparams, data)
    nodes = tuple(Node(n.name, n.op, _attrs(n), n.inputs, n.outputs, n.source) for n in raw.nodes)
    inputs, outputs = (
        tuple(Port(port.name, port.tensor, port.order) for port in ports)
        for ports in (raw.inputs, raw.outputs)
    )
    states = tuple(State(s.name, s.tensor, s.next, s.initial) for s in raw.states)
    stream = Stream(**vars(raw.stream)) if raw.stream else None
    graph = Graph(raw.name, nodes, tensors, inputs, outputs, states, stream)
    check_integer(graph)
    return graph


def check_integer(graph: Graph) -> None:
    """Raise ValueError unless the oracle can compute the graph, whatever its inputs hold."""
    for tensor in graph.tensors.values():
        _check_tensor(tensor)
    for name in (name for node in graph.nodes for name in node.inputs):
        if name not in graph.tensors:
            raise ValueError(f"there is no tensor {name!r}")
    check(graph)
    for node in graph.nodes:
        _check_inputs(node, graph.call(node))
    check_types(graph)
    check_states(graph)
    for node in graph.nodes:
        _check_node(graph, node)


def _constant(entry: TensorEntry, constants: Mapping[str, Array]) -> Array:
    values = constants.get(entry.name)
    if values is None:
        raise ValueError(f"the values of {entry.name!r} are missing")
    if values.shape != entry.shape or values.dtype != entry.qparams.dtype.numpy.newbyteorder("<"):
        raise ValueError(
            f"the values of {entry.name!r} are {values.dtype} {values.shape}, not {entry.qparams.dtype} "
            f"{entry.shape}"
        )
    return np.asarray(values, order="C")


def _attrs(node: NodeEntry) -> Any:
    if node.op not in OPS or OPS[node.op].float_only:
        raise ValueError(f"layer {node.name!r} is of the unknown kind {node.op[:80]!r}")
    kind: type[Any] = OPS[node.op].attrs
    text = json.dumps(node.attrs, allow_nan=False)
    if re.search(r"\d{16}", re.sub(r"\.\d+", "", text)):
        raise ValueError(f"layer {node.name!r} has an option beyond all reason")
    return TypeAdapter(kind).validate_json(text, strict=True)


def _check_tensor(tensor: Tensor) -> None:
    q, name = tensor.q, tensor.name
    if len(q.scale) not in ((1,) if tensor.data is None else (1, *tensor.shape[:1])):
        raise ValueError(f"tensor {name!r} has {len(q.scale)} scales")
    if not all(isfinite(scale) and SMALLEST_SCALE <= scale <= LARGEST_SCALE for scale in q.scale):
        raise ValueError(f"tensor {name!r} has a scale that is no positive number within reason")
    if tensor.size > MAX_ELEMENTS:
        raise ValueError(f"tensor {name!r} has {tensor.size:,} values, which no microcontroller holds")


def _check_node(graph: Graph, node: Node) -> None:
    """The op must accept its inputs, make the stored shapes of them, and have integer constants."""
    op, call = OPS[node.op], graph.call(node)
    stored: tuple[Shape, ...] = tuple(tensor.shape for tensor in call.outputs)
    try:
        shapes = op.shapes(node.attrs, *(tensor.shape for tensor in call.inputs))
        if shapes == stored:
            prepared(graph, node)
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        AssertionError,
        MemoryError,
    ) as e:
        raise ValueError(f"layer {node.name!r} cannot be computed ({str(e) or type(e).__name__})") from None
    if shapes != stored:
        raise ValueError(f"layer {node.name!r} makes shapes {shapes}, and {stored} are stored")


def _check_inputs(node: Node, call: Call) -> None:
    constant = [tensor.data is not None for tensor in call.inputs]
    if not constant or constant[0]:
        raise ValueError(f"layer {node.name!r} has no input that is computed")
    if OPS[node.op].weighted and constant != [False, True, True]:
        raise ValueError(f"layer {node.name!r} needs one input, weights and a bias")
    if OPS[node.op].weighted and [t.q.dtype for t in call.inputs[1:]] != [Dtype.INT8, Dtype.INT32]:
        raise ValueError(f"layer {node.name!r} has weights or a bias of another type")
