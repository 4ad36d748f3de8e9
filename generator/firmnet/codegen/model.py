"""What is the C library of a model? A header, the code, the constants, the arithmetic headers beside them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..assets import assets
from ..ir import Array, Call, Graph, Node, Shape
from ..ops import OPS
from ..plan import Plan, plan
from .templates import render

C_TYPES = {
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}
LINE = 110


@dataclass(frozen=True)
class Layer:
    """One kernel as the firmware knows it; views have none."""

    name: str
    op: str
    source: str
    shape: Shape
    size: int
    output: str
    macs: int
    arrays: Mapping[str, Array]  # short name → what lies in flash
    kernel: str  # C text of one static function
    arguments: tuple[str, ...]  # C expressions
    title: str

    @property
    def flash_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())


@dataclass(frozen=True)
class Library:
    """lib/<model>: file name → text, and what the rest of the artifact wants to know of it."""

    files: Mapping[str, str]
    layers: tuple[Layer, ...]
    plan: Plan


def model_sources(
    graph: Graph, *, dsp: bool, fingerprint: bytes = bytes(32), separate_buffers: bool = False
) -> dict[str, str]:
    """The files of lib/<graph.name>; see `library`."""
    return dict(library(graph, dsp=dsp, fingerprint=fingerprint, separate_buffers=separate_buffers).files)


def library(
    graph: Graph,
    *,
    dsp: bool,
    fingerprint: bytes = bytes(32),
    separate_buffers: bool = False,
    ram_limit_bytes: int | None = None,
) -> Library:
    """Generate the C library of a quantized graph; UserError when it cannot run in `ram_limit_bytes`.

    `dsp` chooses kernels for cores with the DSP extension (they compile, with the same results, without it).
    `separate_buffers` gives every tensor a static array of its own instead of a place in the arena, so
    that a sanitizer sees each bound.
    """
    memory = plan(graph, dsp=dsp, overlap=not separate_buffers, ram_limit_bytes=ram_limit_bytes)
    buffers = _Buffers(graph, memory, dsp, separate_buffers)
    layers = tuple(_layer(graph, node, buffers, dsp) for node in graph.nodes if not OPS[node.op].view)
    context = {
        "name": graph.name,
        "guard": graph.name.upper(),
        "layers": layers,
        "buffers": buffers.declarations(),
        "inputs": [(buffers.address(name), graph.tensors[name].size) for name in graph.inputs],
        "output": (buffers.address(graph.output), graph.tensors[graph.output].size),
        "output_scale": _float(np.float32(graph.tensors[graph.output].scale)),
        "output_zero_point": graph.tensors[graph.output].zero_point,
        "edge": _edge(graph),
        "arena_bytes": memory.arena_bytes,
        "lower_bound_bytes": memory.lower_bound_bytes,
        "peak_layer": memory.peak_layer,
        "arrays": [
            (
                C_TYPES[str(array.dtype)],
                f"{graph.name}_{layer.name}_{key}",
                array.size,
                _initializer(array),
                layer.title,
            )
            for layer in layers
            for key, array in layer.arrays.items()
        ],
    }
    files = {
        f"{graph.name}.h": render("model/model.h.j2", **context),
        f"{graph.name}.c": render("model/model.c.j2", **context),
        f"{graph.name}_weights.h": render("model/weights.h.j2", **context),
        f"{graph.name}_weights.c": render("model/weights.c.j2", **context),
        f"{graph.name}_fingerprint.c": fingerprint_source(graph.name, fingerprint),
        "library.json": _library_json(graph.name),
    }
    for header in sorted((assets("templates") / "lib").glob("fn_*.h")):
        files[header.name] = header.read_text()
    return Library(files, layers, memory)


def fingerprint_source(model: str, fingerprint: bytes) -> str:
    """The text of <model>_fingerprint.c."""
    initializer = _initializer(np.frombuffer(fingerprint, np.uint8))
    return render("model/fingerprint.c.j2", name=model, fingerprint=initializer)


def kernel_template(node: Node, call: Call, dsp: bool) -> str:
    """The template of a layer's kernel: kernels/<op>.c.j2, or one of the op's variants of it."""
    variant = OPS[node.op].variant(call, dsp)
    return f"kernels/{node.op}{'.' * bool(variant)}{variant}.c.j2"


class _Buffers:
    """C expressions for where each tensor lies: offsets in the arena, or arrays of their own."""

    def __init__(self, graph: Graph, memory: Plan, dsp: bool, separate: bool) -> None:
        self.graph, self.memory, self.dsp, self.separate = graph, memory, dsp, separate
        self.roots: dict[str, str] = {name: name for name in graph.inputs}
        for node in graph.nodes:
            self.roots[node.output] = self.roots[node.inputs[0]] if OPS[node.op].view else node.output

    def address(self, name: str) -> str:
        return f"buffer_{self.roots[name]}" if self.separate else f"arena + {self.memory.offsets[name]}"

    def scratch(self, node: Node) -> str:
        return f"scratch_{node.name}" if self.separate else f"arena + {self.memory.scratch[node.name]}"

    def declarations(self) -> list[tuple[str, int]]:
        if not self.separate:
            return [("arena", max(self.memory.arena_bytes, 1))]
        roots = [
            (f"buffer_{root}", self.graph.tensors[root].size) for root in dict.fromkeys(self.roots.values())
        ]
        costs = {
            node.name: OPS[node.op].cost(self.graph.call(node), self.dsp).scratch_bytes
            for node in self.graph.nodes
        }
        return roots + [(f"scratch_{name}", size) for name, size in costs.items() if size]


def _layer(graph: Graph, node: Node, buffers: _Buffers, dsp: bool) -> Layer:
    op, call = OPS[node.op], graph.call(node)
    k, cost = op.prepare(call), op.cost(call, dsp)
    arguments = [*map(buffers.address, graph.activations(node)), buffers.address(node.output)]
    if cost.scratch_bytes:
        arguments.append(buffers.scratch(node))
    fn = f"{graph.name}_{node.name}"
    return Layer(
        name=node.name,
        op=node.op,
        source=node.source,
        shape=call.output.shape,
        size=call.output.size,
        output=buffers.address(node.output),
        macs=cost.macs,
        arrays={key: np.ascontiguousarray(array) for key, array in op.pack(call, k, dsp).items()},
        kernel=render(kernel_template(node, call, dsp), fn=fn, k=k, call=call, dsp=dsp).strip(),
        arguments=tuple(arguments),
        title=_title(node, call, cost.macs),
    )


def _title(node: Node, call: Call, macs: int) -> str:
    shapes = " + ".join("x".join(map(str, t.shape[1:])) or "1" for t in call.inputs if t.data is None)
    out = "x".join(map(str, call.output.shape[1:])) or "1"
    work = f", {macs:,} multiply-accumulates" if macs else ""
    return f"{node.name}: {node.op}, {shapes} -> {out}{work}"


def _edge(graph: Graph) -> dict[str, Any]:
    """Constants of float32 → int8 at the edge: loops over the stored layout, strides in the model's own."""
    tensor = graph.tensors[graph.inputs[0]]
    order = graph.input_order or tuple(range(len(tensor.shape)))
    model_shape = [0] * len(order)
    for axis, size in zip(order, tensor.shape, strict=True):
        model_shape[axis] = size
    strides = [int(np.prod(model_shape[axis + 1 :], dtype=np.int64)) for axis in order]
    loops = [(size, stride) for size, stride in zip(tensor.shape, strides, strict=True) if size > 1]
    loops = _merged(loops) or [(1, 1)]
    return {
        "index": " + ".join(
            f"i{i} * {stride}" if stride > 1 else f"i{i}" for i, (_, stride) in enumerate(loops)
        ),
        "reciprocal": _float(np.float32(1.0 / tensor.scale)),
        "offset": _float(np.float32(tensor.zero_point + 0.5)),
        "loops": loops,
    }


