"""Which graph do all stages speak? Frozen dataclasses, with no behaviour beyond lookup."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class QParams:
    """real = scale · (q − zero_point); one scale, or one per entry of axis 0 (weights, biases)."""

    scale: tuple[float, ...]
    zero_point: int = 0
    dtype: str = "int8"

    def to_real(self, q: Array) -> Array:
        """Integer array → float64 array of the same shape."""
        scale = np.asarray(self.scale, np.float64)
        if len(self.scale) > 1:
            scale = scale.reshape(-1, *[1] * (q.ndim - 1))
        real: Array = scale * (q.astype(np.float64) - self.zero_point)
        return real


@dataclass(frozen=True)
class Tensor:
    """One value of the graph. The model's input has a batch of 1; values inside may have any first axis."""

    name: str
    shape: Shape
    qparams: QParams | None = None  # None while the graph is still float
    data: Array | None = None  # None for activations

    @property
    def q(self) -> QParams:
        if self.qparams is None:
            raise ValueError(f"tensor {self.name!r} is not quantized: run quantize() before codegen")
        return self.qparams

    @property
    def values(self) -> Array:
        if self.data is None:
            raise ValueError(f"tensor {self.name!r} is an activation: it has no constant values")
        return self.data

    @property
    def scale(self) -> float:
        """The one scale of a per-tensor quantized activation."""
        (scale,) = self.q.scale
        return scale

    @property
    def zero_point(self) -> int:
        return self.q.zero_point

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def real(self) -> Array:
        """Constant values as float64, whether quantized or not."""
        return self.values.astype(np.float64) if self.qparams is None else self.qparams.to_real(self.values)


@dataclass(frozen=True)
class Call:
    """One op at one place with its tensors resolved: what every op method is given."""

    attrs: Any
    inputs: tuple[Tensor, ...]
    output: Tensor


@dataclass(frozen=True)
class Node:
    """One layer: `op` names an entry of ops.OPS, `attrs` is that op's frozen dataclass of options.

    `inputs` and `output` are tensor names; activations come before constants. `source` is the
    module path and operator the layer came from, for people.
    """

    name: str
    op: str
    attrs: Any
    inputs: tuple[str, ...]
    output: str
    source: str = ""


@dataclass(frozen=True)
class Graph:
    """A network: nodes in execution order and every tensor by name.

    The stored input equals the model's own input transposed by `input_order` (NumPy's transpose
    axes; empty: unchanged); likewise the output by `output_order`. Frontends give one input; a row of
    the op matrix may have several.
    """

    name: str
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    output: str
    input_order: Shape = ()
    output_order: Shape = ()

    @property
    def input(self) -> str:
        """The name of the only input."""
        (name,) = self.inputs
        return name

    def call(self, node: Node) -> Call:
        return Call(node.attrs, tuple(self.tensors[name] for name in node.inputs), self.tensors[node.output])

    def consumers(self, tensor: str) -> list[Node]:
        return [node for node in self.nodes if tensor in node.inputs]

    def producer(self, tensor: str) -> Node | None:
        return next((node for node in self.nodes if node.output == tensor), None)

    def activations(self, node: Node) -> tuple[str, ...]:
        """The node's inputs that are computed, not constant."""
        return tuple(name for name in node.inputs if self.tensors[name].data is None)

    def with_nodes(self, nodes: "tuple[Node, ...] | list[Node]", **tensors: Tensor) -> "Graph":
        """The same graph with other nodes; tensors nobody uses any more are dropped, `tensors` added."""
        known = {**self.tensors, **tensors}
        used = {*self.inputs, self.output}.union(*[{*node.inputs, node.output} for node in nodes])
        return replace(
            self, nodes=tuple(nodes), tensors={name: t for name, t in known.items() if name in used}
        )


def shape_text(shape: Shape) -> str:
    """For people: "32x32x3", a first axis of 1 left out."""
    return "x".join(map(str, shape[1:] if shape[:1] == (1,) else shape)) or "1"


def check(graph: Graph) -> None:
    """Raise ValueError unless names are unique C identifiers and every value exists before it is read."""
    ready = {*graph.inputs} | {name for name, tensor in graph.tensors.items() if tensor.data is not None}
    names: set[str] = set()
    for key, tensor in graph.tensors.items():
        if key != tensor.name:
            raise ValueError(f"graph {graph.name!r}: tensor {tensor.name!r} is filed under {key!r}")
    for node in graph.nodes:
        if not node.name.isidentifier() or node.name in names:
            raise ValueError(f"graph {graph.name!r}: layer name {node.name!r} is not a unique C identifier")
        names.add(node.name)
        for name in node.inputs:
            if name not in ready:
                raise ValueError(f"layer {node.name!r} reads {name!r} before anything writes it")
        if node.output in ready or node.output not in graph.tensors:
            raise ValueError(
                f"layer {node.name!r} writes {node.output!r}, which is written already or unknown"
            )
        ready.add(node.output)
    if graph.output not in ready:
        raise ValueError(f"graph {graph.name!r}: nothing writes the output {graph.output!r}")
