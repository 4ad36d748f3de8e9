"""How does a float graph become an integer one? Ranges become scales, and constants integers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from types import MappingProxyType

import numpy as np

from ..errors import UserError
from ..ir import Array, Dtype, Graph, Node, QParams, Tensor, check
from ..ops import OPS, check_states, check_types
from ..ops.functions import single
from .groups import Groups, dictated, only_passed_on, rescaled
from .observe import Histogram, Method, Ranges, histogram, histogram_of, merge
from .scales import MIN_SCALE, affine, choose, quantize_weights
from .types import NamedTypes, Typed, typed

NOTHING: NamedTypes = MappingProxyType({})

HEADROOM = 1.5
"""Of int16 inputs and outputs: what is beyond all that calibration showed costs less than a bit."""
FINE_STEP = 2.0**-30
"""Of the largest of a layer's constants."""
MAX_DOUBLINGS = 200  # 2^-100 … 2^100: more than any scale can need


def apply(
    graph: Graph, observed: Ranges, precision: NamedTypes = NOTHING, default: Dtype = Dtype.INT8
) -> Graph:
    """The graph with integer activations, int8 weights and int32 biases, for ranges observed on it."""
    plan = draft(graph, precision, default, observed.in_step)
    return finish(plan, parameters(plan, observed))


@dataclass(frozen=True)
class Draft:
    """A float graph whose activations have types and groups; scales are to come.

    Those in `fixed`, by group, an op dictates.
    """

    types: Typed
    fixed: Mapping[str, QParams]

    @property
    def graph(self) -> Graph:
        return self.types.graph

    @property
    def edges(self) -> frozenset[str]:
        """The groups of the graph's inputs, outputs and states, and of inputs that are restated."""
        stated = [name for node in self.graph.nodes if node.op == "restate" for name in node.outputs]
        return frozenset(
            self.types.tied.of[name] for name in (*self.graph.given, *self.graph.wanted, *stated)
        )


def draft(
    graph: Graph, precision: NamedTypes = NOTHING, default: Dtype = Dtype.INT8, in_step: bool = False
) -> Draft:
    """Everything about an integer graph that does not depend on the ranges of its activations.

    `in_step`: the steps of a loop that is written out share their scales, so that they are the same layers.
    """
    graph = rescaled(own_constants(graph if default is Dtype.INT8 and not precision else _computed(graph)))
    _check_ops(graph)
    check_states(graph)
    types = typed(graph, precision, default, in_step)
    return Draft(types, dictated(types.graph, types.tied, types.dtypes))


def finish(plan: Draft, chosen: Mapping[str, QParams]) -> Graph:
    """The integer graph with these parameters by group, or coarser ones where a layer cannot be expressed."""
    graph, tied, fixed = plan.graph, plan.types.tied, plan.fixed
    chosen = _restated(graph, tied, chosen)
    quantized = _with_qparams(graph, tied, chosen)
    check_types(quantized)
    doublings = 0
    while refused := _refused(quantized):
        if (doublings := doublings + 1) > MAX_DOUBLINGS:
            raise UserError(_inexpressible(quantized, refused))
        chosen = _doubled(chosen, tied, refused, fixed)
        quantized = _with_qparams(graph, tied, chosen)
    check(quantized)
    return quantized


def _inexpressible(quantized: Graph, node: Node) -> str:
    """Why there are no integers for a layer, and what to do."""
    what = f"layer {node.name!r} cannot be expressed in integers"
    if OPS[node.op].weighted:
        return f"{what}: check the size of its weights"
    reads, makes = (
        max(max(map(abs, quantized.tensors[name].q.range)) for name in names)
        for names in (quantized.activations(node), node.outputs)
    )
    return (
        f"{what}: from values of up to {reads:.3g} it makes some of up to {makes:.3g}, which is beyond what "
        "factors of 32 bits span; divide or normalise what it reads"
    )


def _computed(graph: Graph) -> Graph:
    """With layers in place of restated inputs: int16 has no zero point to state them by."""
    return graph.with_nodes(
        [
            replace(node, op="table", attrs=single("affine", node.attrs.scale, node.attrs.shift))
            if node.op == "restate"
            else node
            for node in graph.nodes
        ]
    )


def _restated(graph: Graph, tied: Groups, chosen: Mapping[str, QParams]) -> dict[str, QParams]:
    """The parameters of what is restated follow from those of its input, which holds every new zero too."""
    found = dict(chosen)
    layers = [node for node in graph.nodes if node.op == "restate"]
    for node in layers:
        x = tied.of[node.inputs[0]]
        low, high = found[x].range
        if not low <= node.attrs.zero <= high:
            found[x] = affine(min(low, node.attrs.zero), max(high, node.attrs.zero))
    for node in layers:
        found[tied.of[node.output]] = node.attrs.restated(found[tied.of[node.inputs[0]]])
    return found


def _check_ops(graph: Graph) -> None:
    for node in graph.nodes:
        if OPS[node.op].float_only:
            raise ValueError(
                f"layer {node.name!r} ({node.op}) has no integer form: run passes.optimize() first"
            )


def own_constants(graph: Graph) -> Graph:
    """Every layer with constants of its own: layers that share a weight see inputs of different scales."""
    used: set[str] = set()
    nodes: list[Node] = []
    copies: dict[str, Tensor] = {}
    for node in graph.nodes:
        shared = {n for n in node.inputs if graph.tensors[n].data is not None and n in used}
        names = {n: f"{n}_of_{node.name}" for n in shared}
        copies |= {new: replace(graph.tensors[old], name=new) for old, new in names.items()}
        used.update(node.inputs)
        nodes.append(replace(node, inputs=tuple(names.get(n, n) for n in node.inputs)))
    return graph.with_nodes(nodes, **copies)


def exchanged(plan: Draft, quantized: Graph, group: str, q: QParams) -> Graph:
    """The integer graph with other parameters for one group; its layers are not asked."""
    members = plan.types.tied.members(group)
    tensors = {**quantized.tensors, **{n: replace(quantized.tensors[n], qparams=q) for n in members}}
    for node in plan.graph.nodes:
        if not {*members}.isdisjoint((*node.inputs, *node.outputs)):
            real = {n: t for n in node.inputs if (t := plan.graph.tensors[n]).data is not None}
            tensors |= _constants(plan.graph, node, tensors | real)
    return replace(quantized, tensors=tensors)


def parameters(plan: Draft, observed: Ranges) -> dict[str, QParams]:
    """Parameters of each group, dictated or by what it holds, before any layer objects.

    Input and output are what the user sees: their range covers every value that calibration showed, and of
    int16, which has steps to spare, half as much more. An int16 input whose samples are whole numbers of a
    sensor's steps has those steps, and goes in without loss.
    """
    types, edges = plan.types, plan.edges
    graph, tied = types.graph, types.tied
    seen_by_users = {tied.of[port.tensor] for port in (*graph.inputs, *graph.outputs)}
    chosen = _fitted(graph, tied, plan.fixed, observed)
    for group in dict.fromkeys(tied.of.values()):
        if group in plan.fixed:
            continue
        members = tied.members(group)
        matter = [name for name in members if not only_passed_on(graph, name)] or members
        seen = reduce(merge, [histogram_of(graph, observed, name) for name in matter])
        seen = reduce(merge, [histogram(values) for values in _handed_on(graph, members)], seen)
        method: Method = "minmax" if group in edges else observed.method_of(members)
        chosen[group] = choose(seen, method, types.dtypes[group])
        if group in seen_by_users and types.dtypes[group] is Dtype.INT16:
            chosen[group] = affine(HEADROOM * seen.low, HEADROOM * seen.high, Dtype.INT16)
        sources = [name for name in members if not _moved(graph, name)]
        grids = {_step(types, observed, name) for name in sources}
        grid = grids.pop()
        if types.dtypes[group] is Dtype.INT16 and grid is not None and not grids:
            chosen[group] = QParams((grid,), 0, Dtype.INT16)
        if types.dtypes[group] is Dtype.INT8 and grid == 1.0 and not grids and fits_int8(seen):
            chosen[group] = QParams((1.0,), 0, Dtype.INT8)
    return chosen


def _step(types: Typed, observed: Ranges, name: str) -> float | None:
    """Of which all values are whole multiples, where that is known: of inputs, places and row numbers."""
    node = types.graph.producer(name)
    if node is not None and node.op == "rescale" and types.of(node.inputs[0]) is Dtype.INT32:
        return 1.0
    return observed.grids.get(name)


def fits_int8(seen: Histogram) -> bool:
    """Whether all values that were seen lie within -128 … 127."""
    return Dtype.INT8.low <= seen.low and seen.high <= Dtype.INT8.high


def _fitted(graph: Graph, tied: Groups, fixed: Mapping[str, QParams], observed: Ranges) -> dict[str, QParams]:
    """What ops dictate, as fine as the values that their groups hold allow."""
    found = dict(fixed)
    for node in graph.nodes:
        for group in (tied.of[name] for name in node.outputs):
            if group in fixed and OPS[node.op].output_qparams(node.attrs):
                seen = [histogram_of(graph, observed, name) for name in tied.members(group)]
                highest = max(max(each.high, -each.low) for each in seen)
                fitted = OPS[node.op].fitted_qparams(fixed[group], highest)
                found[group] = found[group] if fitted == fixed[group] else fitted
    return found


def _handed_on(graph: Graph, names: Sequence[str]) -> Iterator[Array]:
    """The constants of the layers that make these tensors of them, seen in calibration or not."""
    for node in graph.nodes:
        if OPS[node.op].carries and node.outputs[0] in names:
            yield from (graph.tensors[n].values for n in node.inputs if graph.tensors[n].data is not None)


def _moved(graph: Graph, name: str) -> bool:
    """Whether all values of a tensor are another's."""
    node = graph.producer(name)
    return node is not None and OPS[node.op].keeps_qparams


def _with_qparams(graph: Graph, tied: Groups, chosen: Mapping[str, QParams]) -> Graph:
    tensors = {
        name: tensor if tensor.data is not None else replace(tensor, qparams=chosen[tied.of[name]])
        for name, tensor in graph.tensors.items()
    }
    for node in graph.nodes:
        tensors |= _constants(graph, node, tensors)
    for state in graph.states:
        q, begin = tensors[state.tensor].q, graph.tensors[state.initial]
        tensors[begin.name] = replace(begin, qparams=q, data=_levels(begin.values, q))
    return replace(graph, tensors=tensors)


def _constants(graph: Graph, node: Node, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of a layer as integers; `tensors` has them as they are, and parameters of its activations."""
    if OPS[node.op].weighted:
        return _integer_constants(node, tensors, _lost(graph, tensors, node.inputs[0]))
    if OPS[node.op].carries:
        return _carried_constants(node, tensors)
    if own := OPS[node.op].quantized_constants(replace(graph, tensors=tensors).call(node)):
        return {tensor.name: tensor for tensor in own}
    return _fine_constants(node, tensors)


def _levels(real: Array, q: QParams) -> Array:
    """The integers next to real values."""
    level = np.clip(np.floor(real / q.scale[0] + 0.5) + q.zero_point, q.dtype.low, q.dtype.high)
    integers: Array = level.astype(q.dtype.numpy)
    return integers


def _lost(graph: Graph, tensors: Mapping[str, Tensor], name: str) -> float:
    """What an activation is more than its integers say: of an input that was restated, moved or not."""
    node = graph.producer(name)
    if node is None or not (node.op == "restate" or OPS[node.op].keeps_qparams):
        return 0.0
    x = node.inputs[0]
    return float(node.attrs.lost(tensors[x].q)) if node.op == "restate" else _lost(graph, tensors, x)


def _carried_constants(node: Node, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With the scale of what the layer makes of them."""
    q = tensors[node.output].q
    constants = [tensors[name] for name in node.inputs if tensors[name].data is not None]
    return {t.name: replace(t, qparams=q, data=_levels(t.values, q)) for t in constants}


def _integer_constants(node: Node, tensors: Mapping[str, Tensor], lost: float) -> dict[str, Tensor]:
    x, weight, bias = (tensors[name] for name in node.inputs)
    added = lost * weight.values.reshape(len(weight.values), -1).sum(axis=1)
    w = quantize_weights(weight.values, bias.values + added, x.q, tensors[node.output].q)
    return {
        weight.name: replace(weight, qparams=w.weight_qparams, data=w.weight),
        bias.name: replace(bias, qparams=w.bias_qparams, data=w.bias),
    }


def _fine_constants(node: Node, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Constants of a layer without weights as int32, all of one scale, so fine that nothing is lost."""
    made: dict[str, Tensor] = {}
    for tensor in (tensors[name] for name in node.inputs):
        if tensor.data is not None:
            largest = float(np.abs(tensor.data).max())
            q = QParams((max(largest * FINE_STEP, MIN_SCALE),), 0, Dtype.INT32)
            made[tensor.name] = replace(tensor, qparams=q, data=_levels(tensor.data, q))
    return made


def _refused(graph: Graph) -> Node | None:
    """The first layer whose integer constants do not exist, because its output scale is too fine for them."""
    for node in graph.nodes:
        if OPS[node.op].keeps_qparams:
            continue  # their scale is not at fault
        try:
            OPS[node.op].prepare(graph.call(node))
        except (ValueError, OverflowError):
            return node
    return None


def _doubled(
    chosen: Mapping[str, QParams], tied: Groups, node: Node, fixed: Mapping[str, QParams]
) -> dict[str, QParams]:
    """A coarser scale for the layer's output, of several the finest; only coarser ones are ever tried, so
    this ends.
    """
    free = [group for group in (tied.of[name] for name in node.outputs) if group not in fixed]
    if not free:
        raise ValueError(f"layer {node.name!r} cannot reach the scale that its op dictates")
    group = min(free, key=lambda group: chosen[group].scale)
    old = chosen[group]
    return {**chosen, group: replace(old, scale=(2 * old.scale[0],))}
