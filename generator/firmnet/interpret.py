"""What does a graph compute? In float64, and in the integers of the device: the oracle."""

import weakref
from typing import Any

import numpy as np

from .errors import UserError
from .ir import Array, Graph, Node, Shape, Tensor
from .ops import OPS
from .qmath import quantize_input

_constants: dict[int, dict[str, Any]] = {}
"""Per living graph (by id): what its nodes need beside activations, computed once."""


def float_values(graph: Graph, x: Array) -> dict[str, Array]:
    """Every activation by name, float64, in stored layout; `x` is one sample in the model's own order."""
    values = {graph.input: _stored(graph, x).astype(np.float64)}
    for node in graph.nodes:
        inputs = [values[name] if name in values else _real(graph, name) for name in node.inputs]
        values[node.output] = _checked(graph, node, OPS[node.op].run_float(graph.call(node), *inputs))
    return values


def run_float(graph: Graph, x: Array) -> Array:
    """The model's float64 output for one sample, input and output in the model's own order."""
    y = float_values(graph, x)[graph.output]
    return y.transpose(np.argsort(graph.output_order)) if graph.output_order else y


def int_values(graph: Graph, *inputs: Array) -> dict[str, Array]:
    """Every int8 activation of a quantized graph by tensor name; `inputs` int8 in stored layout."""
    values = {
        name: x.reshape(graph.tensors[name].shape) for name, x in zip(graph.inputs, inputs, strict=True)
    }
    for node in graph.nodes:
        activations = [values[name] for name in graph.activations(node)]
        ready = prepared(graph, node)
        values[node.output] = _checked(
            graph, node, OPS[node.op].run_int(graph.call(node), ready, *activations)
        )
    return values


def run_int(graph: Graph, *inputs: Array) -> Array:
    """The int8 output in stored layout: what every device must return, bit for bit."""
    return int_values(graph, *inputs)[graph.output]


def quantize_sample(graph: Graph, x: Array) -> Array:
    """One float sample in the model's own order → int8 in stored layout, as the device does it."""
    return quantize_input(np.ascontiguousarray(_stored(graph, x)), graph.tensors[graph.input].q)


def model_shape(tensor: Tensor, order: Shape) -> Shape:
    """The shape the model's user sees of a graph input or output stored in the given order."""
    return tuple(tensor.shape[axis] for axis in np.argsort(order)) if order else tensor.shape


def _stored(graph: Graph, x: Array) -> Array:
    """The sample, with or without its batch dimension of 1, in the layout the graph stores."""
    shape = model_shape(graph.tensors[graph.input], graph.input_order)
    x = np.asarray(x)
    if x.shape not in (shape, shape[1:]):
        raise UserError(
            f"an input sample has shape {x.shape}, but model {graph.name!r} takes {shape}: reshape the data"
        )
    x = x.reshape(shape)
    return x.transpose(graph.input_order) if graph.input_order else x


def _checked(graph: Graph, node: Node, y: Array) -> Array:
    shape = graph.tensors[node.output].shape
    if y.shape != shape:
        raise ValueError(f"layer {node.name!r} ({node.op}) computed shape {y.shape}, its tensor says {shape}")
    return y


def _cache(graph: Graph) -> dict[str, Any]:
    if id(graph) not in _constants:
        _constants[id(graph)] = {}
        weakref.finalize(graph, _constants.pop, id(graph), None)
    return _constants[id(graph)]


def _real(graph: Graph, tensor: str) -> Array:
    cache = _cache(graph)
    key = f"real {tensor}"
    if key not in cache:
        cache[key] = graph.tensors[tensor].real
    values: Array = cache[key]
    return values


def prepared(graph: Graph, node: Node) -> Any:
    """The integer constants of a layer (Op.prepare), computed once per graph."""
    cache = _cache(graph)
    key = f"prepared {node.name}"
    if key not in cache:
        cache[key] = OPS[node.op].prepare(graph.call(node))
    return cache[key]
