"""settle_layout: decides in which order every activation is stored, so that almost no transpose is left.

Imported graphs transpose to channels-last before each image layer and back after it. This pass walks the
graph once and remembers for each tensor how it is stored: `tensor = stored.transpose(order)`. A transpose
then only changes the remembered order; an op that can act on the stored form does (`Op.remap`, or `Op.reread`
where each activation may be stored otherwise); only an op that cannot gets a real transpose. The walk is
tried with the input stored in each order that could help; the one that moves least is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..ir import Graph, Node, Port, Shape, State, Tensor
from ..ops import OPS
from ..ops.reshape import ReshapeAttrs
from ..ops.transpose import TransposeAttrs
from .fold_flatten import fold_flatten
from .rewrite import unique


@dataclass(frozen=True)
class Stored:
    """What stands for a tensor of the old graph: the new graph's `name`, to be read with axes in `order`."""

    name: str
    order: Shape


Orders = Mapping[str, Shape]
"""How inputs and states are stored, by tensor: what the model knows, transposed by this."""


def settle_layout(graph: Graph) -> Graph:
    """One input or state after the other, each in the order that moves least with those before it."""
    orders: Orders = {name: identity(graph.tensors[name].shape) for name in graph.given}
    best = None
    for name in graph.given:
        tried = [({**orders, name: order}) for order in _orders(graph, name)]
        walked = [_walk(graph, each) for each in tried]
        cheapest = min(range(len(walked)), key=lambda i: _cost(walked[i]))
        orders, best = tried[cheapest], walked[cheapest]
    assert best is not None
    return best


def _orders(graph: Graph, name: str) -> list[Shape]:
    """In which orders might an input be stored?

    As it is, as the graph transposes such tensors, or channels last: lines are views of images that it moves.
    """
    rank = len(graph.tensors[name].shape)
    known = [tuple(node.attrs.order) for node in graph.nodes if node.op == "transpose"]
    last = (0, *range(2, rank), 1)
    orders = [order for order in known if len(order) == rank] + ([last] if known and rank > 2 else [])
    return list(dict.fromkeys([tuple(range(rank)), *orders]))


def _cost(graph: Graph) -> tuple[bool, int, int]:
    """No layer left; elements moved by transposes that no linear layer will absorb; number of layers."""
    graph = fold_flatten(graph)
    moved = sum(graph.tensors[node.output].size for node in graph.nodes if node.op == "transpose")
    return not graph.nodes, moved, len(graph.nodes)


def _walk(graph: Graph, orders: Orders) -> Graph:
    walk = Settling(graph)
    walk.start(orders)
    for node in graph.nodes:
        walk.place(node)
    return walk.finish(orders)


