"""fold_batch_norm: batch norm goes into the layer before it, or into the layer or the sum after it."""

from dataclasses import replace

import numpy as np

from ..ir import Array, Graph, Node, Tensor
from ..ops.pick import adds_constants, everything
from .rewrite import named, names, only_reader, without

WEIGHTED = ("conv2d", "conv_transpose2d", "linear")
"""Layers whose weights and biases are by output channel, which lie last."""


def fold_batch_norm(graph: Graph) -> Graph:
    """Into what comes before first, so that of several in a row one is left for what comes behind."""
    for name in names(graph, "batch_norm"):
        norm = named(graph, name)
        before = _maker(graph, norm)
        if before is not None and _follows(graph, before, norm):
            graph = _fold_into(graph, before, norm)
    for name in names(graph, "batch_norm"):
        norm = named(graph, name)
        after = only_reader(graph, norm.output)
        if after is not None and _precedes(graph, norm, after):
            graph = _fold_ahead(graph, norm, after)
        elif after is not None and after.op == "add" and _is_factor(graph, norm):
            graph = _fold_into_sum(graph, norm, after)
    return graph


def _maker(graph: Graph, norm: Node) -> Node | None:
    """What computes the norm's input: views and crops that leave channels alone come between, for volumes."""
    name = norm.inputs[0]
    node = graph.producer(name)
    while node is not None and only_reader(graph, name) is not None and _keeps_channels(graph, node):
        name = node.inputs[0]
        node = graph.producer(name)
    return node


def _keeps_channels(graph: Graph, node: Node) -> bool:
    """Whether every value stays in its channel, and none comes from elsewhere."""
    shape, made = (graph.tensors[name].shape for name in (node.inputs[0], node.outputs[0]))
    if not shape or not made:
        return False
    channels = shape[-1]
    if node.op == "pick":
        return not adds_constants(node.attrs) and node.attrs.axes[-1] == everything(channels)
    return node.op == "reshape" and made[-1] == channels


def _follows(graph: Graph, layer: Node, norm: Node) -> bool:
    """Does the norm scale what the layer's weights make, per channel, and nobody else read that?"""
    if layer.op == "batch_norm":
        fits = layer.attrs.axis == norm.attrs.axis and layer.output == norm.inputs[0]
    elif layer.op == "layer_norm":
        unclamped = (layer.attrs.lo, layer.attrs.hi) == (None, None)
        fits = unclamped and layer.attrs.gain_axes in ((), (norm.attrs.axis,))
        fits = fits and layer.output == norm.inputs[0]
    else:
        last = len(graph.tensors[norm.inputs[0]].shape) - 1
        unclamped = layer.op in WEIGHTED and (layer.attrs.lo, layer.attrs.hi) == (None, None)
        fits = unclamped and norm.attrs.axis == last
    return fits and only_reader(graph, layer.output) is not None and _owns_weights(graph, layer)


def _precedes(graph: Graph, norm: Node, layer: Node) -> bool:
    """A linear layer reads every channel exactly once; a convolution would see a shift in its padding."""
    if layer.op not in ("linear", "conv2d") or not _owns_weights(graph, layer):
        return False
    scale, shift = (graph.tensors[name].values for name in norm.inputs[1:])
    last = len(graph.tensors[norm.output].shape) - 1
    fits = norm.attrs.axis == last or not (np.ptp(scale) or np.ptp(shift))
    return fits and (layer.op == "linear" or not any(layer.attrs.padding) or not shift.any())


def _is_factor(graph: Graph, norm: Node) -> bool:
    """One factor for all values, and no shift; zero is none, for then nothing is left to scale."""
    scale, shift = (graph.tensors[name].values for name in norm.inputs[1:])
    return not np.ptp(scale) and not shift.any() and bool(scale.all())


def _owns_weights(graph: Graph, layer: Node) -> bool:
    return all(len(graph.consumers(name)) == 1 for name in layer.inputs[1:])


def _fold_into(graph: Graph, layer: Node, norm: Node) -> Graph:
    """scale · (w·x + b) + shift = (scale·w)·x + (scale·b + shift)"""
    w, b, scale, shift = (graph.tensors[name] for name in (*layer.inputs[1:], *norm.inputs[1:]))
    per_channel = scale.values.reshape(-1, *[1] * (len(w.shape) - 1))
    weight, bias = w.values * per_channel, b.values * scale.values + shift.values
    changed = replace(w, shape=weight.shape, data=weight), replace(b, shape=bias.shape, data=bias)
    folded = _with_constants(graph, changed)
    if layer.op == "layer_norm":  # one gain for all is now one for each channel
        attrs = replace(layer.attrs, gain_axes=(norm.attrs.axis,))
        gained = replace(layer, attrs=attrs)
        folded = folded.with_nodes([gained if node.name == layer.name else node for node in folded.nodes])
    return without(folded, named(folded, norm.name))


def _fold_ahead(graph: Graph, norm: Node, layer: Node) -> Graph:
    """w·(scale·x + shift) + b = (w·scale)·x + (w·shift + b)"""
    w, b, scale, shift = (graph.tensors[name] for name in (*layer.inputs[1:], *norm.inputs[1:]))
    gains, offsets = (_of_inputs(graph, norm, layer, constant.values) for constant in (scale, shift))
    added = (w.values * offsets).reshape(len(w.values), -1).sum(axis=1)
    changed = (replace(w, data=w.values * gains), replace(b, data=b.values + added))
    return without(_with_constants(graph, changed), norm)


def _of_inputs(graph: Graph, norm: Node, layer: Node, constant: Array) -> Array:
    """A norm's constant for each weight of the layer behind it: (1, inputs), or (O, 1, 1, C/groups)."""
    channels = graph.tensors[norm.output].shape[-1]
    each = constant if norm.attrs.axis == len(graph.tensors[norm.output].shape) - 1 else constant[:1]
    each = np.broadcast_to(each, (channels,))
    if layer.op == "linear":
        return each[None]
    groups, n_out = layer.attrs.groups, graph.tensors[layer.inputs[1]].shape[0]
    return np.repeat(each.reshape(groups, 1, 1, -1), n_out // groups, axis=0)


def _fold_into_sum(graph: Graph, norm: Node, layer: Node) -> Graph:
    """a·(scale·x) + b·y = (a·scale)·x + b·y"""
    scale = float(graph.tensors[norm.inputs[1]].values.flat[0])
    factors = [
        factor * scale if name == norm.output else factor
        for name, factor in zip(layer.inputs, (layer.attrs.a, layer.attrs.b), strict=True)
    ]
    scaled = replace(layer, attrs=replace(layer.attrs, a=factors[0], b=factors[1]))
    return without(graph.with_nodes([scaled if node is layer else node for node in graph.nodes]), norm)


def _with_constants(graph: Graph, constants: tuple[Tensor, ...]) -> Graph:
    return graph.with_nodes(graph.nodes, **{tensor.name: tensor for tensor in constants})
