"""What is the module that runs a model in plain Python? Functions, calls of them, memory and constants."""

import ast
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..artifact import Artifact
from ..assets import assets
from ..errors import UserError
from ..ir import Graph, Port, Shape, Tensor
from ..kernels.loops import strides
from ..ops import OPS
from ..plan.placement import extent, place
from .plain import LOWERED, Flash, PlacesAlong, PlainCall, PlainName, axes_of, plain_calls
from .templates import render

PLAIN_FUNCTIONS = "firmnet_plain.py"
PER_VALUE = 8
"""Multiply-accumulates that writing a value takes as long as: rounding it, and finding what it is made of."""
ALWAYS = ("closed", "dequantized", "each", "put", "quantized")
"""Of PLAIN_FUNCTIONS: what the template itself calls."""


@dataclass(frozen=True)
class PlainModel:
    """`text` of the module `_firmnet`, and the constants that go beside it."""

    text: str
    constants: bytes
    ram_bytes: int
    """Of activations."""
    operations: int
    """Multiply-accumulates, and for each value that is written some more of what takes as long."""


@dataclass(frozen=True)
class PlainLayer:
    """The calls of a layer, and what its outputs are called."""

    title: str
    calls: tuple[PlainCall, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class PlainEdge:
    """An input or output: what it is called, how its values become real ones, and the model's own order."""

    value: str
    places: tuple[PlacesAlong, ...]
    reciprocal_bits: int
    scale_bits: int
    zero_point: int
    low: int
    high: int
    code: str


def plain_model(artifact: Artifact) -> PlainModel:
    """The module of an artifact's model; UserError naming the ops that have no plain form."""
    graph, manifest = artifact.graph, artifact.manifest
    check_lowered(graph)
    memory, flash = _Memory(graph), Flash()
    layers = [
        PlainLayer(
            f"{node.name}: {node.op}",
            tuple(plain_calls(graph, node, flash, memory.names)),
            tuple(memory.names[name] for name in node.outputs),
        )
        for node in graph.nodes
        if not OPS[node.op].view
    ]
    initial = [
        (
            memory.names[s.tensor],
            flash.array(graph.tensors[s.initial].values, _code(graph, s.tensor)),
            _size(graph, s.tensor),
        )
        for s in graph.states
    ]
    constants = bytes(flash.data) or bytes(8)
    text = render(
        "stock/plain.py.j2",
        name=graph.name,
        version=manifest.firmnet,
        fingerprint=bytes.fromhex(manifest.fingerprint),
        arena_bytes=manifest.arena_bytes,
        arenas=memory.arenas,
        values=memory.values(),
        constant_bytes=len(constants),
        constant_crc=zlib.crc32(constants),
        functions=_sources(sorted(_called(layers) | {*ALWAYS})),
        plain_layers=layers,
        initial=initial,
        updates=_updates(graph, memory),
        edges=[[_edge(graph, port, memory) for port in ports] for ports in (graph.inputs, graph.outputs)],
        inputs=[_told(graph, port, memory) for port in graph.inputs],
        outputs=[_told(graph, port, memory) for port in graph.outputs],
        states=[_told(graph, Port(s.name, s.tensor), memory) for s in graph.states],
        layers=tuple(layer.byte_count for layer in manifest.layers),
        layer_names=tuple(layer.name for layer in manifest.layers),
    )
    calls = [(OPS[node.op], graph.call(node)) for node in graph.nodes if not OPS[node.op].view]
    operations = sum(op.macs(call) + PER_VALUE * sum(t.size for t in call.outputs) for op, call in calls)
    return PlainModel(text, constants, memory.byte_count, operations)


def check_lowered(graph: Graph) -> None:
    """UserError where some layer's op has no plain form."""
    missing = [
        f"{node.name} ({node.op})" for node in graph.nodes if not OPS[node.op].view and node.op not in LOWERED
    ]
    if missing:
        raise UserError(
            f"{graph.name} cannot be plain Python: no such form is known of {', '.join(missing)}; use a "
            "board that runs machine code, or `firmnet deploy`"
        )


class _Memory:
    """Activations as parts of one array for each type: those that are alive together lie apart."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.roots = _roots(graph)
        self.names = {name: f"t{number}" for number, name in enumerate(dict.fromkeys(self.roots.values()))}
        self.names |= {name: self.names[root] for name, root in self.roots.items()}
        self.offsets: dict[str, int] = {}
        self.arenas: list[tuple[str, int]] = []
        alive = _alive(graph, self.roots)
        for code in dict.fromkeys(_code(graph, root) for root in alive):
            some = [root for root in alive if _code(graph, root) == code]
            sizes = [_size(graph, root) for root in some]
            found = place(sizes, _apart([alive[root] for root in some], sizes))
            self.offsets |= zip(some, found, strict=True)
            self.arenas.append((code, extent(sizes, found)))

    @property
    def byte_count(self) -> int:
        return sum(np.dtype(code).itemsize * size for code, size in self.arenas)

    def values(self) -> Iterator[tuple[str, str, int, int]]:
        """Name, type code, first and behind the last in the array of that type."""
        for root, at in self.offsets.items():
            yield self.names[root], _code(self._graph, root), at, at + _size(self._graph, root)


def _roots(graph: Graph) -> dict[str, str]:
    """Activation → the one whose memory it is."""
    roots = {name: name for name in graph.given}
    for node in graph.nodes:
        viewed = graph.activations(node)[:1] if OPS[node.op].view else ()
        roots |= {name: roots[viewed[0]] if viewed else name for name in node.outputs}
    return roots


def _alive(graph: Graph, roots: Mapping[str, str]) -> dict[str, range]:
    """Root → the layers, by their numbers, in which it is wanted; -1 is before the first."""
    first = dict.fromkeys(graph.given, -1)
    last = dict(first)
    for number, node in enumerate(graph.nodes):
        for name in (*graph.activations(node), *node.outputs):
            first.setdefault(roots[name], number)
            last[roots[name]] = number
    for name in (*graph.wanted, *(state.tensor for state in graph.states)):
        last[roots[name]] = len(graph.nodes)
    return {root: range(first[root], last[root] + 1) for root in first}


def _apart(alive: Sequence[range], sizes: Sequence[int]) -> list[dict[int, int]]:
    """The gaps that `place` keeps: each begins behind the whole of the other."""
    return [
        {
            b: sizes[a]
            for b, other in enumerate(alive)
            if a != b and other.start < own.stop and own.start < other.stop
        }
        for a, own in enumerate(alive)
    ]


def _updates(graph: Graph, memory: _Memory) -> list[tuple[str, str, str, int]]:
    """State, type code, what it takes over after a run, and how many values."""
    moved = [state for state in graph.states if memory.roots[state.tensor] != memory.roots[state.next]]
    return [
        (memory.names[s.tensor], _code(graph, s.tensor), memory.names[s.next], _size(graph, s.tensor))
        for s in moved
    ]


def _edge(graph: Graph, port: Port, memory: _Memory) -> PlainEdge:
    tensor = graph.tensors[port.tensor]
    axes = [int(i) for i in np.argsort(port.order)] if port.order else [*range(len(tensor.shape))]
    by = strides(tensor.shape)
    shape: Shape = tuple(tensor.shape[axis] for axis in axes)
    return PlainEdge(
        memory.names[port.tensor],
        axes_of(shape, None, [by[axis] for axis in axes]),
        _bits(1.0 / tensor.scale),
        _bits(tensor.scale),
        tensor.zero_point,
        tensor.dtype.low,
        tensor.dtype.high,
        tensor.dtype.typecode,
    )


def _bits(real: float) -> int:
    return int(np.float32(real).view(np.uint32))


def _told(graph: Graph, port: Port, memory: _Memory) -> tuple[object, ...]:
    tensor: Tensor = graph.tensors[port.tensor]
    return port.name, tensor.dtype.value, tensor.byte_count, PlainName(memory.names[port.tensor]), tensor.size


def _code(graph: Graph, name: str) -> str:
    return graph.tensors[name].dtype.typecode


def _size(graph: Graph, name: str) -> int:
    return graph.tensors[name].size


# ---- of all functions, those that are needed ----


def _called(layers: Sequence[PlainLayer]) -> set[str]:
    """Names that the calls use."""
    text = "\n".join(str(call) for layer in layers for call in layer.calls)
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)} & {*_functions()}


def _sources(names: Sequence[str]) -> list[str]:
    """These functions and all that they call, in the order of the file."""
    known, wanted, found = _functions(), [*names], set[str]()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            used = (node.id for node in ast.walk(ast.parse(known[name])) if isinstance(node, ast.Name))
            wanted += [other for other in used if other in known]
    return [text for name, text in known.items() if name in found]


@cache
def _functions() -> Mapping[str, str]:
    """Name → text of each function."""
    text = (assets("runtime_micropython") / PLAIN_FUNCTIONS).read_text()
    parts = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in parts}
