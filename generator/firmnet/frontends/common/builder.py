"""How does a frontend grow a graph? One op at a time, shapes checked as it goes."""

import re
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

import numpy as np

from ...ir import Array, Graph, Node, Shape, Tensor
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

    def input(self, name: str, shape: Shape) -> Tensor:
        return self._keep(Tensor(self._unique(name), shape))

    def constant(self, name: str, data: Array) -> Tensor:
        """A weight or bias as float64 (any shape)."""
        data = np.ascontiguousarray(data, np.float64)
        return self._keep(Tensor(self._unique(name), data.shape, None, data))

    def add(self, op: str, attrs: Any, *inputs: Tensor, name: str = "") -> Tensor:
        """Append a layer and return its output tensor, which carries the layer's name.

        `name` defaults to the layer being imported; raises Unsupported when the shapes do not fit.
        """
        unique = self._unique(name or self.layer)
        try:
            shape = OPS[op].shape(attrs, *[tensor.shape for tensor in inputs])
        except ValueError as error:
            raise Unsupported(str(error)) from None
        output = self._keep(Tensor(unique, shape))
        self.nodes.append(Node(unique, op, attrs, tuple(t.name for t in inputs), unique, self.source))
        return output

    def graph(self, input: Tensor, output: Tensor) -> Graph:
        return Graph(self.name, (), self.tensors, (input.name,), output.name).with_nodes(self.nodes)

    def _keep(self, tensor: Tensor) -> Tensor:
        self.tensors[tensor.name] = tensor
        return tensor

    def _unique(self, name: str) -> str:
        base = re.sub(r"[\W_]+", "_", name, flags=re.ASCII).strip("_").lower() or "layer"
        base = f"layer_{base}" if base[0].isdigit() else base
        numbered = (f"{base}_{i}" for i in count(1))
        return next(n for n in chain((base,), numbered) if n not in self.tensors)
