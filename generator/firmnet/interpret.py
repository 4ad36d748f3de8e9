"""What does a graph compute? In float64, and in the integers of the device: the oracle."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from .errors import UserError
from .ir import Array, Call, Graph, Node, Port, Shape, Tensor, unwrapped, wrapped
from .ops import OPS, Op
from .qmath import quantize_input

Values = dict[str, Array]
"""Activations by name, in stored layout."""

_constants: dict[int, dict[str, Any]] = {}
"""Per living graph (by id): what its nodes need beside activations, computed once."""


def float_values(
    graph: Graph,
    *inputs: Array,
    state: Mapping[str, Array] | None = None,
    change: Callable[[str, Array], Array] | None = None,
) -> Values:
    """Every activation by name, float64; `inputs` are one sample of each input in the model's own order.

    `state` holds the states' tensors; None: as after a reset. `change`: what becomes of each input and each
    layer's output, by name, before others read it.
    """
    values = _reals(graph, inputs)
    if change:
        values = {name: change(name, x) for name, x in values.items()}
    values |= {name: x.astype(np.float64) for name, x in (state or initial(graph)).items()}
    for node, call, _ in _steps(graph):
        given = [values[name] if name in values else _real(graph, name) for name in node.inputs]
        _keep(graph, values, node, OPS[node.op].run_float(call, *given))
        if change:
            values |= {name: change(name, values[name]) for name in node.outputs}
    return values


def held_values(graph: Graph, values: Values) -> Iterator[tuple[str, Array]]:
    """Of a run in floats: by tensor, what it must be able to hold beside its values in `values` (Op.held)."""
    for node in graph.nodes:
        if type(OPS[node.op]).held is not Op.held:
            given = [values[name] if name in values else _real(graph, name) for name in node.inputs]
            for place, held in OPS[node.op].held(graph.call(node), *given).items():
                yield node.outputs[place], held


def run_float(graph: Graph, *inputs: Array, state: Mapping[str, Array] | None = None) -> Any:
    """The model's float64 output for one sample, in the model's own order; of several outputs a tuple."""
    values = float_values(graph, *inputs, state=state)
    return unwrapped([in_model_order(port, values[port.tensor]) for port in graph.outputs])


def int_values(graph: Graph, *inputs: Array, state: Mapping[str, Array] | None = None) -> Values:
    """Every activation of a quantized graph by tensor name; `inputs` integers in stored layout.

    `state` holds the states' tensors; None: as after a reset.
    """
    values = _integers(graph, inputs)
    values |= state or initial(graph)
    for node, call, activations in _steps(graph):
        given = [values[name] for name in activations]
        _keep(graph, values, node, OPS[node.op].run_int(call, prepared(graph, node), *given))
        for name in node.outputs:
            if values[name].dtype != graph.tensors[name].dtype.numpy:
                raise ValueError(
                    f"layer {node.name!r} ({node.op}) computed {values[name].dtype} for {name!r}"
                )
    return values


def run_int(graph: Graph, *inputs: Array, state: Mapping[str, Array] | None = None) -> Any:
    """The output in stored layout, what every device must return bit for bit; of several a tuple."""
    values = int_values(graph, *inputs, state=state)
    return unwrapped([values[port.tensor] for port in graph.outputs])


def each_int(graph: Graph, samples: Iterable[tuple[Array, ...]]) -> Iterator[Values]:
    """int_values of each sample, an array of each input in stored layout; of a graph with states they are
    steps, one after the other.
    """

    def run(node: Node, call: Call, *given: Array) -> Any:
        return OPS[node.op].run_int(call, prepared(graph, node), *given)

    read = {node.name: activations for node, _, activations in _steps(graph)}
    return _each(graph, samples, int_values, _integers, run, read)


def each_float(graph: Graph, samples: Iterable[tuple[Array, ...]]) -> Iterator[Values]:
    """float_values of each sample, an array of each input in the model's own order; of a graph with states
    they are steps, one after the other.
    """

    def run(node: Node, call: Call, *given: Array) -> Any:
        return OPS[node.op].run_float(call, *given)

    read = {node.name: node.inputs for node in graph.nodes}
    return _each(graph, samples, float_values, _reals, run, read)


AT_ONCE, AT_ONCE_BYTES = 64, 2**26
"""Samples whose activations are held at once, and bytes of them, about."""


def _each(
    graph: Graph,
    samples: Iterable[tuple[Array, ...]],
    alone: Callable[..., Values],
    begun: Callable[[Graph, tuple[Array, ...]], Values],
    run: Callable[..., Any],
    read: Mapping[str, tuple[str, ...]],
) -> Iterator[Values]:
    """Each sample's values; of many together, where a layer computes many in about the time of one. Of its
    inputs, each layer is given those that it is to `read`.
    """
    if graph.states or not any(_stacks(graph, node) for node in graph.nodes):
        stepper = Stepper(graph, alone)
        for sample in samples:
            yield stepper(*sample)
        return
    size = 8 * sum(tensor.size for tensor in graph.tensors.values() if tensor.data is None)
    count = max(1, min(AT_ONCE, AT_ONCE_BYTES // size))
    waiting = iter(samples)
    while found := [begun(graph, sample) for sample in islice(waiting, count)]:
        for node, call, _ in _steps(graph):
            names = read[node.name]
            each = [[x[name] if name in x else _real(graph, name) for name in names] for x in found]
            if _stacks(graph, node):
                constant = [graph.tensors[name].data is not None for name in names]
                parts = zip(*each, strict=True)
                given = [x[0] if k else np.concatenate(x) for x, k in zip(parts, constant, strict=True)]
                outputs = wrapped(run(node, call, *given), len(node.outputs))
                made = [unwrapped([y[i : i + 1] for y in outputs]) for i in range(len(found))]
            else:
                made = [run(node, call, *given) for given in each]
            for values, y in zip(found, made, strict=True):
                _keep(graph, values, node, y)
        yield from found


def _stacks(graph: Graph, node: Node) -> bool:
    """Whether a layer computes samples that are stacked along axis 0."""
    if not OPS[node.op].stacks:
        return False
    return all(graph.tensors[name].shape[0] == 1 for name in (*graph.activations(node), *node.outputs))


class Stepper:
    """Runs of one graph, each of which begins with the state that the one before left.

    Of a graph without states they do not depend on each other. `state` is what its tensors hold now.
    `compute` is int_values or float_values.
    """

    def __init__(
        self, graph: Graph, compute: Callable[..., Values] = int_values, state: Values | None = None
    ) -> None:
        """`state`: what the states' tensors hold at first; None: as after a reset."""
        self.graph, self._compute = graph, compute
        self.state = initial(graph) if state is None else state

    def reset(self) -> None:
        """Every state holds its initial value again."""
        self.state = initial(self.graph)

    def __call__(self, *inputs: Array) -> Values:
        """One run: every activation by name."""
        values = self._compute(self.graph, *inputs, state=self.state)
        self.state = following(self.graph, values)
        return values