def _merged(loops: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring loops that walk memory in one stride become one."""
    out: list[tuple[int, int]] = []
    for size, stride in loops:
        if out and out[-1][1] == size * stride:
            out[-1] = (out[-1][0] * size, stride)
        else:
            out.append((size, stride))
    return out


def _float(value: np.float32) -> str:
    """A C literal that reads back as exactly this float32."""
    text = repr(float(value))
    return f"{text}f" if any(c in text for c in ".en") else f"{text}.0f"


def _initializer(array: Array) -> str:
    """Numbers of an array in rows of at most LINE columns."""
    rows, row, width = [], list[str](), 4
    for value in array.ravel().tolist():
        text = (
            "INT32_MIN"
            if array.dtype == np.int32 and value == -(2**31)
            else f"{value}{'u' * (value > 2**31 - 1)}"
        )
        if width + len(text) + 2 > LINE:
            rows.append(", ".join(row))
            row, width = [], 4
        row.append(text)
        width += len(text) + 2
    return ",\n    ".join([*rows, ", ".join(row)])


def _library_json(name: str) -> str:
    build = {"srcDir": ".", "includeDir": ".", "flags": ["-O3", "-ffp-contract=off"], "unflags": ["-Os"]}
    return json.dumps({"name": name, "version": "1.0.0", "build": build}, indent=2) + "\n"
