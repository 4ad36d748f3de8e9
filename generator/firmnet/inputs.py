"""Which inputs is a firmware verified with? Those given, as integers, or those that travel with it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import devices
from .artifact import Artifact
from .coverage import clipped_share, most_telling
from .errors import UserError
from .ir import Array, Graph, unwrapped, wrapped
from .manifest import Edge
from .ops import numbered
from .qmath import quantize_input
from .quantize import check_samples, check_shape, per_input, read_samples

KEPT_INPUTS = 24
"""Inputs that travel in the artifact, so that it can be verified with no data at hand; by what they reach."""
KEPT_STEPS = 64
"""Of a model that remembers so many steps travel, the first of the calibration data."""
KEPT_SAMPLES, NOISE, ENDS = 12, 4, 2
"""Of these so many are calibration samples, noise, and constant, whatever they reach."""
MORE = 6
"""So many more samples, and as much noise, may be chosen for what they reach."""


def integers(artifact: Artifact, inputs: Any) -> tuple[Any, float | None]:
    """What api.inputs_for gives, and of float inputs the share of values that their type does not hold."""
    if inputs is None:
        return artifact.samples, None
    graph, edges = artifact.graph, artifact.manifest.inputs
    if isinstance(inputs, str | Path):
        _check_no_device(str(inputs))
        inputs = read_samples(inputs, [edge.name for edge in edges])
    given = check_shape(inputs, graph, "input data")
    arrays = _with_numbers(graph, per_input(given, graph))
    if all(x.dtype == edge.dtype.numpy for x, edge in zip(arrays, edges, strict=True)):
        return unwrapped(arrays), None
    odd = next((x for x in arrays if x.dtype.kind in "iub"), None)
    if odd is not None:
        types = " or ".join(dict.fromkeys(edge.dtype for edge in edges))
        raise UserError(
            f"input data is {odd.dtype.name}: give floats as for the model, e.g. "
            f"x.astype('float32') / 255, or {types} that is quantized already"
        )
    samples = wrapped(check_samples(unwrapped(arrays), graph, "input data"), len(edges))
    quantized = [quantize_input(x, edge.q) for x, edge in zip(samples, edges, strict=True)]
    return unwrapped(quantized), clipped_share(samples, [edge.q for edge in edges])


def _with_numbers(graph: Graph, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Inputs that name rows of a table may be whole numbers of any type: they are real values as they are."""
    named = numbered(graph)
    return tuple(
        x.astype(np.float32)
        if port.tensor in named and x.dtype.kind in "iu" and x.dtype != graph.tensors[port.tensor].dtype.numpy
        else x
        for port, x in zip(graph.inputs, arrays, strict=True)
    )


def _check_no_device(given: str) -> None:
    """UserError for what is a device where input data belongs."""
    if (
        given in devices.KINDS
        or "://" in given
        or given.startswith("/dev/")
        or re.fullmatch(r"COM\d+", given)
    ):
        kind = f"device={given!r}" if given in devices.KINDS else f"port={given!r}"
        raise UserError(f"{given!r} is a device, not a file of input data: write verify({kind})")


def kept(graph: Graph, edges: Sequence[Edge], samples: Any) -> Any:
    """What travels in the artifact, quantized, in the model's own order: enough that every layer varies.

    Calibration samples from all over, seeded noise and both extremes; the rest are those of more samples and
    fainter noise that move most channels which had not varied yet. Of a model with states: its first steps.
    """
    arrays = per_input(samples, graph)
    if graph.states:
        steps = KEPT_STEPS + (graph.stream.first_run if graph.stream else 0)
        return unwrapped([quantize_input(x[:steps], edge.q) for x, edge in zip(arrays, edges, strict=True)])
    pools = [_pool(edge, x, seed) for seed, (edge, x) in enumerate(zip(edges, arrays, strict=True))]
    certain = min(len(arrays[0]), KEPT_SAMPLES) + NOISE + ENDS
    stored = zip(*(edge.stored(pool) for edge, pool in zip(edges, pools, strict=True)), strict=True)
    chosen = most_telling(graph, list(stored), certain, KEPT_INPUTS)
    return unwrapped([pool[chosen] for pool in pools])


def _pool(edge: Edge, samples: Array, seed: int) -> Array:
    """Samples of one input to choose from: those that are certain first, see kept.

    Each input has noise of its own, for what two of them have in common shows no difference between them.
    """
    shape, dtype = samples.shape[1:], edge.dtype
    spread = quantize_input(_spread(samples, KEPT_SAMPLES + MORE), edge.q)
    noise = np.random.default_rng(seed).integers(dtype.low, dtype.high + 1, (MORE, *shape))
    faint = [np.clip(noise // 2**n + edge.zero_point, dtype.low, dtype.high) for n in (1, 2, 3, 5)]
    first = _spread(spread, KEPT_SAMPLES)
    ends = [np.full((1, *shape), end) for end in (dtype.low, dtype.high)]
    pool = [first, noise[:NOISE], *ends, spread, noise[NOISE:], *(some[:2] for some in faint)]
    return np.concatenate([part.astype(dtype.numpy) for part in pool])


def _spread(samples: Array, count: int) -> Array:
    """At most `count` of the samples, evenly over all."""
    chosen: Array = samples[np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int))]
    return chosen
