"""restate_inputs: an input normalised before padded convolutions stays as it is, under another scale.

Without padding its factor and shift are in the weights already (fold_batch_norm). The zeros that are padded
around (x − mean) / std are the mean around x: bytes that stand for both say so, and cost nothing.
"""

from dataclasses import replace

import numpy as np

from ..ir import Graph, Node
from ..ops import OPS
from ..ops.restate import RestateAttrs
from .rewrite import names


def restate_inputs(graph: Graph) -> Graph:
    norms = {*names(graph, "batch_norm")}
    return graph.with_nodes([_restated(graph, n) if n.name in norms else n for n in graph.nodes])


def _restated(graph: Graph, norm: Node) -> Node:
    scale, shift = (graph.tensors[name].values for name in norm.inputs[1:])
    given = norm.inputs[0] in {port.tensor for port in graph.inputs}
    if not given or np.ptp(scale) or np.ptp(shift) or scale[0] <= 0 or not _only_weighed(graph, norm.output):
        return norm
    attrs = RestateAttrs(float(scale[0]), float(shift[0]))
    return replace(norm, op="restate", attrs=attrs, inputs=norm.inputs[:1])


def _only_weighed(graph: Graph, name: str) -> bool:
    """Whether all that reads the tensor, moved or not, is layers with a bias in which every weight counts."""
    readers = graph.consumers(name)
    moves = [node for node in readers if OPS[node.op].keeps_qparams and len(graph.activations(node)) == 1]
    others = [node for node in readers if node not in moves]
    return (
        bool(readers)
        and name not in graph.wanted
        and all(node.op in ("conv2d", "linear") for node in others)
        and all(_only_weighed(graph, y) for node in moves for y in node.outputs)
    )
