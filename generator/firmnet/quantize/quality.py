"""How much signal is left in each layer? Integer values against float ones, in decibels."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .. import interpret
from ..ir import Array, Dtype, Graph, Node, Port, wrapped
from ..ops import OPS
from .groups import only_passed_on
from .observe import Histogram, Ranges, histogram_of
from .runs import SampleRuns
from .signals import Magnitudes, places

POOR_DB = 10.0
POOR_OUTPUT_DB = 20.0
NAMED_LAYERS = 3
MAX_SAMPLES = 32
MEASURED_STEPS = 512
"""Of a sequence that are computed in integers."""


@dataclass(frozen=True)
class LayerQuality:
    """One layer's signal-to-noise ratio: `inf` where nothing differs, `-inf` where the true signal is zero,
    but for rounding. Of places of values (argmax) noise is the share of those that differ.

    `snr_db` includes what earlier layers lost; `own_snr_db` is the layer alone, fed with quantized floats.
    Over all calibration samples its values went from `seen_low` to `seen_high`; int8 holds `low` to `high`,
    and `clipped_fraction` of the values lay more than a step outside. Of several outputs signal and noise are
    those of all, `clipped_fraction` is the largest, and all else tells of the first.
    """

    name: str
    op: str
    snr_db: float
    own_snr_db: float
    scale: float
    zero_point: int
    clipped_fraction: float
    seen_low: float
    seen_high: float
    low: float
    high: float

    @property
    def poor(self) -> bool:
        """Below 10 dB: noise of a third of the signal or more. Where there is no signal none is lost."""
        return -math.inf < self.snr_db < POOR_DB


@dataclass
class _Power:
    """Sums over the samples of one activation."""

    signal: float = 0.0
    noise: float = 0.0
    own_noise: float = 0.0

    def __add__(self, other: "_Power") -> "_Power":
        return _Power(self.signal + other.signal, self.noise + other.noise, self.own_noise + other.own_noise)


def measure(floats: SampleRuns, integers: SampleRuns, observed: Ranges) -> tuple[LayerQuality, ...]:
    """A row per layer that computes (views do not).

    Signal and noise are those of at most 32 samples spread evenly over the set (of a graph with states over
    its first 512 steps), what is clipped that of all, as `observed`. `floats` are the runs of the graph that
    the integer one was made from.
    """
    quantized = integers.graph
    layers = [node for node in quantized.nodes if not OPS[node.op].view]
    sums = {name: _Power() for node in layers for name in node.outputs}
    magnitudes, held_places = Magnitudes(quantized), places(quantized)
    constants = {node.name: interpret.prepared(quantized, node) for node in layers}
    count = min(len(floats.sequence), MEASURED_STEPS) if floats.graph.states else len(floats.sequence)
    for i in spread(count, MAX_SAMPLES):
        real, integer = _with_rescales(quantized, floats[i]), integers[i]
        magnitudes.add(real)
        for node in layers:
            given = [(real[n], quantized.tensors[n].q) for n in quantized.activations(node)]
            inputs = [q.nearest(x).astype(q.dtype.numpy) for x, q in given]
            alone = OPS[node.op].run_int(quantized.call(node), constants[node.name], *inputs)
            for name, y in zip(node.outputs, wrapped(alone, len(node.outputs)), strict=True):
                if name in held_places:
                    _count(sums[name], real[name], integer[name], y)
                else:
                    _add(sums[name], quantized, name, real[name], integer[name], y)
    for name in magnitudes.vanishing() & sums.keys() - held_places.keys():
        sums[name].signal = 0.0
    return tuple(
        _row(quantized, node, sum((sums[name] for name in node.outputs), _Power()), observed)
        for node in layers
    )


def tried(graph: Graph, count: int, most: int) -> list[int]:
    """Which samples show how well a graph does: evenly over all, or the begin of a sequence."""
    return list(range(min(count, most))) if graph.states else spread(count, most)


def spread(count: int, most: int) -> list[int]:
    """The numbers of at most so many of `count` samples, evenly over all."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).astype(int).tolist()))


def poor_outputs(graph: Graph, rows: Sequence[LayerQuality]) -> str:
    """One sentence naming outputs at which less than 20 dB arrive, or places of which a tenth is wrong, the
    layers that lose most, and what to do.

    Layers that are good by themselves add up: every one in a row of twenty may be, and their output poor.
    """
    arriving = [(port, row) for port in graph.outputs if (row := _row_of(graph, port.tensor, rows))]
    held_places = places(graph)
    poor = [text for port, row in arriving if (text := _poor(port, row, port.tensor in held_places))]
    if not poor:
        return ""
    able = [row for row in rows if _may_be_wide(graph, row) and row.own_snr_db > -math.inf]
    worst = sorted(able, key=lambda row: row.own_snr_db)[:NAMED_LAYERS]
    what = (
        f"much noise (a signal-to-noise below {POOR_OUTPUT_DB:g} dB) arrives at the output {', '.join(poor)}"
    )
    if not worst:
        return f"{what}: calibrate with more typical samples"
    losers = ", ".join(f"{row.name} ({row.own_snr_db:.1f} dB alone)" for row in worst)
    options = " ".join(f"--precision {row.name}=int16" for row in worst)
    return (
        f"{what}; of the layers, {losers} lose most: give them int16 ({options}), or let --precision auto "
        "find out which need it"
    )


