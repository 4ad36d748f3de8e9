"""How much signal is left in each layer? Integer values against float ones, in decibels."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .. import interpret
from ..ir import Array, Graph, Node, QParams
from ..ops import OPS
from .groups import only_passed_on

POOR_DB = 10.0
MAX_SAMPLES = 32


@dataclass(frozen=True)
class LayerQuality:
    """One layer's signal-to-noise ratio: `inf` where nothing differs, `-inf` where the true signal is zero.

    `snr_db` includes what earlier layers lost; `own_snr_db` is the layer alone, fed with quantized floats.
    `clipped_fraction` of its values lay more than a step outside the range chosen.
    """

    name: str
    op: str
    snr_db: float
    own_snr_db: float
    scale: float
    zero_point: int
    clipped_fraction: float

    @property
    def poor(self) -> bool:
        """Below 10 dB: noise of a third of the signal or more."""
        return self.snr_db < POOR_DB


@dataclass
class _Power:
    """Sums over the samples of one layer."""

    signal: float = 0.0
    noise: float = 0.0
    own_noise: float = 0.0
    clipped: int = 0
    size: int = 0


def measure(graph: Graph, quantized: Graph, samples: Array) -> tuple[LayerQuality, ...]:
    """A row per layer that computes (views do not), over at most 32 samples spread evenly over the set.

    `graph` is the float graph `quantized` was made from; `samples` (N, …) in the model's own order.
    """
    layers = [node for node in quantized.nodes if not OPS[node.op].view]
    sums = {node.name: _Power() for node in layers}
    constants = {node.name: OPS[node.op].prepare(quantized.call(node)) for node in layers}
    for i in np.unique(np.linspace(0, len(samples) - 1, min(len(samples), MAX_SAMPLES)).astype(int)):
        real = _with_rescales(quantized, interpret.float_values(graph, samples[i]))
        integer = interpret.int_values(quantized, interpret.quantize_sample(quantized, samples[i]))
        for node in layers:
            inputs = [_to_int8(real[n], quantized.tensors[n].q) for n in quantized.activations(node)]
            alone = OPS[node.op].run_int(quantized.call(node), constants[node.name], *inputs)
            _add(sums[node.name], quantized, node, real[node.output], integer[node.output], alone)
    return tuple(_row(quantized, node, sums[node.name]) for node in layers)


def poor_layers(rows: Iterable[LayerQuality]) -> str:
    """One sentence naming the layers below 10 dB and what to do, or nothing."""
    bad = [f"{row.name} ({row.snr_db:.1f} dB)" for row in rows if row.poor]
    if not bad:
        return ""
    fix = "calibrate with more typical samples, or try the other range method (mse, minmax)"
    return f"little signal is left below {POOR_DB:g} dB in {', '.join(bad)}: {fix}"


def _with_rescales(quantized: Graph, real: dict[str, Array]) -> dict[str, Array]:
    """Float values for the layers that quantization inserted too: a rescale changes none."""
    for node in quantized.nodes:
        real.setdefault(node.output, real[node.inputs[0]])
    return real


def _to_int8(values: Array, q: QParams) -> Array:
    level: Array = np.clip(np.rint(values / q.scale[0]) + q.zero_point, -128, 127).astype(np.int8)
    return level


def _add(sums: _Power, graph: Graph, node: Node, real: Array, integer: Array, alone: Array) -> None:
    """Count one sample; what only a maximum or a move reads is judged within its range (only_passed_on)."""
    q = graph.tensors[node.output].q
    low, high = (float(v) for v in q.to_real(np.array([-128, 127])))
    if only_passed_on(graph, node.output):
        real = np.clip(real, low, high)
    step = q.scale[0]
    sums.signal += float((real**2).sum())
    sums.noise += float(((q.to_real(integer) - real) ** 2).sum())
    sums.own_noise += float(((q.to_real(alone) - real) ** 2).sum())
    sums.clipped += int(((real < low - step) | (real > high + step)).sum())
    sums.size += real.size


def _row(quantized: Graph, node: Node, sums: _Power) -> LayerQuality:
    q = quantized.tensors[node.output].q
    snr, own = _decibels(sums.signal, sums.noise), _decibels(sums.signal, sums.own_noise)
    return LayerQuality(
        node.name, node.op, snr, own, q.scale[0], q.zero_point, sums.clipped / max(sums.size, 1)
    )


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf
