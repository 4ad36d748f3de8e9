"""Which layers are wrong on average? The mean error of a channel goes into its bias (Nagel et al., 2019)."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .. import interpret
from ..ir import Array, Graph, Node, Tensor, wrapped
from ..ops import OPS
from .apply import Draft
from .trial import Judge, Trial

LEAST_SAMPLES = 4
"""Fewer do not tell a mean from chance."""
SURE = 3.0
"""A mean so many times its standard error is none of chance."""


def corrected(plan: Draft, trial: Trial, judge: Judge) -> Trial | None:
    """The same integer graph with other biases; None where no channel is wrong on average.

    Layer by layer, each with what the corrected ones before it give. The error is that of the sums before an
    absorbed activation, taken over the judge's samples. Layers with the same constants, as steps of a loop
    have them, stay the same.
    """
    graph = trial.graph
    if graph.states or len(judge.samples) < LEAST_SAMPLES:
        return None
    real = [interpret.float_values(plan.graph, *sample) for sample in judge.samples]
    values: list[interpret.Values] = [
        {port.tensor: known[port.tensor] for port in graph.inputs} for known in trial.values
    ]
    tensors, changed = dict(graph.tensors), False
    alone = _alone(graph)
    for node in graph.nodes:
        k = trial.constants[node.name]
        if node.name in alone and (better := _better(plan.graph, graph, node, tensors, real, values)):
            k, tensors[node.inputs[2]] = better
            changed = True
        for known in values:
            given = (known[name] for name in graph.activations(node))
            made = OPS[node.op].run_int(graph.call(node), k, *given)
            known |= zip(node.outputs, wrapped(made, len(node.outputs)), strict=True)
    return judge.run(replace(graph, tensors=tensors)) if changed else None


def _alone(graph: Graph) -> set[str]:
    """Layers with weights that no other has."""
    found: dict[Hashable, list[str]] = {}
    for node in graph.nodes:
        if OPS[node.op].weighted:
            constants = [t for t in graph.call(node).inputs if t.data is not None]
            key = tuple((t.shape, t.q, t.values.tobytes()) for t in constants)
            found.setdefault(key, []).append(node.name)
    return {names[0] for names in found.values() if len(names) == 1}


def _better(
    floats: Graph,
    graph: Graph,
    node: Node,
    tensors: Mapping[str, Tensor],
    real: list[interpret.Values],
    values: list[interpret.Values],
) -> tuple[Any, Tensor] | None:
    """Constants with a corrected bias, and this; None where nothing is sure, or it would not fit."""
    x, _, bias = (tensors[name] for name in node.inputs)
    error = np.stack(
        [
            _sums(graph, node, x.q.to_real(mine[x.name])) - _sums(floats, node, right[x.name])
            for right, mine in zip(real, values, strict=True)
        ]
    )
    if bias.values.size != error.shape[-1]:
        return None
    by_sample = np.sort(error.reshape(len(error), -1, error.shape[-1]).mean(axis=1), axis=0)
    mean = by_sample.mean(axis=0)
    doubt = by_sample.std(axis=0, ddof=1) / np.sqrt(len(error))
    steps = np.rint(np.where(np.abs(mean) > SURE * doubt, mean, 0.0) / np.asarray(bias.q.scale))
    wanted = bias.values - steps
    if not steps.any() or np.abs(wanted).max() >= 2**30:
        return None
    moved = replace(bias, data=wanted.astype(bias.values.dtype))
    call = replace(graph, tensors={**tensors, bias.name: moved}).call(node)
    try:
        return OPS[node.op].prepare(call), moved
    except (ValueError, OverflowError):
        return None


def _sums(graph: Graph, node: Node, x: Array) -> Array:
    """A layer's real sums, before its activation, of these real values."""
    call = graph.call(node)
    _, weight, bias = call.inputs
    free = replace(call, attrs=replace(call.attrs, lo=None, hi=None))
    return OPS[node.op].run_float(free, x, weight.real, bias.real)
