"""lower_batch_norm: a batch norm that could not be folded becomes a 1x1 convolution, one channel by one."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Graph, Node, Shape, Tensor
from ..ops.conv2d import Conv2dAttrs
from ..ops.reshape import ReshapeAttrs
from ..ops.transpose import TransposeAttrs
from .rewrite import named, names, redirect, unique


def lower_batch_norm(graph: Graph) -> Graph:
    for name in names(graph, "batch_norm"):
        graph = _lowered(graph, named(graph, name))
    return graph


def _lowered(graph: Graph, norm: Node) -> Graph:
    """transpose (channels last) → reshape (one image) → conv2d → reshape back → transpose back."""
    x, scale, shift = (graph.tensors[name] for name in norm.inputs)
    rank, channels = len(x.shape), x.shape[norm.attrs.axis]
    order = (*(axis for axis in range(rank) if axis != norm.attrs.axis), norm.attrs.axis)
    last = tuple(x.shape[axis] for axis in order)
    image = _image(last)
    if not (np.ptp(scale.values) or np.ptp(shift.values)):  # alike for all values: one channel, any order
        scale, shift = (replace(t, shape=(1,), data=t.values[:1]) for t in (scale, shift))
        order, last, image, channels = tuple(range(rank)), x.shape, _image((*x.shape, 1)), 1
    weight = Tensor(scale.name, (channels, 1, 1, 1), None, scale.values.reshape(channels, 1, 1, 1))
    steps: list[tuple[str, Any, Shape]] = [
        ("transpose", TransposeAttrs(order), last),
        ("reshape", ReshapeAttrs(image), image),
        ("conv2d", Conv2dAttrs(groups=channels), image),
        ("reshape", ReshapeAttrs(last), last),
        ("transpose", TransposeAttrs(tuple(order.index(axis) for axis in range(rank))), x.shape),
    ]
    nodes: list[Node] = []
    tensors, source = {weight.name: weight, shift.name: shift}, x.name
    for op, attrs, shape in steps:
        is_layer = op == "conv2d"
        name = norm.name if is_layer else unique(f"{norm.name}_{op}", {*graph.tensors, *tensors})
        inputs = (source, weight.name, shift.name) if is_layer else (source,)
        nodes.append(Node(name, op, attrs, inputs, (name,), norm.source))
        tensors[name] = Tensor(name, shape)
        source = name
    return _spliced(graph, norm, nodes, tensors)


def _spliced(graph: Graph, norm: Node, nodes: list[Node], tensors: dict[str, Tensor]) -> Graph:
    """The graph with `nodes` in the place of `norm`: what read the norm reads the last of them."""
    rest = redirect(graph, {norm.output: nodes[-1].output})
    spliced = [new for node in rest.nodes for new in (nodes if node.name == norm.name else [node])]
    return rest.with_nodes(spliced, **tensors)


def _image(shape: Shape) -> Shape:
    """Channels-last values of any rank as (1, height, width, channels)."""
    *outer, width, channels = (1, *shape)
    return 1, int(np.prod(outer, dtype=np.int64)), width, channels
