"""What is the C of one layer? Its constants, and a function for each call that run() makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ir import Array, Call, Graph, Node, shape_text
from ..kernels import Alike, Prepared, Told
from ..manifest import StoredValue, stored_outputs
from ..ops import OPS
from . import symbols
from .templates import render

OWN_NAME = "\0"
"""Stands in a function's text for its name."""


@dataclass(frozen=True)
class Function:
    """C text of a static function: a kernel for one shape. `scratch`: it takes some as its last argument.
    `begins_at`: so many bytes of its first argument it is not given.

    Where a layer before has the very same function, `name` is of that one, and the text says so.
    """

    name: str
    text: str
    scratch: bool
    begins_at: int = 0


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
    uses: tuple[str, ...]
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
    arrays: dict[str, Array] = {}
    functions, uses = {}, list[str]()

    def name_of(short: str, part_name: str, array: Array) -> str:
        """Of a constant in C: "weight", or "weight_stripe2" where parts differ."""
        short = f"{short}_{part_name}" if short in arrays else short
        symbol = symbols.of_layer(graph.name, node.name, short)
        known = stored.symbol(array, symbol)
        if known == symbol:
            arrays[short] = np.ascontiguousarray(array)
        return known

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
        names = {short: name_of(short, part_name, array) for short, array in way.pack(part.call, k).items()}
        layout = way.layout(part.call, k)
        text = render(way.template, fn=name, k=k, layout=layout, arrays=names).strip()
        functions[key] = stored.function(
            Function(name, text, way.scratch_bytes(part.call) > 0, way.begins_at(part.call))
        )
        uses += [functions[key].name, *names.values()]
    macs = op.macs(call)
    return Layer(
        name=node.name,
        op=node.op,
        source=node.source,
        outputs=stored_outputs(graph, node),
        macs=macs,
        arrays=arrays,
        functions=functions,
        uses=tuple(dict.fromkeys(uses)),
        title=_title(node, call, macs),
        kernel=kernel,
    )


def shape_key(call: Call) -> tuple[Any, ...]:
    """Calls of one layer with the same key have the same function."""
    shapes = tuple(tensor.shape for tensor in call.outputs)
    return call.attrs, shapes, *(t.shape for t in call.inputs if t.data is None)


class StoredOnce:
    """What a model's layers have in flash: constants and functions that several have are the first one's."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[str, bytes], str] = {}
        self._functions: dict[str, str] = {}

    def symbol(self, array: Array, symbol: str) -> str:
        """What a constant is called in C: as where it is there already, else this."""
        return self._symbols.setdefault((str(array.dtype), array.tobytes()), symbol)

    def function(self, made: Function) -> Function:
        """That function, or the one before it that differs in nothing but its name."""
        name = self._functions.setdefault(made.text.replace(made.name, OWN_NAME), made.name)
        return made if name == made.name else replace(made, name=name, text=f"/* by {name} */")


def _title(node: Node, call: Call, macs: int) -> str:
    shapes = " + ".join(shape_text(t.shape) for t in call.inputs if t.data is None)
    results = " + ".join(shape_text(tensor.shape) for tensor in call.outputs)
    work = f", {macs:,} multiply-accumulates" if macs else ""
    return f"{node.name}: {node.op}, {shapes} -> {results}{work}"
