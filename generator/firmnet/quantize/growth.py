"""What does a sequence do to a model that remembers? States that never stop growing, outputs at its end."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir import Graph
from .observe import Ranges
from .quality import MEASURED_STEPS, POOR_OUTPUT_DB, decibels, spread
from .runs import SampleRuns
from .signals import Reference

LEAST_STEPS = 16
"""Of fewer steps nothing is said."""
GROWN = 1.4
"""The span of a state over all steps, in that over the first half: what goes on growing has about 2."""
END_SHARE = 0.1
"""Its farthest value is in so much of the sequence, at its end."""
MOST_ENDS = 32
"""So many ends of sequences are looked at."""


@dataclass(frozen=True)
class AtEnd:
    """Signal-to-noise of the outputs in the last step of a sequence, of the worst output; inf: all is right.

    Of `sequences` that are so many steps long, or longer.
    """

    steps: int
    sequences: int
    snr_db: float

    def line(self) -> str:
        """For people."""
        what = "a sequence" if self.sequences == 1 else f"{self.sequences} sequences"
        steps = f"{self.steps:,} step{'s' * (self.steps != 1)}"
        return f"after {steps} of {what} the outputs have {self.snr_db:.1f} dB"

    def warning(self) -> str:
        """Where little is left; "" where enough is."""
        if not self.snr_db < POOR_OUTPUT_DB:
            return ""
        return (
            f"{self.line()}, so errors add up from step to step: give what the model remembers int16 "
            "(--precision NAME=int16), or let --precision auto find out what needs it"
        )


def at_end(floats: SampleRuns, integers: SampleRuns) -> AtEnd | None:
    """How good the outputs are at the end of sequences; None for a graph that remembers nothing."""
    if not floats.graph.states:
        return None
    ends = [end for end in floats.ends if end < MEASURED_STEPS] or [MEASURED_STEPS - 1]
    chosen = [ends[i] for i in spread(len(ends), MOST_ENDS)]
    reference = Reference(floats, chosen)
    powers = reference.powers_of(integers.graph, (integers[i] for i in chosen))
    begins = [max(start for start in floats.starts if start <= end) for end in chosen]
    steps = min(end - begin + 1 for begin, end in zip(begins, chosen, strict=True))
    return AtEnd(steps, len(chosen), min((decibels(*each) for each in powers), default=math.inf))


def growing(quantized: Graph, observed: Ranges, starts: tuple[int, ...]) -> Iterator[str]:
    """A sentence for each state that calibration saw no end of, and what it cannot go beyond."""
    for state in quantized.states:
        spans = observed.spans.get(state.tensor)
        if spans is None:
            continue
        parts = np.split(spans, [start for start in starts if start])
        longest = max(parts, key=len)
        if not goes_on(longest):
            continue
        low, high = quantized.tensors[state.tensor].q.range
        up = int(longest[:, 1].argmax()) >= int(longest[:, 0].argmin())
        seen = longest[:, 1].max() if up else longest[:, 0].min()
        yield (
            f"the state {state.name!r} still {'grows' if up else 'falls'} after {len(longest):,} steps of "
            f"calibration data, at {seen:,.6g}; it stops at {high if up else low:,.6g}: reset the model in "
            "time, keep it in bounds (a clamp or a remainder), or calibrate with longer sequences"
        )


def goes_on(spans: np.ndarray) -> bool:
    """Whether a state with these extremes (N, 2), step by step, is still growing or falling at the end."""
    if len(spans) < LEAST_STEPS:
        return False
    half, last = len(spans) // 2, int(len(spans) * (1 - END_SHARE))

    def extent(part: np.ndarray) -> float:
        return float(part[:, 1].max() - part[:, 0].min())

    at_the_end = int(spans[:, 1].argmax()) >= last or int(spans[:, 0].argmin()) >= last
    return at_the_end and extent(spans) > GROWN * extent(spans[:half])