@dataclass
class Settling:
    """One attempt: the new graph as it grows, and where each tensor of the old one is."""

    old: Graph
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    stored: dict[str, Stored] = field(default_factory=dict)
    moved: dict[Stored, str] = field(default_factory=dict)
    """Transposes made so far, to be shared by all readers."""

    def start(self, orders: Orders) -> None:
        for name, order in orders.items():
            self._keep(name, inverse(order))
        self.tensors |= {key: tensor for key, tensor in self.old.tensors.items() if tensor.data is not None}

    def place(self, node: Node) -> None:
        if node.op == "transpose":
            x = self.stored[node.inputs[0]]
            self.stored[node.output] = Stored(x.name, permuted(x.order, node.attrs.order))
        elif node.op == "reshape":
            self._reshape(node)
        elif attrs := self._reread(node):
            self._keep(node.output, identity(self.old.tensors[node.output].shape))
            inputs = [self.stored[name].name if name in self.stored else name for name in node.inputs]
            self.nodes.append(replace(node, attrs=attrs, inputs=tuple(inputs)))
        else:
            order, attrs = min(self._choices(node), key=lambda choice: self._price(node, choice[0]))
            inputs = [
                self._read(name, order) if name in self.stored else self._constant(node, name, order)
                for name in node.inputs
            ]
            unmoved = order == identity(order)
            for name in node.outputs:
                self._keep(name, identity(self.old.tensors[name].shape) if unmoved else order)
            self.nodes.append(replace(node, attrs=attrs, inputs=tuple(inputs)))

    def finish(self, orders: Orders) -> Graph:
        inputs = [replace(port, order=composed(port.order, orders[port.tensor])) for port in self.old.inputs]
        outputs = [self._output(port) for port in self.old.outputs]
        states = [self._state(state, orders[state.tensor]) for state in self.old.states]
        return Graph(
            self.old.name,
            tuple(self.nodes),
            self.tensors,
            tuple(inputs),
            tuple(outputs),
            tuple(states),
        ).with_nodes(self.nodes)

    def _output(self, port: Port) -> Port:
        result = self.stored[port.tensor]
        if result.name in self.old.given:  # a model that only reorders still needs a layer
            unmoved = identity(result.order)
            result = Stored(self._read(port.tensor, unmoved), unmoved)
        return Port(port.name, result.name, composed(port.order, inverse(result.order)))

    def _state(self, state: State, order: Shape) -> State:
        """What replaces it, and what it begins with, stored as it is."""
        begin = self.tensors[state.initial]
        data = np.asarray(begin.values.transpose(order), order="C")
        self.tensors[state.initial] = replace(begin, shape=data.shape, data=data)
        return replace(state, next=self._read(state.next, self.stored[state.tensor].order))

    def _reread(self, node: Node) -> Any | None:
        """Options with which the op reads its activations as they are stored, each in its own order."""
        return OPS[node.op].reread(
            node.attrs, tuple(self.stored[name].order for name in self.old.activations(node))
        )

    def _choices(self, node: Node) -> Iterator[tuple[Shape, Any]]:
        """Orders in which the op could read its activations, with its options then; unchanged comes last."""
        activations = self.old.activations(node)
        for order in dict.fromkeys(self.stored[name].order for name in activations):
            attrs = None if order == identity(order) else OPS[node.op].remap(node.attrs, order)
            if attrs is not None and all(len(self.stored[name].order) == len(order) for name in activations):
                yield order, attrs
        yield identity(self.old.tensors[node.outputs[0]].shape), node.attrs

    def _price(self, node: Node, order: Shape) -> int:
        """Elements to move so that every activation is stored as `order` wants it."""
        names = self.old.activations(node)
        return sum(
            self.old.tensors[name].size
            for name in names
            if not self._is_view(name, self._target(name, order))
        )

    def _target(self, name: str, order: Shape) -> Shape:
        """Axes by which to transpose what stands for a tensor, so that `order` reads it."""
        x = self.stored[name]
        return x.order if order == identity(order) else permuted(x.order, inverse(order))

    def _read(self, name: str, order: Shape) -> str:
        """The new tensor from which an op reads the old `name` with axes in `order`; made if need be."""
        x, target = self.stored[name], self._target(name, order)
        if target == identity(target):
            return x.name
        wanted = Stored(x.name, target)
        if wanted not in self.moved:
            self.moved[wanted] = self._move(name, wanted)
        return self.moved[wanted]

    def _constant(self, node: Node, name: str, order: Shape) -> str:
        """A constant of the node, which runs with axes in this order."""
        if not OPS[node.op].carries or order == identity(order):
            return name
        turned = self.old.tensors[name].values.transpose(inverse(order))
        made = self._new(f"{name}_of_{node.name}", turned.shape)
        self.tensors[made.name] = replace(made, data=np.ascontiguousarray(turned))
        return made.name

    def _move(self, name: str, wanted: Stored) -> str:
        old = self.tensors[wanted.name]
        made = self._new(
            f"{wanted.name}_{''.join(map(str, wanted.order))}", permuted(old.shape, wanted.order)
        )
        if self._is_view(name, wanted.order):
            node = Node(made.name, "reshape", ReshapeAttrs(made.shape), (old.name,), (made.name,))
        else:
            node = Node(made.name, "transpose", TransposeAttrs(wanted.order), (old.name,), (made.name,))
        self.nodes.append(node)
        return made.name

    def _is_view(self, name: str, order: Shape) -> bool:
        """Does a transpose of what stands for `name` move axes of size 1 only?"""
        shape = self.tensors[self.stored[name].name].shape
        large = [axis for axis in order if shape[axis] > 1]
        return large == sorted(large)

    def _reshape(self, node: Node) -> None:
        """Reshape the stored form where that is possible, otherwise the tensor as the model knows it."""
        name, shape = node.inputs[0], self.old.tensors[node.output].shape
        through = reshaped_order(self.old.tensors[name].shape, self.stored[name].order, shape)
        if through is None:
            source, order = self._read(name, identity(self.stored[name].order)), identity(shape)
        else:
            source, order = self.stored[name].name, through
        self._keep(node.output, order)
        attrs = ReshapeAttrs(self.tensors[node.output].shape)
        self.nodes.append(replace(node, attrs=attrs, inputs=(source,)))

    def _keep(self, name: str, order: Shape) -> None:
        """Take over a tensor of the old graph under its name, stored so that `order` reads it."""
        tensor = self.old.tensors[name]
        self.tensors[name] = replace(tensor, shape=permuted(tensor.shape, inverse(order)))
        self.stored[name] = Stored(name, order)

    def _new(self, name: str, shape: Shape) -> Tensor:
        gone = {node.output for node in self.old.nodes if node.op == "transpose"}
        free = unique(name, {*self.old.tensors} - gone | {*self.tensors})
        self.tensors[free] = Tensor(free, shape)
        return self.tensors[free]


