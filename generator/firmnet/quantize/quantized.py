"""How does a float graph become an integer one, from samples on? Ranges, types, scales; and what was lost."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import UserError
from ..ir import Array, Graph
from ..ops import OPS
from .apply import Draft, apply, draft, finish, parameters
from .correct import corrected
from .equalize import equalized
from .lost import Lost, lost
from .observe import METHODS, Asking, Progress, Ranges, calibrate
from .precision import Asked, Precision, read_precision
from .quality import LayerQuality, measure
from .ranges import LEAST_GAIN_DB, FoundRanges, best_ranges, covering
from .samples import check_samples
from .search import Found16, search
from .trial import Judge

BUDGET = 1_000_000_000
"""What comparing ranges may cost, in multiply-accumulates (about nanoseconds)."""
GOOD_DB = 35.0
"""Outputs with so much are left alone: noise of less than 2 % of the signal."""


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
    equalize: bool = True,
    correct: bool = True,
) -> Quantized:
    """Calibrate on `samples` (N, …; the model's own order), choose types and scales, and measure the cost.

    Of a graph with several inputs `samples` has an array for each; see check_samples. `precision` is read by
    read_precision; where it aims at an accuracy, `test` has passed check_test. With ranges "auto", where the
    outputs have less than GOOD_DB, channels are equalized and biases corrected, each if that helps, unless
    `equalize` or `correct` says not to. Tensor and layer names stay.
    Raises UserError for unusable samples, and ValueError for a graph that still holds float-only ops (passes
    must run first).
    """
    check_ranges(ranges)
    asked = read_precision(precision)
    checked = check_samples(samples, graph, what)
    observed = calibrate(graph, checked, "minmax" if ranges == "auto" else ranges, progress, what)
    found_ranges: FoundRanges | None = None
    if ranges == "auto":
        judge = Judge(graph, checked, BUDGET)
        observed, found_ranges = _best(graph, checked, observed, asked, judge)
        if equalize and found_ranges.final_db < GOOD_DB:
            graph, observed, found_ranges = _equal(graph, checked, observed, asked, judge, found_ranges)
    named, found = asked.named, None
    if asked.auto:
        named, found = search(graph, checked, observed, asked, test, progress)
    integer = apply(graph, observed, named, asked.default)
    if found_ranges and correct and found_ranges.final_db < GOOD_DB:
        plan = draft(graph, named, asked.default)
        integer, found_ranges = _unbiased(plan, integer, judge, found_ranges)
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


def _best(
    graph: Graph, samples: Any, observed: Ranges, asked: Precision, judge: Judge
) -> tuple[Ranges, FoundRanges]:
    """Ranges by their effect on the outputs, so that rare events come out where that costs little else."""
    plan = draft(graph, asked.named, asked.default)

    def look(integer: Graph) -> tuple[Lost, ...]:
        return lost(graph, integer, samples, observed)

    found = covering(plan, best_ranges(plan, observed, judge), look, judge)
    return found.observed, found.summary(len(judge.samples))


def _equal(
    graph: Graph, samples: Any, observed: Ranges, asked: Precision, judge: Judge, known: FoundRanges
) -> tuple[Graph, Ranges, FoundRanges]:
    """The graph with equalized channels, where its outputs are better with that."""
    changed, layers = equalized(graph, judge.samples)
    if not layers:
        return graph, observed, known
    seen = calibrate(changed, samples, known.method)
    plan = draft(changed, asked.named, asked.default)
    if judge.run(finish(plan, parameters(plan, seen))).snr_db < known.snr_db[known.method] + LEAST_GAIN_DB:
        return graph, observed, known
    best, found = _best(changed, samples, seen, asked, judge)
    if found.final_db < known.final_db + LEAST_GAIN_DB:
        return graph, observed, known
    return changed, best, replace(found, equalized=layers, unequal_db=known.final_db)


def _unbiased(plan: Draft, integer: Graph, judge: Judge, known: FoundRanges) -> tuple[Graph, FoundRanges]:
    """The integer graph with corrected biases, where its outputs are better with them."""
    trial = judge.run(integer)
    better = corrected(plan, trial, judge)
    if better is None or better.snr_db < trial.snr_db + LEAST_GAIN_DB:
        return integer, known
    layers = [node for node in integer.nodes if OPS[node.op].weighted]
    moved = [
        node.name
        for node in layers
        if not np.array_equal(
            better.graph.tensors[node.inputs[2]].values, integer.tensors[node.inputs[2]].values
        )
    ]
    return better.graph, replace(known, corrected=tuple(moved), corrected_db=better.snr_db)
