"""Which channels waste their tensor's range? Factors move between weighted layers (Nagel et al., 2019).

A layer's channels share one scale, its weights do not: a channel whose values are small in a tensor of large
ones is made larger by the weights before it, and smaller again by those behind. ReLU, maxima, means and moves
in between do not see it, and the network computes the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .. import interpret
from ..ir import Array, Graph, Node, Tensor
from ..ops import OPS

LAYERS = ("conv2d", "linear")
POOLS = ("max_pool2d", "avg_pool2d")
MOVES = ("reshape", "transpose")
MOST_FACTOR = 2.0**10


def equalized(graph: Graph, samples: Sequence[tuple[Array, ...]]) -> tuple[Graph, tuple[str, ...]]:
    """A float graph that computes the same, and the layers whose channels have other factors now."""
    largest: dict[str, Array] = {}
    floats = interpret.Stepper(graph, interpret.float_values)
    layers = [node for node in graph.nodes if node.op in LAYERS]
    for sample in samples:
        values = floats(*sample)
        for node in layers:
            y = np.abs(values[node.output])
            known = largest.get(node.output, 0.0)
            largest[node.output] = np.maximum(known, y.reshape(-1, y.shape[-1]).max(axis=0))
    tensors, changed = dict(graph.tensors), list[str]()
    for node in layers:
        readers = _readers(graph, node)
        if readers and len(largest[node.output]) > 1:
            factors = _factors(largest[node.output], _weights(tensors, readers))
            if factors.max() > factors.min():
                tensors |= _scaled(tensors, node, readers, factors)
                changed.append(node.name)
    return replace(graph, tensors=tensors), tuple(changed)


Readers = list[tuple[Node, Array]]
"""Layers with, for each of their input channels, the channel of the layer before that it is."""


def _readers(graph: Graph, node: Node) -> Readers:
    """The weighted layers that read all that a layer writes, if nothing else does that would see factors."""
    if not _homogeneous(node) or graph.tensors[node.inputs[1]].data is None:
        return []
    shape = graph.tensors[node.output].shape
    pending = [(node.output, np.broadcast_to(np.arange(shape[-1], dtype=np.float64), shape))]
    found: Readers = []
    while pending:
        name, channel = pending.pop()
        if name in graph.wanted:
            return []
        for reader in graph.consumers(name):
            if reader.op in LAYERS:
                columns = channel.reshape(-1, channel.shape[-1])
                if (columns != columns[0]).any() or _shared(graph, reader):
                    return []
                found.append((reader, columns[0].astype(np.int64)))
                continue
            passed = _passed(graph, reader, channel)
            if passed is None:
                return []
            pending.append((reader.output, passed))
    return found if not _shared(graph, node) else []


def _homogeneous(node: Node) -> bool:
    """Whether a positive factor goes through a layer's activation."""
    return node.attrs.lo in (None, 0.0) and node.attrs.hi is None


def _shared(graph: Graph, node: Node) -> bool:
    """Whether another layer has the same constants, in the same tensors or, as steps of a loop, in others."""
    return any(len(graph.consumers(name)) > 1 for name in node.inputs[1:]) or any(
        other is not node and other.op == node.op and _same(graph.tensors, node.inputs[1:], other.inputs[1:])
        for other in graph.nodes
    )


def _same(tensors: Mapping[str, Tensor], names: Sequence[str], others: Sequence[str]) -> bool:
    constants = ([tensors[name].data for name in each] for each in (names, others))
    return all(
        a is not None and b is not None and np.array_equal(a, b) for a, b in zip(*constants, strict=True)
    )


def _passed(graph: Graph, node: Node, channel: Array) -> Array | None:
    """The channels of what a layer without weights makes of such values; None where factors would show."""
    if node.op in MOVES:
        return OPS[node.op].run_float(graph.call(node), channel)
    if node.op == "clamp" and _homogeneous(node):
        return channel
    if node.op in POOLS:
        if (channel != channel[:, :1, :1]).any():
            return None
        return np.broadcast_to(channel[:, :1, :1], graph.tensors[node.output].shape)
    return None


def _weights(tensors: Mapping[str, Tensor], readers: Readers) -> Array:
    """By input channel of each reader: its largest weight, beside the largest of the same output."""
    found = []
    for node, channel in readers:
        w = tensors[node.inputs[1]].values
        w = np.abs(w.reshape(len(w), -1, w.shape[-1])).max(axis=1)  # (outputs, channels of a group)
        w = w / np.maximum(w.max(axis=1, keepdims=True), np.finfo(float).tiny)
        groups = getattr(node.attrs, "groups", 1)
        by_group = w.reshape(groups, -1, w.shape[-1]).max(axis=1).ravel()
        found.append((channel, by_group, w.shape[-1] == 1))
    size = 1 + max(int(channel.max()) for channel, _, _ in found)
    largest = np.zeros(size)
    for channel, weights, alone in found:
        mine = channel >= 0
        np.maximum.at(largest, channel[mine], 1.0 if alone else weights[mine])
    return np.where(all(alone for _, _, alone in found), 0.0, largest)


def _factors(values: Array, weights: Array) -> Array:
    """What each channel is divided by. Where every weight behind has a scale of its own (a depthwise layer),
    its largest value; else such that rounding values and rounding weights do the same damage. Powers of two:
    the float network computes the same to the last bit.
    """
    alone = not weights.any()
    live = (values > 0) & (alone | (weights > 0))
    if not live.any():
        return np.ones_like(values)
    factors = np.where(live, values, 1.0) / (1.0 if alone else np.where(live, weights, 1.0))
    factors = factors if alone else np.sqrt(factors)
    factors = 2.0 ** np.rint(np.log2(factors / factors[live].max()))
    return np.where(live, np.maximum(factors, 1 / MOST_FACTOR), 1.0)


def _scaled(tensors: Mapping[str, Tensor], node: Node, readers: Readers, factors: Array) -> dict[str, Tensor]:
    _, weight, bias = (tensors[name] for name in node.inputs)
    by_row = factors.reshape(-1, *[1] * (len(weight.shape) - 1))
    made = {
        weight.name: replace(weight, data=weight.values / by_row),
        bias.name: replace(bias, data=bias.values / factors),
    }
    for reader, channel in readers:
        w = tensors[reader.inputs[1]]
        groups = getattr(reader.attrs, "groups", 1)
        column = np.where(channel >= 0, factors[channel], 1.0).reshape(groups, 1, -1)
        rows = w.values.reshape(groups, -1, w.shape[-1]) * column
        made[w.name] = replace(w, data=rows.reshape(w.shape))
    return made
