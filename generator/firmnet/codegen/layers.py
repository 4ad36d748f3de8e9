"""What is the C of one layer? Its constants, and a function for each call that run() makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array, Call, Graph, Node, shape_text
from ..kernels import Alike, Prepared, Told
from ..manifest import StoredValue, stored_outputs
from ..ops import OPS
from . import symbols
from .templates import render

LEAST_SHARED_BYTES = 128
"""Of a constant that is looked for in other layers."""


@dataclass(frozen=True)
class Function:
    """C text of a static function: a kernel for one shape. `scratch`: it takes some as its last argument."""

    name: str
    text: str
    scratch: bool


@dataclass(frozen=True)
class Layer:
    """One layer as the firmware knows it; views are none.

    `arrays`: short name → what lies in flash. Run whole, a layer has one function; in a cascade one for every
    shape of its pieces, by `shape_key`.
    """

    name: str
    op: str
    source: str
    outputs: tuple[StoredValue, ...]
    macs: int
    arrays: Mapping[str, Array]
    functions: Mapping[tuple[Any, ...], Function]
    title: str
    kernel: str

    @property
    def byte_count(self) -> int:
        """Of all its outputs."""
        return sum(output.byte_count for output in self.outputs)

    @property
    def flash_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())


def layer(
    graph: Graph,
    node: Node,
    parts: Mapping[tuple[Any, ...], Prepared],
    told: Mapping[Alike, Told],
    kernel: str,
    stored: "StoredOnce",
) -> Layer:
    """A layer that runs as these parts of it, by `shape_key`; as a whole it is one part.

    `kernel`: what was chosen, by name. `told`: what functions that parts alike share take as arguments.
    `stored`: what layers before this one have in flash.
    """
    op, call = OPS[node.op], graph.call(node)
    constants = _Constants()
    functions = {}
    for number, (key, part) in enumerate(parts.items()):
        part_name = symbols.KERNEL if len(parts) == 1 else symbols.stripe(number)
        name = symbols.of_layer(graph.name, node.name, part_name)
        alike, way = part.alike, part.kernel
        shared = told.get(alike) if alike else None
        k = {
            **part.k,
            "told": shared.arguments if shared else (),
            "told_shift": shared.shift if shared else None,
        }
        names = {
            short: stored.symbol(array)
            or symbols.of_layer(graph.name, node.name, constants.keep(short, part_name, array))
            for short, array in way.pack(part.call, k).items()
        }
        layout = way.layout(part.call, k)
        text = render(way.template, fn=name, k=k, layout=layout, arrays=names).strip()
        functions[key] = Function(name, text, way.scratch_bytes(part.call) > 0)
    for short, array in constants.arrays.items():
        stored.keep(array, symbols.of_layer(graph.name, node.name, short))
    macs = op.macs(call)
    return Layer(
        name=node.name,
        op=node.op,
        source=node.source,
        outputs=stored_outputs(graph, node),
        macs=macs,
        arrays=constants.arrays,
        functions=functions,
        title=_title(node, call, macs),
        kernel=kernel,
    )


def shape_key(call: Call) -> tuple[Any, ...]:
    """Calls of one layer with the same key have the same function."""
    shapes = tuple(tensor.shape for tensor in call.outputs)
    return call.attrs, shapes, *(t.shape for t in call.inputs if t.data is None)


class StoredOnce:
    """Large constants of a model's layers: what several read, as tables of gates, is the first one's."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[str, bytes], str] = {}

    def symbol(self, array: Array) -> str | None:
        """What it is called in C where it is there already."""
        return self._symbols.get((str(array.dtype), array.tobytes()))

    def keep(self, array: Array, symbol: str) -> None:
        if array.nbytes >= LEAST_SHARED_BYTES:
            self._symbols[str(array.dtype), array.tobytes()] = symbol


class _Constants:
    """What lies in flash for a layer: arrays that its parts have in common are there once."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self._named: dict[str, list[str]] = {}

    def keep(self, short: str, part: str, array: Array) -> str:
        """The name under which the array is there now: "weight", or "weight_stripe2" where parts differ."""
        named = self._named.setdefault(short, [])
        for name in named:
            if np.array_equal(self.arrays[name], array):
                return name
        name = f"{short}_{part}" if named else short
        named.append(name)
        self.arrays[name] = np.ascontiguousarray(array)
        return name


def _title(node: Node, call: Call, macs: int) -> str:
    shapes = " + ".join(shape_text(t.shape) for t in call.inputs if t.data is None)
    results = " + ".join(shape_text(tensor.shape) for tensor in call.outputs)
    work = f", {macs:,} multiply-accumulates" if macs else ""
    return f"{node.name}: {node.op}, {shapes} -> {results}{work}"
