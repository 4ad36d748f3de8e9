"""plain_transposed: a transposed convolution that spreads nothing becomes a convolution, its filters turned.

With a stride of 1, or along an axis of one value, output o meets input o + crop - tap · dilation. Counted
from the last tap on that is a convolution, whose kernels are fast with every dilation.
"""

from dataclasses import replace

import numpy as np

from ..ir import Graph, Node
from ..ops.conv2d import Conv2dAttrs
from .drop_dead import drop_dead
from .rewrite import fresh_name, named, names


def plain_transposed(graph: Graph) -> Graph:
    for name in names(graph, "conv_transpose2d"):
        graph = _turned(graph, named(graph, name))
    return graph


def _turned(graph: Graph, node: Node) -> Graph:
    """A convolution, unless outputs are spread or more is cropped than taps reach beyond the image.

    A stride along an axis of one value says nothing, nor does the dilation of a single tap: both become 1.
    """
    x, weight, bias = (graph.tensors[name] for name in node.inputs)
    kernel, image = weight.shape[1:3], x.shape[1:3]
    stride = tuple(n if size > 1 else 1 for n, size in zip(node.attrs.stride, image, strict=True))
    dilation = tuple(n if taps > 1 else 1 for n, taps in zip(node.attrs.dilation, kernel, strict=True))
    attrs = replace(node.attrs, stride=stride, dilation=dilation)
    reach = [attrs.dilation[axis] * (kernel[axis] - 1) for axis in (0, 0, 1, 1)]
    top, bottom, left, right = (most - cut for most, cut in zip(reach, attrs.crop, strict=True))
    if max(attrs.stride) > 1 or min(top, bottom, left, right) < 0:
        return graph.with_nodes([replace(n, attrs=attrs) if n is node else n for n in graph.nodes])
    data = np.ascontiguousarray(weight.values[:, ::-1, ::-1])
    turned = replace(weight, name=fresh_name(graph, weight.name), data=data)
    plain = Conv2dAttrs((1, 1), (top, bottom, left, right), attrs.dilation, attrs.groups, attrs.lo, attrs.hi)
    conv = replace(node, op="conv2d", attrs=plain, inputs=(x.name, turned.name, bias.name))
    nodes = [conv if other is node else other for other in graph.nodes]
    return drop_dead(graph.with_nodes(nodes, **{turned.name: turned}))
