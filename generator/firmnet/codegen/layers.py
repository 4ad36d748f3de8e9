"""What is the C of one layer? Its constants, and a function for each call that run() makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array, Call, Graph, Node, Shape, shape_text
from ..ops import OPS
from .templates import render


@dataclass(frozen=True)
class Kernel:
    """C text of one static function for one shape; `scratch`: it takes some as its last argument."""

    function: str
    text: str
    scratch: bool


@dataclass(frozen=True)
class Layer:
    """One layer as the firmware knows it; views are none.

    `arrays`: short name → what lies in flash. Run whole, a layer has one kernel; in a cascade one for every
    shape of its pieces, by `shape_key`.
    """

    name: str
    op: str
    source: str
    shape: Shape
    size: int
    macs: int
    arrays: Mapping[str, Array]
    kernels: Mapping[tuple[Any, ...], Kernel]
    title: str

    @property
    def flash_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())


def layer(graph: Graph, node: Node, dsp: bool, pieces: Sequence[Call] = ()) -> Layer:
    """A layer that runs whole, or as these `pieces` of it."""
    op, call, symbol = OPS[node.op], graph.call(node), f"{graph.name}_{node.name}"
    calls = {shape_key(piece): piece for piece in pieces or [call]}
    arrays: dict[str, Array] = {}
    kernels = {}
    for number, (key, part) in enumerate(calls.items()):
        function = symbol if len(calls) == 1 else f"{symbol}_stripe{number}"
        k = op.prepare(part)
        names = {
            short: f"{symbol}_{_kept(arrays, short, number, np.ascontiguousarray(array))}"
            for short, array in op.pack(part, k, dsp).items()
        }
        template = kernel_template(node, part, dsp)
        text = render(template, fn=function, k=k, call=part, dsp=dsp, arrays=names).strip()
        kernels[key] = Kernel(function, text, op.cost(part, dsp).scratch_bytes > 0)
    macs = op.cost(call, dsp).macs
    return Layer(
        name=node.name,
        op=node.op,
        source=node.source,
        shape=call.output.shape,
        size=call.output.size,
        macs=macs,
        arrays=arrays,
        kernels=kernels,
        title=_title(node, call, macs),
    )


def shape_key(call: Call) -> tuple[Any, ...]:
    """Calls of one layer with the same key have the same kernel."""
    return call.attrs, call.output.shape, *(t.shape for t in call.inputs if t.data is None)


def kernel_template(node: Node, call: Call, dsp: bool) -> str:
    """The template of a layer's kernel: kernels/<op>.c.j2, or one of the op's variants of it."""
    variant = OPS[node.op].variant(call, dsp)
    return f"kernels/{node.op}{'.' * bool(variant)}{variant}.c.j2"


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
