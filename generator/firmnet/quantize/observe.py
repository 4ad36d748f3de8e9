"""Which values does every activation take on the calibration samples? A histogram per tensor, in one pass."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from ..errors import UserError
from ..interpret import held_values
from ..ir import Array, Dtype, Graph
from .loops import loops
from .runs import SampleRuns, float_runs
from .samples import check_samples, check_varied, per_input

Method = Literal["minmax", "percentile", "mse"]
Asking = Literal["auto", "mse", "percentile", "minmax"]
"""What users ask for: a method for all tensors, or of each what gives the best output."""
METHODS: tuple[Method, ...] = get_args(Method)
Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""

HALF_BITS = 12
HALF = 1 << HALF_BITS  # bins on either side of zero: at least 8 bins to a quantization step
MIN_EXPONENT = -126

INT16_MAX = Dtype.INT16.high
FEW_LEVELS = 255
GRID_TOLERANCE = 2.0**-6
"""Of a level of 16 bits that was divided by 32,767 in float32."""


@dataclass(frozen=True)
class Histogram:
    """How often values fall into [k·width, (k+1)·width), k = −HALF … HALF−1, and their exact extremes.

    `width` is the power of two 2^exponent that the largest magnitude calls for, so the histogram depends on
    the values seen and never on their order: widening by two merges pairs of bins exactly.
    """

    counts: Array  # int64 (2·HALF,)
    exponent: int
    low: float
    high: float

    @property
    def width(self) -> float:
        return 2.0**self.exponent

    def filled(self) -> tuple[Array, Array]:
        """Centres (float64) and counts of the bins that are not empty."""
        (index,) = np.nonzero(self.counts)
        return (index - HALF + 0.5) * self.width, self.counts[index]

    def widened(self, exponent: int) -> Array:
        """The counts with bins of 2^exponent, exponent ≥ self.exponent."""
        if exponent == self.exponent:
            return self.counts
        (index,) = np.nonzero(self.counts)
        merged = ((index - HALF) >> min(exponent - self.exponent, 62)) + HALF
        counts = np.zeros(2 * HALF, np.int64)
        np.add.at(counts, merged, self.counts[index])
        return counts


@dataclass(frozen=True)
class Ranges:
    """What was observed: a histogram per activation, and the method that turns them into ranges.

    `own`: methods of single activations, and so of all that share their scale. `extremes`: per activation,
    the samples that first held its lowest and its highest value. `grids`: the step of inputs whose samples
    are whole numbers of 16 bits (see `grid`), and 1 of states, and of what is between a state and its next,
    that are nothing but whole numbers. `spans`: of each state the least and the greatest value (N, 2) in
    every step. `in_step`: the steps of a loop that is written out are to have the same ranges.
    """

    method: Method
    histograms: Mapping[str, Histogram]
    extremes: Mapping[str, tuple[int, int]]
    grids: Mapping[str, float] = field(default_factory=dict)
    own: Mapping[str, Method] = field(default_factory=dict)
    spans: Mapping[str, Array] = field(default_factory=dict)
    in_step: bool = False

    def method_of(self, names: Iterable[str]) -> Method:
        """How the range of activations that share a scale is chosen."""
        return next((self.own[name] for name in names if name in self.own), self.method)


def grid(samples: Array) -> float | None:
    """The step of which all these float32 values are whole multiples, as those of a 16-bit sensor are.

    A power of two, or 1/32767; None where there is none, and where values take 8 bits or more than 16.
    """
    values = np.unique(samples).astype(np.float64)
    magnitude = float(np.abs(values).max(initial=0.0))
    if not magnitude:
        return None
    mantissas, exponents = np.frexp(values[values != 0])
    whole = np.ldexp(mantissas, 24).astype(np.int64)  # float32 has 24 bits
    unit = 2.0 ** int((exponents - 24 + np.log2(whole & -whole).astype(np.int64)).min())
    for step in (unit, 1 / INT16_MAX):
        levels = values / step
        if np.abs(levels - np.rint(levels)).max() < GRID_TOLERANCE and magnitude / step > FEW_LEVELS:
            low, high = float(np.rint(levels).min()), float(np.rint(levels).max())
            if low >= -INT16_MAX - 1 and high <= INT16_MAX:
                return step
    return None


def histogram_of(graph: Graph, observed: Ranges, name: str) -> Histogram:
    """What calibration saw in a tensor; a rescale that quantization inserted changes no value."""
    while name not in observed.histograms:
        node = graph.producer(name)
        assert node is not None
        name = node.inputs[0]
    return observed.histograms[name]


def histogram(values: Array) -> Histogram:
    """Of a float array with at least one finite element."""
    low, high = float(values.min()), float(values.max())
    exponent = max(int(np.frexp(max(abs(low), abs(high)))[1]), MIN_EXPONENT) - HALF_BITS
    index = np.floor(np.ldexp(values.ravel().astype(np.float64), -exponent)).astype(np.int64) + HALF
    return Histogram(np.bincount(index, minlength=2 * HALF), exponent, low, high)


def merge(a: Histogram, b: Histogram) -> Histogram:
    """The histogram of both sets of values."""
    exponent = max(a.exponent, b.exponent)
    counts = a.widened(exponent) + b.widened(exponent)
    return Histogram(counts, exponent, min(a.low, b.low), max(a.high, b.high))


def calibrate(
    graph: Graph,
    samples: Any,
    ranges: Method = "minmax",
    progress: Progress | None = None,
    what: str = "calibration data",
    floats: SampleRuns | None = None,
) -> Ranges:
    """Run the float graph over `samples` (N, …), in the model's own order, and count what every tensor holds.

    A graph with states runs over each of their sequences from a reset on. `floats`: its runs over the same
    samples, if there are some already.

    Raises UserError for samples that cannot serve (see check_samples) and for one that drives a layer beyond
    the numbers.
    """
    checked = check_samples(samples, graph, what)
    check_varied(checked, graph, what)
    floats = floats or float_runs(graph, checked)
    seen: dict[str, Histogram] = {}
    extremes: dict[str, tuple[int, int]] = {}
    remembered = {name for state in graph.states for name in (state.tensor, state.next)} | {*loops(graph)}
    spans: dict[str, list[tuple[float, float]]] = {state.tensor: [] for state in graph.states}
    fractions: set[str] = set()
    for i in range(len(floats.sequence)):
        with np.errstate(over="ignore", invalid="ignore"):  # reported by _extended, with names
            values = floats[i]
        for name, tensor in graph.tensors.items():
            if tensor.data is None:
                known = seen.get(name)
                seen[name] = _extended(known, values[name], f"{what}: sample {i}", name)
                low, high = extremes.get(name, (i, i))
                extremes[name] = (
                    i if known and seen[name].low < known.low else low,
                    i if known and seen[name].high > known.high else high,
                )
        for name, held in held_values(graph, values):
            seen[name] = _extended(seen[name], held, f"{what}: sample {i}", name)
        fractions |= {name for name in remembered if _is_no_number_of_16_bits(values[name])}
        for name, span in spans.items():
            span.append((float(values[name].min()), float(values[name].max())))
        if progress:
            progress(i + 1, len(floats.sequence))
    steps = dict.fromkeys(remembered - fractions, 1.0) | {
        port.tensor: step
        for port, array in zip(graph.inputs, per_input(checked, graph), strict=True)
        if (step := grid(array))
    }
    return Ranges(ranges, seen, extremes, steps, spans={name: np.array(span) for name, span in spans.items()})


def _is_no_number_of_16_bits(values: Array) -> bool:
    return bool((values != np.rint(values)).any() or np.abs(values).max() > INT16_MAX)


def _extended(known: Histogram | None, values: Array, sample: str, name: str) -> Histogram:
    if not np.isfinite(values).all():
        raise UserError(
            f"{sample} makes layer {name!r} infinite or NaN: check the sample and the model's weights; keep "
            "what a logarithm, a root or a quotient reads away from zero, as x.clamp(min=0.01) does"
        )
    new = histogram(values)
    return merge(known, new) if known else new