def reshaped_order(shape: Shape, order: Shape, new_shape: Shape) -> Shape | None:
    """How to read a reshaped tensor when it is the stored form that is reshaped.

    The tensor of `shape` is stored.transpose(order). Axes that merge or split together must lie together, in
    the same sequence, in the stored form; then the reshape acts on each such group where it is, and the
    result is reshaped_stored.transpose(returned order). None: the reshape needs the tensor in its own order.
    """
    groups = _groups(shape, new_shape)
    place = {
        axis: i
        for i, axis in enumerate(
            sorted((a for a in range(len(shape)) if shape[a] > 1), key=lambda a: order[a])
        )
    }
    for old_axes, _ in groups:
        places = [place[axis] for axis in old_axes]
        if places != list(range(places[0], places[0] + len(places))):
            return None
    if groups == sorted(groups, key=lambda group: place[group[0][0]]):
        return identity(new_shape)
    groups.sort(key=lambda group: place[group[0][0]])
    units = [axis for axis, size in enumerate(new_shape) if size == 1]
    return inverse((*units, *(axis for _, new_axes in groups for axis in new_axes)))


def _groups(shape: Shape, new_shape: Shape) -> list[tuple[list[int], list[int]]]:
    """Smallest runs of old and new axes that hold the same elements; axes of size 1 left out."""
    old = [axis for axis, size in enumerate(shape) if size > 1]
    new = [axis for axis, size in enumerate(new_shape) if size > 1]
    groups: list[tuple[list[int], list[int]]] = []
    while old:
        old_axes, new_axes = [old.pop(0)], [new.pop(0)]
        old_size, new_size = shape[old_axes[0]], new_shape[new_axes[0]]
        while old_size != new_size:
            if old_size < new_size:
                old_axes.append(old.pop(0))
                old_size *= shape[old_axes[-1]]
            else:
                new_axes.append(new.pop(0))
                new_size *= new_shape[new_axes[-1]]
        groups.append((old_axes, new_axes))
    return groups


def identity(order: Shape) -> Shape:
    return tuple(range(len(order)))


def inverse(order: Shape) -> Shape:
    return tuple(order.index(axis) for axis in range(len(order)))


def permuted(values: Shape, order: Shape) -> Shape:
    """What a transpose by `order` makes of a shape or of an order."""
    return tuple(values[axis] for axis in order)


def composed(first: Shape, second: Shape) -> Shape:
    """The order of transposing by `first` (empty: not at all), then by `second`; empty: nothing moves."""
    order = permuted(first, second) if first else second
    return () if order == identity(order) else order
