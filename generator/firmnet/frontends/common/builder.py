"""How does a frontend grow a graph? One op at a time, shapes checked as it goes."""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import chain, count
from math import isfinite
from typing import Any

import numpy as np

from ...ir import Array, Graph, Node, Port, Shape, State, Tensor
from ...ops import OPS

Value = Tensor | Array
"""An activation, or a constant in float64."""


class Unsupported(Exception):
    """A source operator or option firmnet cannot express; the message says what to do instead."""


@dataclass
class Builder:
    """Collects nodes and tensors of a float graph; `layer` and `source` name what is being imported."""

    name: str
    layer: str = "layer"
    source: str = ""
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    expanded: dict[str, Tensor] = field(default_factory=dict)
    """What was repeated to make a tensor, by the tensor's name."""
    states: dict[str, State] = field(default_factory=dict)
    readers: frozenset[str] = frozenset()
    """What reads the layer being imported, views left out: bare names of operators; empty: not known."""

    def input(self, name: str, shape: Shape) -> Tensor:
        return self._keep(Tensor(self._unique(name), shape))

    def state(self, name: str, initial: Array) -> Tensor:
        """What the model remembers from run to run, at first and after a reset `initial`; see `update`."""
        data = np.array(initial, np.float64)
        tensor = self._keep(Tensor(self._unique(name), data.shape))
        begin = self._keep(Tensor(self._unique(f"{tensor.name}_initial"), data.shape, None, data))
        self.states[tensor.name] = State(tensor.name, tensor.name, tensor.name, begin.name)
        return tensor

    def update(self, state: Tensor, following: Tensor) -> None:
        """In the next run the state holds what is in `following` at the end of this one."""
        self.states[state.name] = replace(self.states[state.name], next=following.name)

    def constant(self, name: str, data: Array) -> Tensor:
        """A weight or bias as float64 (any shape); Unsupported where it is not finite."""
        data = np.ascontiguousarray(data, np.float64)
        if not np.isfinite(data).all():
            raise Unsupported("a constant that is NaN or infinite: look for a division by zero")
        return self._keep(Tensor(self._unique(name), data.shape, None, data))

    def add(self, op: str, attrs: Any, *inputs: Tensor, name: str = "") -> Tensor:
        """Append a layer and return its output tensor, which carries the layer's name.

        `name` defaults to the layer being imported; raises Unsupported when the shapes do not fit.
        """
        (output,) = self.add_all(op, attrs, *inputs, name=name)
        return output

    def add_all(self, op: str, attrs: Any, *inputs: Tensor, name: str = "") -> tuple[Tensor, ...]:
        """The same for an op with several outputs, which are numbered."""
        if not all(map(isfinite, _reals(attrs))):
            raise Unsupported(
                "a constant that is NaN or infinite: look for a division by zero, or leave it out"
            )
        unique = self._unique(name or self.layer)
        try:
            shapes = OPS[op].shapes(attrs, *[tensor.shape for tensor in inputs])
        except ValueError as error:
            raise Unsupported(str(error)) from None
        self.tensors[unique] = Tensor(unique, shapes[0])  # the name is taken, whatever the outputs are called
        names = [unique, *(self._unique(f"{unique}_{i}") for i in range(1, len(shapes)))]
        outputs = tuple(self._keep(Tensor(n, shape)) for n, shape in zip(names, shapes, strict=True))
        self.nodes.append(Node(unique, op, attrs, tuple(t.name for t in inputs), tuple(names), self.source))
        return outputs

    def graph(self, inputs: Tensor | Sequence[Tensor], outputs: Tensor | Mapping[str, Tensor]) -> Graph:
        """What has grown, with its inputs in this order, and outputs under these names, or their own."""
        given = (inputs,) if isinstance(inputs, Tensor) else inputs
        wanted = {outputs.name: outputs} if isinstance(outputs, Tensor) else outputs
        return Graph(
            self.name,
            (),
            self.tensors,
            tuple(Port(tensor.name, tensor.name) for tensor in given),
            tuple(Port(name, tensor.name) for name, tensor in wanted.items()),
            tuple(self.states.values()),
        ).with_nodes(self.nodes)

    def _keep(self, tensor: Tensor) -> Tensor:
        self.tensors[tensor.name] = tensor
        return tensor

    def _unique(self, name: str) -> str:
        base = _identifier(name, "layer")
        numbered = (f"{base}_{i}" for i in count(1))
        return next(n for n in chain((base,), numbered) if n not in self.tensors)


def port_name(wanted: str, taken: Container[str]) -> str:
    """A C identifier that is like what the source calls an output, and none of those that are taken."""
    base = _identifier(wanted, "output")
    numbered = (f"{base}_{i}" for i in count(1))
    return next(name for name in chain((base,), numbered) if name not in taken)


def _identifier(name: str, kind: str) -> str:
    base = re.sub(r"[\W_]+", "_", name, flags=re.ASCII).strip("_").lower() or kind
    return f"{kind}_{base}" if base[0].isdigit() else base


def _reals(options: Any) -> Iterator[float]:
    """Every float of an op's options, which files hold as JSON."""
    if isinstance(options, float):
        yield options
    elif isinstance(options, Mapping | list | tuple):
        for each in options.values() if isinstance(options, Mapping) else options:
            yield from _reals(each)
    elif is_dataclass(options):
        for each in fields(options):
            yield from _reals(getattr(options, each.name))
