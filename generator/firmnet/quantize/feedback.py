"""Which way are the weights of recurrent layers rounded? So that each one makes up for those before it.

What a weight loses by rounding goes to the weights behind it, as far as their inputs go together in the
calibration samples (Frantar et al., 2022): in a state errors of products add up over all steps.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..ir import Array, Graph, Node, Tensor
from ..ops import OPS
from ..ops.recurrent import RECURRENT_OPS, Recurrent
from .runs import SampleRuns

ENOUGH_SAMPLES, ENOUGH_STEPS = 64, 2048
"""So many of both are looked at, if there are."""
DAMPING = 0.01
"""Of the mean square of the inputs: how far they are taken for independent."""


def compensated(floats: SampleRuns, integer: Graph) -> Graph:
    """The integer graph with weights of recurrent layers rounded anew; scales and all else stay."""
    layers = [node for node in integer.nodes if node.op in RECURRENT_OPS]
    if not layers:
        return integer
    seen = _moments(floats, [node.name for node in layers])
    tensors = dict(integer.tensors)
    for node in layers:
        for key, name in _weights(integer, node).items():
            real = floats.graph.tensors[_weights(floats.graph, _named(floats.graph, node.name))[key]].values
            tensors[name] = _rounded(tensors[name], real, seen[node.name, key])
    return replace(integer, tensors=tensors)


def _moments(floats: SampleRuns, layers: list[str]) -> dict[tuple[str, str], Array]:
    """Sums of products of what each matrix is multiplied by, over steps of the first samples."""
    found: dict[tuple[str, str], Array] = {}
    graph, steps = floats.graph, 0
    for i in range(len(floats.sequence)):
        if i >= ENOUGH_SAMPLES and steps >= ENOUGH_STEPS:
            break
        values = floats[i]
        for node in (_named(graph, name) for name in layers):
            op = OPS[node.op]
            given = [values[n] if n in values else graph.tensors[n].values for n in node.inputs]
            hidden = op.held(graph.call(node), *given)[0][:, :-1]
            steps += hidden.shape[0] * hidden.shape[1]
            for key, read in (("input_weight", given[0]), ("state_weight", hidden)):
                lines = read.reshape(-1, read.shape[-1])
                found[node.name, key] = found.get((node.name, key), 0.0) + lines.T @ lines
    return found


def _named(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if node.name == name)


def _weights(graph: Graph, node: Node) -> Mapping[str, str]:
    """The names of both matrices of a layer."""
    op = OPS[node.op]
    assert isinstance(op, Recurrent)
    known = op.parts(node.attrs, node.inputs)
    return {key: known[key] for key in ("input_weight", "state_weight")}


def _rounded(weight: Tensor, real: Array, moment: Array) -> Tensor:
    mean = float(np.trace(moment)) / len(moment)
    if mean <= 0.0:
        return weight
    inverse = np.linalg.inv(moment + DAMPING * mean * np.eye(len(moment)))
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    rest = real / np.asarray(weight.q.scale)[:, np.newaxis]
    levels = np.zeros_like(rest)
    for column in range(rest.shape[1]):
        levels[:, column] = np.clip(np.rint(rest[:, column]), -127, 127)
        lost = (rest[:, column] - levels[:, column]) / upper[column, column]
        rest[:, column + 1 :] -= np.outer(lost, upper[column, column + 1 :])
    return replace(weight, data=levels.astype(np.int8))
