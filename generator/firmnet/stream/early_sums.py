"""A mean over the whole window and another axis is first a sum in each place in time: less of it is kept.

Sums are exact in int16, and the mean of them is requantized by the same numbers: the bits are the same.
"""

from dataclasses import replace
from math import prod

import numpy as np

from ..ir import Dtype, Graph, Node, QParams, Tensor
from ..ops.avg_pool2d import AvgPool2dAttrs, requant_of
from ..passes.rewrite import fresh_name
from .follow import Followed

MOST_IN_A_PLACE = 2**7
"""Values of a place that int16 adds up: each is less than 2^8 from the zero point."""


def early_sums(graph: Graph, found: Followed) -> Graph:
    """The quantized graph of a window, such means in two steps."""
    for node in graph.nodes:
        if node.op == "avg_pool2d" and node.inputs[0] in found.timed and _over_all(graph, node):
            graph = _in_two(graph, node, found.timed[node.inputs[0]].axis)
    return graph


def _over_all(graph: Graph, node: Node) -> bool:
    x, y, attrs = graph.tensors[node.inputs[0]], graph.tensors[node.output], node.attrs
    windows = attrs.adaptive == (1, 1) or (attrs.kernel == x.shape[1:3] and not any(attrs.padding))
    return bool(windows) and y.shape[:3] == (1, 1, 1) and x.dtype is Dtype.INT8


def _in_two(graph: Graph, node: Node, axis: int) -> Graph:
    """The graph as it is where that would keep no less, or round otherwise."""
    x = graph.tensors[node.inputs[0]]
    other = 3 - axis
    beside = x.shape[other]
    if not Dtype.INT16.bytes < beside < MOST_IN_A_PLACE:
        return graph
    name = fresh_name(graph, f"{node.name}_sums")
    shape = (*x.shape[:other], 1, *x.shape[other + 1 :])
    sums = Tensor(name, shape, QParams(x.q.scale, 0, Dtype.INT16))
    divisor = node.attrs.divisor_override or prod(x.shape[1:3])
    across = (beside, 1) if other == 1 else (1, beside)
    mean = AvgPool2dAttrs(
        kernel=(shape[1], shape[2]),
        stride=(shape[1], shape[2]),
        divisor_override=divisor,
        lo=node.attrs.lo,
        hi=node.attrs.hi,
    )
    added = AvgPool2dAttrs(kernel=across, stride=across, divisor_override=1)
    first = Node(name, "avg_pool2d", added, (x.name,), (name,), node.source)
    second = replace(node, attrs=mean, inputs=(name,))
    at = graph.nodes.index(node)
    changed = graph.with_nodes([*graph.nodes[:at], first, second, *graph.nodes[at + 1 :]], **{name: sums})
    one, before, behind = (
        requant_of(g.call(n)) for g, n in ((changed, first), (graph, node), (changed, second))
    )
    exact = int(one.multiplier[0]) << one.pre_shift == 1 << 32 + one.shift
    alike = (before.shift, before.pre_shift) == (behind.shift, behind.pre_shift)
    return changed if exact and alike and np.array_equal(before.multiplier, behind.multiplier) else graph