def _poor(port: Port, row: LayerQuality, place: bool) -> str:
    """An output and what arrives there; "" where that is good."""
    if not -math.inf < row.snr_db < (POOR_DB if place else POOR_OUTPUT_DB):
        return ""
    differ = f"{10 ** (-row.snr_db / 10):.0%} of its places are not the float network's"
    return f"{port.name!r} ({differ if place else f'{row.snr_db:.1f} dB'})"


def poor_layers(rows: Iterable[LayerQuality]) -> str:
    """One sentence naming the layers below 10 dB and what to do, or nothing."""
    bad = [f"{row.name} ({row.snr_db:.1f} dB)" for row in rows if row.poor]
    if not bad:
        return ""
    fix = "calibrate with more typical samples, or let --precision auto make them int16 where that helps"
    return f"little signal is left below {POOR_DB:g} dB in {', '.join(bad)}: {fix}"


def _row_of(graph: Graph, tensor: str, rows: Iterable[LayerQuality]) -> LayerQuality | None:
    """The row of the layer that computed a tensor, views aside; None: an input."""
    named = {row.name: row for row in rows}
    node = graph.producer(tensor)
    while node is not None and node.name not in named:
        node = graph.producer(node.inputs[0])
    return named[node.name] if node else None


def _may_be_wide(graph: Graph, row: LayerQuality) -> bool:
    """Whether a layer computes with int16 and does not yet; changes of scale or type are no one's to name."""
    node = next(node for node in graph.nodes if node.name == row.name)
    if node.op == "rescale":
        return False
    wide = Dtype.INT16 in OPS[node.op].dtypes and OPS[node.op].output_qparams(node.attrs) is None
    return wide and graph.tensors[node.outputs[0]].dtype is Dtype.INT8


def _with_rescales(quantized: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """Float values for the layers that quantization inserted too: a rescale changes none."""
    real = {**values}
    for node in quantized.nodes:
        for name in node.outputs:
            real.setdefault(name, real[node.inputs[0]])
    return real


def _add(sums: _Power, graph: Graph, name: str, real: Array, integer: Array, alone: Array) -> None:
    """Count one sample; what only a maximum or a move reads is judged within its range (only_passed_on)."""
    q = graph.tensors[name].q
    if only_passed_on(graph, name):
        real = np.clip(real, *q.range)
    sums.signal += float((real**2).sum())
    sums.noise += float(((q.to_real(integer) - real) ** 2).sum())
    sums.own_noise += float(((q.to_real(alone) - real) ** 2).sum())


def _count(sums: _Power, real: Array, integer: Array, alone: Array) -> None:
    """Count the places of one sample, and those that differ."""
    sums.signal += real.size
    sums.noise += int((integer != real).sum())
    sums.own_noise += int((alone != real).sum())


def _row(quantized: Graph, node: Node, sums: _Power, observed: Ranges) -> LayerQuality:
    first = node.outputs[0]
    q, seen = quantized.tensors[first].q, histogram_of(quantized, observed, first)
    low, high = q.range
    return LayerQuality(
        name=node.name,
        op=node.op,
        snr_db=decibels(sums.signal, sums.noise),
        own_snr_db=decibels(sums.signal, sums.own_noise),
        scale=q.scale[0],
        zero_point=q.zero_point,
        clipped_fraction=max(_clipped(quantized, observed, node, name) for name in node.outputs),
        seen_low=seen.low,
        seen_high=seen.high,
        low=low,
        high=high,
    )


def _clipped(quantized: Graph, observed: Ranges, node: Node, output: str) -> float:
    """The fraction of an output's values that lay more than a step outside of what it holds."""
    if only_passed_on(quantized, output):
        return 0.0
    q = quantized.tensors[output].q
    low, high = q.range
    return _outside(histogram_of(quantized, observed, output), low - q.scale[0], high + q.scale[0])


def _outside(seen: Histogram, low: float, high: float) -> float:
    """The fraction of the values outside; the extremes are exact, the rest as fine as the bins."""
    if low <= seen.low and seen.high <= high:
        return 0.0
    centres, counts = seen.filled()
    outside = int(counts[(centres < low) | (centres > high)].sum())
    return max(outside, 1) / int(counts.sum())


def decibels(signal: float, noise: float) -> float:
    """`inf` without noise, `-inf` where there is only noise."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf
