"""Which scale and zero point fit a histogram, and which integers fit a layer's weights?"""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Dtype, QParams
from ..qmath import INT32_MAX, MAX_LONG_SUM, largest_sums
from .observe import Histogram, Method

EMPTY_SCALE = 1 / 128  # a tensor that was always zero
MIN_SCALE = 2.0**-100  # keeps the float32 reciprocal of the input scale, and products of scales, finite
MAX_SCALE = 2.0**100
CANDIDATES = 64
PERCENTILE = 99.99
ROUNDS = 3
MAX_BIAS = 2**30
ZERO_CHANNEL_STEPS = 2**8
MIN_FACTOR = 2.0**-40


def affine(low: float, high: float, dtype: Dtype = Dtype.INT8) -> QParams:
    """Parameters for real values low … high; zero is always inside and exact.

    A range that starts at zero has the least zero point, an empty one too (a relu that never fired); of more
    than 8 bits it is 0.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if dtype.symmetric:
        scale = max(-low, high) / dtype.high or EMPTY_SCALE
        return QParams((float(np.clip(scale, MIN_SCALE, MAX_SCALE)),), 0, dtype)
    if low == high:
        return QParams((EMPTY_SCALE,), dtype.low, dtype)
    scale = float(np.clip((high - low) / (dtype.high - dtype.low), MIN_SCALE, MAX_SCALE))
    return QParams((scale,), int(np.clip(np.rint(dtype.low - low / scale), dtype.low, dtype.high)), dtype)


def choose(seen: Histogram, method: Method, dtype: Dtype = Dtype.INT8) -> QParams:
    """Parameters for a tensor with these values.

    "minmax" covers them all, and so does whatever has more than 8 bits; "percentile" as many as its name
    says, half of the others on either side; "mse" gives up the outermost ones where that lowers the squared
    error over all: a search over the upper end, then over the lower, a few rounds, each among the same
    candidates.
    """
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    if method == "minmax" or low == high or dtype.symmetric:
        return affine(low, high, dtype)
    if method == "percentile":
        return affine(*_most(seen), dtype)
    centres, counts = seen.filled()
    ends = np.arange(CANDIDATES, 0, -1) / CANDIDATES  # the full range first: it wins a tie
    best_low, best_high = low, high
    for _ in range(ROUNDS):
        before = best_low, best_high
        if high > 0:
            best_high = _best([(best_low, float(end * high)) for end in ends], centres, counts, dtype)[1]
        if low < 0:
            best_low = _best([(float(end * low), best_high) for end in ends], centres, counts, dtype)[0]
        if before == (best_low, best_high):
            break
    return affine(best_low, best_high, dtype)


def _most(seen: Histogram) -> tuple[float, float]:
    """The ends between which PERCENTILE of the values lie, as fine as the bins."""
    centres, counts = seen.filled()
    beyond = int(counts.sum()) * (1 - PERCENTILE / 100) / 2
    first = int(np.searchsorted(np.cumsum(counts), beyond, "right"))
    last = len(counts) - 1 - int(np.searchsorted(np.cumsum(counts[::-1]), beyond, "right"))
    half = seen.width / 2
    return max(float(centres[first]) - half, seen.low), min(float(centres[last]) + half, seen.high)


def squared_error(q: QParams, centres: Array, counts: Array) -> float:
    """Σ count · (centre − its quantized value)²."""
    return float((counts * (centres - q.to_real(q.nearest(centres))) ** 2).sum())


def _best(
    ranges: list[tuple[float, float]], centres: Array, counts: Array, dtype: Dtype
) -> tuple[float, float]:
    return min(ranges, key=lambda ends: squared_error(affine(ends[0], ends[1], dtype), centres, counts))


@dataclass(frozen=True)
class Weights:
    """A layer's constants as integers: `weight` int8 (N, …), `bias` int32 (N,), with their parameters."""

    weight: Array
    weight_qparams: QParams
    bias: Array
    bias_qparams: QParams


def quantize_weights(weight: Array, bias: Array, x: QParams, y: QParams) -> Weights:
    """Symmetric weights −127 … 127 with a scale per entry of axis 0, bias in units of x.scale · that scale.

    A channel's scale is its largest weight / 127, raised where the integers would not fit otherwise: see
    _least_scales, and the proof in docs/numerics.md, |bias'| + 128·Σ|w| < 2^31. Sums of int16 may be longer.
    """
    rows = weight.reshape(len(weight), -1)
    scales = np.maximum(
        np.abs(rows).max(axis=1, initial=0.0) / 127, _least_scales(rows, bias, x.scale[0], y.scale[0])
    )
    most = MAX_LONG_SUM if x.dtype is Dtype.INT16 else INT32_MAX
    while True:
        levels = np.clip(np.rint(rows / scales[:, None]), -127, 127).astype(np.int64)
        offset = np.rint(bias / (x.scale[0] * scales)).astype(np.int64)
        folded = offset - x.zero_point * levels.sum(axis=1)
        too_large = largest_sums(folded, levels, -x.dtype.low) > most
        if not too_large.any():
            break
        scales = np.where(too_large, 2 * scales, scales)
    steps = tuple(float(s) for s in scales)
    return Weights(
        levels.astype(np.int8).reshape(weight.shape),
        QParams(steps),
        offset.astype(np.int32),
        QParams(tuple(x.scale[0] * s for s in steps), 0, Dtype.INT32),
    )


def _least_scales(rows: Array, bias: Array, x_scale: float, y_scale: float) -> Array:
    """Smallest usable scale of each channel.

    An all-zero channel takes 1, or less where its bias would be rounded to more than 1/256 of an output step.
    A near-dead one (after batch norm: tiny weights, ordinary bias) must hold its bias in 2^30 steps. And a
    factor x.scale · scale / y.scale below 2^-40 would spend levels on weights that change no output.
    """
    zero = ~rows.any(axis=1)
    for_zero = np.where(zero, min(1.0, y_scale / (x_scale * ZERO_CHANNEL_STEPS)), 0.0)
    for_bias = np.abs(bias) / (x_scale * MAX_BIAS)
    return np.maximum(np.maximum(for_zero, for_bias), MIN_FACTOR * y_scale / x_scale)
