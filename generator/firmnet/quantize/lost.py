"""Which events in the calibration samples are lost? Where a range is cut, the output is looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from ..ir import Array, Graph
from ..ops import OPS
from .groups import only_passed_on
from .observe import Ranges
from .quality import tried
from .runs import SampleRuns
from .signals import places

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

    `element` counts in the stored `output`. `minmax`: what comes out with ranges that cover all (None: not
    tried).
    """

    cut: CutSample
    element: int
    expected: float
    got: float
    minmax: float | None = None
    output: int = 0

    def with_minmax(self, covering: SampleRuns) -> "Lost":
        """Knowing what comes out of the graph whose ranges cover all."""
        value = _outputs(covering, self.cut.sample)[self.output][self.element]
        return replace(self, minmax=float(value))

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


@dataclass(frozen=True)
class _Error:
    """The largest error of an output value, in parts of the range of its output, where it is, and of what; of
    places the part that differs, and the first.
    """

    part: float
    output: int
    element: int
    expected: float
    got: float


def lost(floats: SampleRuns, integers: SampleRuns, observed: Ranges) -> tuple[Lost, ...]:
    """Events lost in the integer graph, at most one per sample and range.

    Where a range is cut, the sample that reached furthest is run in integers: an output that is off by much
    more than those of typical samples, and by a part of the output's range that is seen, is lost.
    """
    cuts = _cuts(integers.graph, observed)
    if not cuts:
        return ()
    others = sorted({*range(len(floats.sequence))} - {cut.sample for cut in cuts})
    typical = [others[i] for i in tried(floats.graph, len(others), TYPICAL)]
    errors = _errors(floats, integers, [*typical, *(cut.sample for cut in cuts)], observed)
    part = NOTICED if typical else NOTICED_AT_ONCE
    least = max(UNUSUAL * max((errors[i].part for i in typical), default=0.0), part)
    found = [(cut, errors[cut.sample]) for cut in cuts]
    return tuple(
        Lost(cut, error.element, error.expected, error.got, output=error.output)
        for cut, error in found
        if error.part > least
    )


def lost_events(events: Sequence[Lost]) -> Iterator[str]:
    """For people; the first few, and how many more there are."""
    for event in events[:MOST_EVENTS]:
        yield event.sentence()
    if len(events) > MOST_EVENTS:
        yield f"{len(events) - MOST_EVENTS} more calibration samples lose an output like that"


def _cuts(graph: Graph, observed: Ranges) -> list[CutSample]:
    """Per sample its largest cut, beyond a step, in parts of the range that stays; the largest first."""
    worst: dict[int, tuple[float, CutSample]] = {}
    made = chain.from_iterable(node.outputs for node in graph.nodes if not OPS[node.op].view)
    for name in (*graph.given, *made):
        seen = observed.histograms.get(name)
        if seen is None or only_passed_on(graph, name):
            continue
        q = graph.tensors[name].q
        low, high = q.range
        at_low, at_high = observed.extremes[name]
        for sample, value, kept in ((at_low, seen.low, low), (at_high, seen.high, high)):
            beyond = (low - value if kept == low else value - high) / q.scale[0]
            if beyond > 1 and beyond > worst.get(sample, (0.0,))[0]:
                worst[sample] = beyond, CutSample(name, sample, value, kept)
    ranked = sorted(worst.values(), key=lambda found: -found[0])
    return [cut for _, cut in ranked[:MOST_LOOKED_AT]]


def _errors(
    floats: SampleRuns, integers: SampleRuns, chosen: Sequence[int], observed: Ranges
) -> dict[int, _Error]:
    """By sample."""
    graph = floats.graph
    held_places = places(graph)
    seen = [(port.tensor, observed.histograms[port.tensor]) for port in graph.outputs]
    spans = [
        None if name in held_places else max(each.high, 0.0) - min(each.low, 0.0) or 1.0
        for name, each in seen
    ]
    errors = {}
    for i in sorted({*chosen}):
        real = [floats[i][port.tensor].ravel() for port in graph.outputs]
        errors[i] = _largest(real, _outputs(integers, i), spans)
    return errors


def _largest(real: Sequence[Array], got: Sequence[Array], spans: Sequence[float | None]) -> _Error:
    """Of outputs, with the span of what each held in calibration (None: it holds places)."""
    errors = []
    for output, (right, said, span) in enumerate(zip(real, got, spans, strict=True)):
        off = np.abs(said - right) if span else said != right
        element = int(np.argmax(off))
        part = float(off[element]) / span if span else float(np.mean(off))
        errors.append(_Error(part, output, element, float(right[element]), float(said[element])))
    return max(errors, key=lambda error: error.part)


def _outputs(integers: SampleRuns, sample: int) -> list[Array]:
    """The integer graph's outputs for a sample as real numbers, flat."""
    tensors = [integers.graph.tensors[port.tensor] for port in integers.graph.outputs]
    return [tensor.q.to_real(integers[sample][tensor.name]).ravel() for tensor in tensors]
