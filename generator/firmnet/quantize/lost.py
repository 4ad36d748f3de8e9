"""Which events in the calibration samples are lost? Where a range is cut, the output is looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import interpret
from ..ir import Array, Graph
from ..ops import OPS
from .groups import only_passed_on
from .observe import Ranges
from .quality import held, spread

TYPICAL = 16
"""Samples that show what error is usual."""
MOST_LOOKED_AT = 16
"""Samples looked at, those first of which the most is cut."""
UNUSUAL = 3.0
"""An error so many times the largest usual one is no rounding."""
NOTICED = 0.05
"""Nor is it one of less than this part of the output's range that anyone would notice."""
NOTICED_AT_ONCE = 0.1
"""The same where every sample is cut somewhere, and none shows what is usual."""
MOST_EVENTS = 3


@dataclass(frozen=True)
class CutSample:
    """At `tensor`, calibration sample `sample` reached `seen`; int8 ends at `kept`."""

    tensor: str
    sample: int
    seen: float
    kept: float


@dataclass(frozen=True)
class Lost:
    """An output value of a calibration sample that comes out wrong, and the range whose cut explains it.

    `element` counts in the stored output. `minmax`: what comes out with ranges that cover all (None: not
    tried).
    """

    cut: CutSample
    element: int
    expected: float
    got: float
    minmax: float | None = None

    def with_minmax(self, covering: Graph, samples: Array) -> "Lost":
        """Knowing what comes out of the graph whose ranges cover all."""
        return replace(self, minmax=float(_integer(covering, samples[self.cut.sample])[self.element]))

    def sentence(self) -> str:
        """What is lost, why, and what helps if anything does."""
        cut = self.cut
        if self.minmax is not None and abs(self.minmax - self.expected) < abs(self.got - self.expected) / 2:
            fix = f"with --ranges minmax it comes out as {self.minmax:.3g}"
        else:
            fix = f"if values like that matter, bound {cut.tensor!r} with a hardtanh and train again"
        return (
            f"calibration sample {cut.sample} has an output of {self.expected:.3g} that comes out as "
            f"{self.got:.3g}: there {cut.tensor!r} reaches {cut.seen:.3g} and is cut to {cut.kept:.3g}; {fix}"
        )


def lost(graph: Graph, quantized: Graph, samples: Array, observed: Ranges) -> tuple[Lost, ...]:
    """Events lost in `quantized`, at most one per sample and range.

    Where a range is cut, the sample that reached furthest is run in integers: an output that is off by much
    more than those of typical samples, and by a part of the output's range that is seen, is lost.
    """
    found = []
    cuts = _cuts(quantized, observed)
    if not cuts:
        return ()
    typical = sorted({*range(len(samples))} - {cut.sample for cut in cuts})
    errors = [_error(graph, quantized, samples[typical[i]])[0] for i in spread(len(typical), TYPICAL)]
    seen = observed.histograms[graph.output]
    part = NOTICED if errors else NOTICED_AT_ONCE
    least = max(UNUSUAL * max(errors, default=0.0), part * (max(seen.high, 0.0) - min(seen.low, 0.0)))
    for cut in cuts:
        error, element, expected, got = _error(graph, quantized, samples[cut.sample])
        if error > least:
            found.append(Lost(cut, element, expected, got))
    return tuple(found)


def lost_events(events: Sequence[Lost]) -> Iterator[str]:
    """For people; the first few, and how many more there are."""
    for event in events[:MOST_EVENTS]:
        yield event.sentence()
    if len(events) > MOST_EVENTS:
        yield f"{len(events) - MOST_EVENTS} more calibration samples lose an output like that"


def _cuts(graph: Graph, observed: Ranges) -> list[CutSample]:
    """Per sample its largest cut, beyond a step, in parts of the range that stays; the largest first."""
    worst: dict[int, tuple[float, CutSample]] = {}
    for name in (*graph.inputs, *(node.output for node in graph.nodes if not OPS[node.op].view)):
        seen = observed.histograms.get(name)
        if seen is None or only_passed_on(graph, name):
            continue
        q = graph.tensors[name].q
        low, high = held(q)
        at_low, at_high = observed.extremes[name]
        for sample, value, kept in ((at_low, seen.low, low), (at_high, seen.high, high)):
            beyond = (low - value if kept == low else value - high) / q.scale[0]
            if beyond > 1 and beyond > worst.get(sample, (0.0,))[0]:
                worst[sample] = beyond, CutSample(name, sample, value, kept)
    ranked = sorted(worst.values(), key=lambda found: -found[0])
    return [cut for _, cut in ranked[:MOST_LOOKED_AT]]


def _error(graph: Graph, quantized: Graph, sample: Array) -> tuple[float, int, float, float]:
    """The largest error of an output value, where it is, what it should be and what it is."""
    real = interpret.float_values(graph, sample)[graph.output].ravel()
    got = _integer(quantized, sample)
    element = int(np.argmax(np.abs(got - real)))
    return float(abs(got[element] - real[element])), element, float(real[element]), float(got[element])


def _integer(quantized: Graph, sample: Array) -> Array:
    """The integer graph's output as real numbers, flat."""
    y = interpret.run_int(quantized, interpret.quantize_sample(quantized, sample))
    return quantized.tensors[quantized.output].q.to_real(y).ravel()
