"""How does a float graph become an integer one, from samples on? Ranges, types, scales; and what was lost."""

from dataclasses import dataclass, replace
from typing import Any

from ..errors import UserError
from ..ir import Array, Graph
from .apply import apply, draft
from .lost import Lost, lost
from .observe import METHODS, Asking, Progress, Ranges, calibrate
from .precision import Asked, Precision, read_precision
from .quality import LayerQuality, measure
from .ranges import FoundRanges, best_ranges, covering
from .samples import check_samples
from .search import Found16, search
from .trial import Judge

BUDGET = 1_000_000_000
"""What comparing ranges may cost, in multiply-accumulates (about nanoseconds)."""


@dataclass(frozen=True)
class Quantized:
    """The integer graph, ready for the planner and the code generator, how well each layer of it does, and
    what of the calibration samples no longer comes out.

    Where ranges were found out: `found_ranges`. Where types were: `found`, and `narrow`, the same graph with
    int8 everywhere.
    """

    graph: Graph
    quality: tuple[LayerQuality, ...]
    lost: tuple[Lost, ...] = ()
    found_ranges: FoundRanges | None = None
    found: Found16 | None = None
    narrow: Graph | None = None


def quantize(
    graph: Graph,
    samples: Any,
    ranges: Asking = "auto",
    progress: Progress | None = None,
    what: str = "calibration data",
    precision: Asked = None,
    test: tuple[Any, Array] | None = None,
) -> Quantized:
    """Calibrate on `samples` (N, …; the model's own order), choose types and scales, and measure the cost.

    Of a graph with several inputs `samples` has an array for each; see check_samples. `precision` is read by
    read_precision; where it aims at an accuracy, `test` has passed check_test. Tensor and layer names stay.
    Raises UserError for unusable samples, and ValueError for a graph that still holds float-only ops (passes
    must run first).
    """
    check_ranges(ranges)
    asked = read_precision(precision)
    checked = check_samples(samples, graph, what)
    observed = calibrate(graph, checked, "minmax" if ranges == "auto" else ranges, progress, what)
    found_ranges: FoundRanges | None = None
    if ranges == "auto":
        observed, found_ranges = _best(graph, checked, observed, asked)
    named, found = asked.named, None
    if asked.auto:
        named, found = search(graph, checked, observed, asked, test, progress)
    integer = apply(graph, observed, named, asked.default)
    events = lost(graph, integer, checked, observed)
    if events:
        wide = apply(graph, replace(observed, method="minmax", own={}), named, asked.default)
        events = tuple(event.with_minmax(wide, checked) for event in events)
    narrow = apply(graph, observed, asked.named) if found else None
    quality = measure(graph, integer, checked, observed)
    return Quantized(integer, quality, events, found_ranges, found, narrow)


def check_ranges(asked: str) -> None:
    """UserError for a method that there is not."""
    if asked not in ("auto", *METHODS):
        raise UserError(f"there is no way {asked!r} to choose ranges: give auto, {', '.join(METHODS)}")


def _best(graph: Graph, samples: Any, observed: Ranges, asked: Precision) -> tuple[Ranges, FoundRanges]:
    """Ranges by their effect on the outputs, so that rare events come out where that costs little else."""
    plan, judge = draft(graph, asked.named, asked.default), Judge(graph, samples, BUDGET)

    def look(integer: Graph) -> tuple[Lost, ...]:
        return lost(graph, integer, samples, observed)

    found = covering(plan, best_ranges(plan, observed, judge), look, judge)
    return found.observed, found.summary(len(judge.samples))
