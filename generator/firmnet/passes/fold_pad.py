"""fold_pad: zeros padded around a convolution's input become the convolution's own padding."""

from dataclasses import replace

from ..ir import Graph, Node
from .drop_dead import drop_dead


def fold_pad(graph: Graph) -> Graph:
    pads = {node.output: node for node in graph.nodes if node.op == "pad" and node.attrs.image_padding}
    return drop_dead(graph.with_nodes([_folded(node, pads) for node in graph.nodes]))


def _folded(node: Node, pads: dict[str, Node]) -> Node:
    while node.op == "conv2d" and node.inputs[0] in pads:
        pad = pads[node.inputs[0]]
        both = zip(node.attrs.padding, pad.attrs.image_padding, strict=True)
        padding = tuple(own + added for own, added in both)
        node = replace(
            node, inputs=(*pad.inputs, *node.inputs[1:]), attrs=replace(node.attrs, padding=padding)
        )
    return node
