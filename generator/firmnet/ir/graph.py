"""Which graph do all stages speak? Frozen dataclasses, with no behaviour beyond lookup."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from operator import is_
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .dtype import Dtype

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class QParams:
    """real = scale · (q − zero_point); one scale, or one per entry of axis 0 (weights, biases)."""

    scale: tuple[float, ...]
    zero_point: int = 0
    dtype: Dtype = Dtype.INT8

    def to_real(self, q: Array) -> Array:
        """Integer array → float64 array of the same shape."""
        scale = np.asarray(self.scale, np.float64)
        if len(self.scale) > 1:
            scale = scale.reshape(-1, *[1] * (q.ndim - 1))
        real: Array = scale * (q.astype(np.float64) - self.zero_point)
        return real

    def nearest(self, real: Array) -> Array:
        """Real values → the integers next to them that the type holds, as float64; for one scale."""
        levels: Array = np.clip(
            np.rint(real / self.scale[0]) + self.zero_point, self.dtype.low, self.dtype.high
        )
        return levels

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest real value that the type holds, for one scale."""
        low, high = self.to_real(np.array([self.dtype.low, self.dtype.high]))
        return float(low), float(high)


@dataclass(frozen=True)
class Tensor:
    """One value of the graph, of any rank; that its first axis is a batch of 1 only an op may say."""

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
    def dtype(self) -> Dtype:
        return self.q.dtype

    @property
    def byte_count(self) -> int:
        """Of a quantized tensor in memory."""
        return self.size * self.dtype.bytes

    @property
    def real(self) -> Array:
        """Constant values as float64, whether quantized or not."""
        return self.values.astype(np.float64) if self.qparams is None else self.qparams.to_real(self.values)


@dataclass(frozen=True)
class Call:
    """One op at one place with its tensors resolved: what every op method is given."""

    attrs: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def output(self) -> Tensor:
        """The only output."""
        (tensor,) = self.outputs
        return tensor


@dataclass(frozen=True)
class Node:
    """One layer: `op` names an entry of ops.OPS, `attrs` is that op's frozen dataclass of options.

    `inputs` and `outputs` are tensor names; activations come before constants. `source` is the
    module path and operator the layer came from, for people.
    """

    name: str
    op: str
    attrs: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: str = ""

    @property
    def output(self) -> str:
        """The only output."""
        (name,) = self.outputs
        return name


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: `name` is what users call it, `tensor` what stands for it inside.

    The tensor is what the model knows, transposed by `order` (NumPy's transpose axes; empty: unchanged).
    """

    name: str
    tensor: str
    order: Shape = ()


@dataclass(frozen=True)
class State:
    """What a model remembers: the layers read `tensor`, and after each run it takes over `next`.

    `initial` is the constant it holds at first and after every reset. All three have one shape and scale.
    """

    name: str
    tensor: str
    next: str
    initial: str


@dataclass(frozen=True)
class Stream:
    """Of a graph that is given `hop` frames of a signal per run, where the network it was made of is given
    the last `window` of them; or, `from_reset`, all since the reset. Frames follow each other along `axis`
    of the only input, in the model's own order.
    """

    window: int
    hop: int
    axis: int
    from_reset: bool = False

    @property
    def first_run(self) -> int:
        """Since a reset, counted from 1: the first whose outputs are the network's."""
        return 1 if self.from_reset else -(-self.window // self.hop)


@dataclass(frozen=True)
class Graph:
    """A network: nodes in execution order, every tensor by name, and what goes in, comes out and stays.

    `stream`: of one that was made to run on a signal hop by hop.
    """

    name: str
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    states: tuple[State, ...] = ()
    stream: Stream | None = None

    @property
    def input(self) -> str:
        """The tensor of the only input."""
        (port,) = self.inputs
        return port.tensor

    @property
    def output(self) -> str:
        """The tensor of the only output."""
        (port,) = self.outputs
        return port.tensor

    @property
    def given(self) -> tuple[str, ...]:
        """The tensors that are there before the first layer runs: inputs, then states."""
        return (*(port.tensor for port in self.inputs), *(state.tensor for state in self.states))

    @property
    def wanted(self) -> tuple[str, ...]:
        """The tensors that must be there after the last layer: outputs, then the states' next values."""
        return (*(port.tensor for port in self.outputs), *(state.next for state in self.states))

    def call(self, node: Node) -> Call:
        inputs, outputs = ([self.tensors[name] for name in names] for names in (node.inputs, node.outputs))
        return Call(node.attrs, tuple(inputs), tuple(outputs))

    def consumers(self, tensor: str) -> Sequence[Node]:
        return self._readers.get(tensor, ())

    def producer(self, tensor: str) -> Node | None:
        return self._makers.get(tensor)

    @cached_property
    def _readers(self) -> Mapping[str, Sequence[Node]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def _makers(self) -> Mapping[str, Node]:
        return {name: node for node in reversed(self.nodes) for name in node.outputs}

    def activations(self, node: Node) -> tuple[str, ...]:
        """The node's inputs that are computed, not constant."""
        return tuple(name for name in node.inputs if self.tensors[name].data is None)

    def with_nodes(self, nodes: Sequence[Node], **tensors: Tensor) -> "Graph":
        """The same graph with other nodes; tensors nobody uses any more are dropped, `tensors` added.

        Where that changes nothing it is this very graph.
        """
        known = {**self.tensors, **tensors}
        used = {*self.given, *self.wanted, *(state.initial for state in self.states)}
        used = used.union(*[(*node.inputs, *node.outputs) for node in nodes])
        same = len(nodes) == len(self.nodes) and all(map(is_, nodes, self.nodes))
        if same and not tensors and used >= known.keys():
            return self
        return replace(
            self, nodes=tuple(nodes), tensors={name: t for name, t in known.items() if name in used}
        )


Each = TypeVar("Each")


def unwrapped(values: Sequence[Each]) -> Any:
    """What users are given where a model may have several: the value itself of one, else a tuple."""
    return values[0] if len(values) == 1 else tuple(values)


def wrapped(values: Any, count: int) -> tuple[Any, ...]:
    """The inverse of `unwrapped`, for `count` values; ValueError when there are more or fewer."""
    found = tuple(values) if isinstance(values, tuple | list) else (values,)
    if len(found) != count:
        raise ValueError(f"{len(found)} arrays where {count} are right")
    return found


def key_of(port: Port, held: Iterable[str]) -> str | None:
    """Under which of these names the values of a port are: its own, else one that is written otherwise.

    torch.export writes `userId` and `x_` of a forward as `userid` and `x_`, and firmnet as `userid` and `x`.
    """

    def plain(name: str) -> str:
        return name.strip("_").lower()

    alike = [name for name in held if plain(name) == plain(port.name)]
    return port.name if port.name in alike else next(iter(alike), None)


def shape_text(shape: Shape) -> str:
    """For people: "32x32x3", a first axis of 1 left out."""
    return "x".join(map(str, shape[1:] if shape[:1] == (1,) else shape)) or "1"
