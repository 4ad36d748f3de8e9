"""What is the C of one layer? Its constants, and a function for each call that run() makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array, Call, Graph, Node, Shape, shape_text
from ..kernels import Kernel
from ..ops import OPS
from .templates import render


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
    shape: Shape
    size: int
    macs: int
    arrays: Mapping[str, Array]
    functions: Mapping[tuple[Any, ...], Function]
    title: str

    @property
    def flash_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())


def layer(graph: Graph, node: Node, parts: Sequence[tuple[Call, Kernel]]) -> Layer:
    """A layer that runs as these parts of it, each by its kernel; as a whole it is one part."""
    op, call, symbol = OPS[node.op], graph.call(node), f"{graph.name}_{node.name}"
    distinct = {shape_key(part): (part, kernel) for part, kernel in parts}
    arrays: dict[str, Array] = {}
    functions = {}
    for number, (key, (part, kernel)) in enumerate(distinct.items()):
        name = symbol if len(distinct) == 1 else f"{symbol}_stripe{number}"
        k = op.prepare(part)
        names = {
            short: f"{symbol}_{_kept(arrays, short, number, np.ascontiguousarray(array))}"
            for short, array in kernel.pack(part, k).items()
        }
        text = render(kernel.template, fn=name, k=k, layout=kernel.layout(part, k), arrays=names).strip()
        functions[key] = Function(name, text, kernel.scratch_bytes(part) > 0)
    macs = op.macs(call)
    return Layer(
        name=node.name,
        op=node.op,
        source=node.source,
        shape=call.output.shape,
        size=call.output.size,
        macs=macs,
        arrays=arrays,
        functions=functions,
        title=_title(node, call, macs),
    )


def shape_key(call: Call) -> tuple[Any, ...]:
    """Calls of one layer with the same key have the same function."""
    return call.attrs, call.output.shape, *(t.shape for t in call.inputs if t.data is None)


def _kept(arrays: dict[str, Array], short: str, number: int, array: Array) -> str:
    """The name under which `arrays` has the array already, or now has it."""
    for name, known in arrays.items():
        if name.partition("_stripe")[0] == short and np.array_equal(known, array):
            return name
    name = f"{short}_stripe{number}" if short in arrays else short
    arrays[name] = array
    return name


def _title(node: Node, call: Call, macs: int) -> str:
    shapes = " + ".join(shape_text(t.shape) for t in call.inputs if t.data is None)
    work = f", {macs:,} multiply-accumulates" if macs else ""
    return f"{node.name}: {node.op}, {shapes} -> {shape_text(call.output.shape)}{work}"
