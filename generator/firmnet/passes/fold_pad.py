"""fold_pad: zeros padded around a convolution's input become the convolution's own padding."""

from dataclasses import replace

from ..ir import Graph, Node
from .drop_dead import drop_dead


def fold_pad(graph: Graph) -> Graph:
    pads = {node.output: node for node in graph.nodes if node.op == "pad" and _pads_image_only(node)}
    return drop_dead(graph.with_nodes([_folded(node, pads) for node in graph.nodes]))


def _pads_image_only(pad: Node) -> bool:
    """Zeros around height and width of a channels-last image, none as further channels."""
    before, after = pad.attrs.before, pad.attrs.after
    return len(before) == 4 and not any((before[0], before[3], after[0], after[3]))


def _folded(node: Node, pads: dict[str, Node]) -> Node:
    while node.op == "conv2d" and node.inputs[0] in pads:
        pad = pads[node.inputs[0]]
        more = (pad.attrs.before[1], pad.attrs.after[1], pad.attrs.before[2], pad.attrs.after[2])
        padding = tuple(own + added for own, added in zip(node.attrs.padding, more, strict=True))
        node = replace(
            node, inputs=(*pad.inputs, *node.inputs[1:]), attrs=replace(node.attrs, padding=padding)
        )
    return node