def initial(graph: Graph) -> Values:
    """What the states' tensors hold after a reset: integers of a quantized graph, else float64."""
    return {state.tensor: graph.tensors[state.initial].values for state in graph.states}


def following(graph: Graph, values: Mapping[str, Array]) -> Values:
    """What the states' tensors hold in the run after the one that made `values`."""
    return {state.tensor: values[state.next] for state in graph.states}


def quantize_sample(graph: Graph, *inputs: Array) -> Any:
    """One float sample in the model's own order → integers in stored layout, as the device makes them.

    Of several inputs a tuple.
    """
    return unwrapped(quantized_inputs(graph, *inputs))


def quantized_inputs(graph: Graph, *inputs: Array) -> tuple[Array, ...]:
    """One float sample of every input in the model's own order → integers in stored layout."""
    return tuple(
        quantize_input(np.ascontiguousarray(_turned(graph, port, x)), graph.tensors[port.tensor].q)
        for port, x in _ported(graph, inputs)
    )


def model_shape(tensor: Tensor, order: Shape) -> Shape:
    """The shape the model's user sees of a graph input or output stored in the given order."""
    return tuple(tensor.shape[axis] for axis in np.argsort(order)) if order else tensor.shape


def in_model_order(port: Port, stored: Array) -> Array:
    """What stands for a port, in stored layout, in the model's own order."""
    return stored.transpose(np.argsort(port.order)) if port.order else stored


def _ported(graph: Graph, inputs: tuple[Array, ...]) -> list[tuple[Port, Array]]:
    if len(inputs) != len(graph.inputs):
        names = ", ".join(port.name for port in graph.inputs)
        raise UserError(
            f"model {graph.name!r} takes {len(graph.inputs)} inputs ({names}), not {len(inputs)}: give "
            "one of each, in this order"
        )
    return list(zip(graph.inputs, inputs, strict=True))


def _reals(graph: Graph, inputs: tuple[Array, ...]) -> Values:
    """One sample of each input in the model's own order, as a run in floats begins with it."""
    return {port.tensor: _turned(graph, port, x).astype(np.float64) for port, x in _ported(graph, inputs)}


def _integers(graph: Graph, inputs: tuple[Array, ...]) -> Values:
    """One sample of each input in stored layout, as a run in integers begins with it."""
    values: Values = {}
    for port, x in zip(graph.inputs, inputs, strict=True):
        tensor = graph.tensors[port.tensor]
        values[port.tensor] = (
            np.asarray(x).astype(tensor.dtype.numpy, casting="safe", copy=False).reshape(tensor.shape)
        )
    return values


def _turned(graph: Graph, port: Port, x: Array) -> Array:
    """The sample, with or without its batch dimension of 1, in the layout the graph stores."""
    shape = model_shape(graph.tensors[port.tensor], port.order)
    x = np.asarray(x)
    if x.shape != shape and not (shape[:1] == (1,) and x.shape == shape[1:]):
        named = f" of {port.name!r}" if len(graph.inputs) > 1 else ""
        raise UserError(
            f"an input sample{named} has shape {x.shape}, but model {graph.name!r} takes {shape}: "
            "reshape the data"
        )
    x = x.reshape(shape)
    return x.transpose(port.order) if port.order else x


def _keep(graph: Graph, values: Values, node: Node, made: Any) -> None:
    """Take over a node's outputs; ValueError where one has another shape than its tensor."""
    for name, y in zip(node.outputs, wrapped(made, len(node.outputs)), strict=True):
        shape = graph.tensors[name].shape
        if y.shape != shape:
            raise ValueError(
                f"layer {node.name!r} ({node.op}) computed shape {y.shape}, its tensor says {shape}"
            )
        values[name] = y


def _cache(graph: Graph) -> dict[str, Any]:
    if id(graph) not in _constants:
        _constants[id(graph)] = {}
        weakref.finalize(graph, _constants.pop, id(graph), None)
    return _constants[id(graph)]


def _steps(graph: Graph) -> list[tuple[Node, Call, tuple[str, ...]]]:
    """Every layer with its call and its activations."""
    cache = _cache(graph)
    if "steps" not in cache:
        cache["steps"] = [(node, graph.call(node), graph.activations(node)) for node in graph.nodes]
    steps: list[tuple[Node, Call, tuple[str, ...]]] = cache["steps"]
    return steps


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
