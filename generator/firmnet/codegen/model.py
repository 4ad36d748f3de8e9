"""What is the C library of a model? A header, the code, the constants, the arithmetic headers beside them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..assets import assets
from ..ir import Call, Graph, Node
from ..kernels import Choice, Prepared, told
from ..ops import OPS, check_quantized
from ..plan import Cascade, Program, plan
from ..targets import Isa
from . import symbols
from .blocks import WORD, blocks
from .buffers import Buffers
from .edges import ports, states, updates
from .layers import Layer, StoredOnce, layer, shape_key
from .numbers import initializer
from .templates import render

MOVABLE = ("entry.c", "movable.h", "movable.ld")
"""Of templates/stock/: what movable code is compiled with."""
C_TYPES = {
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}


@dataclass(frozen=True)
class Library:
    """lib/<model>: file name → text, and what the rest of the artifact wants to know of it."""

    files: Mapping[str, str]
    layers: tuple[Layer, ...]
    program: Program
    constants: bytes = b""
    """Where the code is movable: what it is given the address of."""


def model_sources(
    graph: Graph, *, isa: Isa, fingerprint: bytes = bytes(32), ram_limit_bytes: int | None = None
) -> dict[str, str]:
    """The files of lib/<graph.name>; see `library`."""
    return dict(library(graph, isa=isa, fingerprint=fingerprint, ram_limit_bytes=ram_limit_bytes).files)


def library(
    graph: Graph,
    *,
    isa: Isa,
    fingerprint: bytes = bytes(32),
    separate_buffers: bool = False,
    ram_limit_bytes: int | None = None,
    cascades: Sequence[Cascade] | None = None,
    program: Program | None = None,
    movable: bool = False,
    edges: bool = True,
) -> Library:
    """Generate the C library of a quantized graph; UserError when it cannot run in `ram_limit_bytes`.

    GraphError, naming what is wrong with it, for a graph that no firmware can be made of.

    Steps and places are those of `program`, or as `plan` chooses them, or with `cascades` these.

    Kernels may use the instructions of `isa` (they compile, with the same results, for cores without them).
    `movable` code knows no address: arena and constants are given with every request (stock/movable.h).
    `separate_buffers` gives every tensor a static array of its own instead of a place in the arena, so
    that a sanitizer sees each bound. Without `edges` the model takes and returns integers only: nothing that
    makes them of real numbers, puts them into the model's own order, or back.
    """
    check_quantized(graph)
    program = program or plan(graph, isa=isa, ram_limit_bytes=ram_limit_bytes, cascades=cascades)
    buffers = Buffers(graph, program, separate_buffers)
    layers = _layers(graph, program)
    context = {
        "name": graph.name,
        "guard": graph.name.upper(),
        "movable": movable,
        "edges": edges,
        "layers": layers,
        "blocks": blocks(graph, program, layers, buffers),
        "buffers": buffers.declarations(),
        "inputs": ports(graph, buffers, graph.inputs),
        "outputs": ports(graph, buffers, graph.outputs),
        "states": states(graph, buffers),
        "updates": updates(graph, buffers),
        "arena_bytes": program.arena_bytes,
        "lower_bound_bytes": program.lower_bound_bytes,
        "peak": " to ".join(dict.fromkeys((program.peak_layers[0], program.peak_layers[-1])))
        if program.peak_layers
        else graph.outputs[0].name,
        "arrays": [
            (
                C_TYPES[str(array.dtype)],
                symbols.of_layer(graph.name, each.name, key),
                array.size,
                initializer(array),
                each.title,
            )
            for each in layers
            for key, array in each.arrays.items()
        ],
    }
    if movable:
        return _movable(context, layers, program)
    files = {
        f"{graph.name}.h": render("model/model.h.j2", **context),
        f"{graph.name}.c": render("model/model.c.j2", **context),
        f"{graph.name}_weights.h": render("model/weights.h.j2", **context),
        f"{graph.name}_weights.c": render("model/weights.c.j2", **context),
        f"{graph.name}_fingerprint.c": fingerprint_source(graph.name, fingerprint),
        "library.json": _library_json(graph.name),
    }
    return Library({**files, **_headers()}, layers, program)


def _movable(context: Mapping[str, Any], layers: tuple[Layer, ...], program: Program) -> Library:
    """Code without an address in it, and beside it the constants, each at a word's address."""
    name, constants, places = context["name"], bytearray(), []
    for each in layers:
        for key, array in each.arrays.items():
            symbol = symbols.of_layer(name, each.name, key)
            places.append((C_TYPES[str(array.dtype)], symbol, len(constants)))
            data = array.astype(array.dtype.newbyteorder("<")).tobytes()
            constants += data + bytes(-len(data) % WORD)
    files = {
        f"{name}.c": render("model/model.c.j2", **context),
        f"{name}_weights.h": render("stock/constants.h.j2", **context, constants=places),
        **_headers(),
        **{path: (assets("templates") / "stock" / path).read_text() for path in MOVABLE},
    }
    return Library(files, layers, program, bytes(constants) or bytes(WORD))


@cache
def _headers() -> Mapping[str, str]:
    """By name."""
    return {path.name: path.read_text() for path in sorted((assets("templates") / "lib").glob("fn_*.h"))}


def fingerprint_source(model: str, fingerprint: bytes) -> str:
    """The text of <model>_fingerprint.c."""
    numbers = initializer(np.frombuffer(fingerprint, np.uint8))
    return render("model/fingerprint.c.j2", name=model, fingerprint=numbers)


def _layers(graph: Graph, program: Program) -> tuple[Layer, ...]:
    """In the order of the graph's nodes, views left out."""
    parts: dict[str, dict[tuple[Any, ...], Prepared]] = {}
    for node, call, choice in _runs(graph, program):
        of_layer, key = parts.setdefault(node.name, {}), shape_key(call)
        if key not in of_layer:
            of_layer[key] = Prepared(choice.call, choice.kernel, OPS[node.op].prepare(choice.call))
    chosen = program.choices
    arguments = told(part for of_layer in parts.values() for part in of_layer.values())
    stored = StoredOnce()
    return tuple(
        layer(graph, node, parts[node.name], arguments, chosen[node.name][0].label, stored)
        for node in graph.nodes
        if node.name in parts
    )


def _runs(graph: Graph, program: Program) -> Iterator[tuple[Node, Call, Choice]]:
    """Every call that run() makes of a kernel, and what was chosen for it."""
    for step in program.steps:
        if step.choice:
            (node,) = step.nodes
            yield node, graph.call(node), step.choice
        for stripe in step.cascade.stripes if step.cascade else ():
            for piece in stripe:
                yield piece.node, piece.stripe.call, piece.choice


def _library_json(name: str) -> str:
    build = {"srcDir": ".", "includeDir": ".", "flags": ["-O3", "-ffp-contract=off"], "unflags": ["-Os"]}
    return json.dumps({"name": name, "version": "1.0.0", "build": build}, indent=2) + "\n"
