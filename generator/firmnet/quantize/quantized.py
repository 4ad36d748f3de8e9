"""How does a float graph become an integer one, from samples on? Ranges, types, scales; and what was lost."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import UserError
from ..ir import Array, Dtype, Graph
from ..ops import OPS
from .apply import Draft, apply, draft, finish, parameters
from .correct import corrected
from .equalize import equalized
from .feedback import Compensation, remembers
from .growth import AtEnd, at_end, growing
from .lost import Lost, lost
from .observe import METHODS, Asking, Method, Progress, Ranges, calibrate
from .precision import Asked, Precision, read_precision
from .quality import LayerQuality, measure
from .ranges import LEAST_GAIN_DB, FoundRanges, LoopSteps, best_ranges, covering
from .repeated import repeated
from .runs import SampleRuns, float_runs
from .samples import check_samples
from .search import Found16, search
from .trial import Judge, Trial
from .types import NamedTypes, by_tensor
from .widen import loop_types, step_types

BUDGET = 1_000_000_000
"""What comparing ranges may cost, in multiply-accumulates (about nanoseconds)."""
LEAST_IN_LOOP, MANY_IN_LOOP = 3, 8
"""Of a loop that is written out: for so many scales in common are tried; for many also with int16."""
GOOD_DB = 35.0
"""Outputs with so much are left alone: noise of less than 2 % of the signal."""


@dataclass(frozen=True)
class Quantized:
    """The integer graph, ready for the planner and the code generator, how well each layer of it does, and
    what of the calibration samples no longer comes out.

    Of a model that remembers: what is left `at_end` of sequences, and which states go on `growing`, a
    sentence each. Where ranges were found out: `found_ranges`. Where types were: `found`, and `narrow`, the
    same graph with int8 everywhere.
    """

    graph: Graph
    quality: tuple[LayerQuality, ...]
    lost: tuple[Lost, ...] = ()
    found_ranges: FoundRanges | None = None
    at_end: AtEnd | None = None
    growing: tuple[str, ...] = ()
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
    compensate: bool = True,
) -> Quantized:
    """Calibrate on `samples` (N, …; the model's own order), choose types and scales, and measure the cost.

    Of a graph with several inputs `samples` has an array for each; see check_samples. `precision` is read by
    read_precision; where it aims at an accuracy, `test` has passed check_test. With ranges "auto", where the
    outputs have less than GOOD_DB, channels are equalized, weights rounded so that they make up for each
    other, and biases corrected, each if that helps, unless `equalize`, `compensate` or `correct` says not to;
    so are weights where types are found out, and always in a model that remembers. Names stay.
    Raises UserError for unusable samples, and ValueError for a graph that still holds float-only ops (passes
    must run first).
    """
    check_ranges(ranges)
    asked = read_precision(precision)
    checked = check_samples(samples, graph, what)
    floats = float_runs(graph, checked)
    method: Method = "minmax" if ranges == "auto" else ranges
    observed = calibrate(graph, checked, method, progress, what, floats)
    asked = _widened(graph, observed, asked)
    how = _How(ranges == "auto", equalize, correct, compensate, test, progress)
    made = _made(floats, observed, checked, asked, how)
    if how.find_ranges and (count := _steps(graph, asked)):
        made = _in_step(made, floats, replace(observed, in_step=True), checked, asked, how, count)
    floats, observed, integer = made.floats, made.observed, made.integer
    events = lost(floats, floats.integers(integer), observed)
    quality = measure(floats, floats.integers(integer), observed)
    if events:
        wide = apply(floats.graph, replace(observed, method="minmax", own={}), made.named, asked.default)
        events = tuple(event.with_minmax(floats.integers(wide)) for event in events)
    return Quantized(
        graph=integer,
        quality=quality,
        lost=events,
        found_ranges=made.found_ranges,
        at_end=at_end(floats, floats.integers(integer)),
        growing=tuple(growing(integer, observed, floats.starts)),
        found=made.found,
        narrow=apply(floats.graph, observed, asked.named) if made.found else None,
    )


@dataclass(frozen=True)
class _How:
    """What may be done for the outputs, and what with."""

    find_ranges: bool
    equalize: bool
    correct: bool
    compensate: bool
    test: tuple[Any, Array] | None
    progress: Progress | None


@dataclass(frozen=True)
class _Made:
    """An integer graph, and what it was made of."""

    floats: SampleRuns
    observed: Ranges
    integer: Graph
    named: NamedTypes
    found: Found16 | None
    found_ranges: FoundRanges | None


def _made(floats: SampleRuns, observed: Ranges, samples: Any, asked: Precision, how: _How) -> _Made:
    """Ranges, then types, then weights and biases: each as it is best for the outputs."""
    chosen: _Chosen | None = None
    if how.find_ranges:
        judge = Judge(floats, BUDGET)
        chosen = _best(floats, observed, asked, judge)
        if how.equalize and chosen.found.final_db < GOOD_DB:
            chosen = _equal(chosen, samples, asked, judge)
        floats, observed = chosen.floats, chosen.observed
    graph = floats.graph
    named, found = asked.named, None
    compensation = Compensation(floats)

    def improved(integer: Graph) -> Graph:
        better = compensation.of(integer, LEAST_GAIN_DB) if how.compensate else None
        return better.graph if better else integer

    if asked.auto:
        named, found = search(floats, observed, asked, how.test, how.progress, improved)
    integer = apply(graph, observed, named, asked.default) if found or not chosen else chosen.trial.graph
    found_ranges = chosen.found if chosen else None
    poor = chosen is not None and chosen.found.final_db < GOOD_DB
    if how.compensate and (poor or found or observed.in_step or remembers(graph)):
        better = compensation.of(integer, LEAST_GAIN_DB)
        if better:
            integer = better.graph
        if better and found_ranges:
            found_ranges = replace(found_ranges, compensated=better.layers, compensation_db=better.gain_db)
    if chosen and found_ranges and how.correct and poor:
        trial = chosen.trial if integer is chosen.trial.graph else judge.run(integer)
        plan = draft(graph, named, asked.default, observed.in_step)
        integer, found_ranges = _unbiased(plan, trial, judge, found_ranges)
    return _Made(floats, observed, integer, named, found, found_ranges)


def _steps(graph: Graph, asked: Precision) -> int:
    """How many steps of a loop could share scales: so many groups of activations become one, at most."""
    if not repeated(graph):
        return 0
    own, shared = (draft(graph, asked.named, asked.default, in_step).types.tied for in_step in (False, True))
    pairs = {(shared.of[name], own.of[name]) for name in own.of if name in shared.of}
    most = max(Counter(group for group, _ in pairs).values())
    return most if most >= LEAST_IN_LOOP else 0


def _in_step(
    own: _Made,
    floats: SampleRuns,
    observed: Ranges,
    samples: Any,
    asked: Precision,
    how: _How,
    count: int,
) -> _Made:
    """With scales in common for the steps of a loop where the outputs lose nothing by it, else as it was.

    Where they would lose, what adds up over the steps is int16, as in a model that remembers.
    """
    judge = Judge(floats, BUDGET)
    steps = LoopSteps(count, judge.run(own.integer).snr_db)
    chosen = own
    for types in _types_in_step(floats.graph, asked, count):
        tried = replace(asked, named={**asked.named, **types})
        try:
            shared = _made(floats, observed, samples, tried, how)
        except UserError:  # which cannot be expressed with scales in common
            break
        steps = replace(steps, shared_db=(*steps.shared_db, judge.run(shared.integer).snr_db))
        met = shared.found is not None and shared.found.met
        if met or steps.shared_db[-1] >= steps.own_db - LEAST_GAIN_DB:
            chosen = shared
            steps = replace(steps, shared=True, wide=tuple(types))
            break
    return replace(chosen, found_ranges=chosen.found_ranges and replace(chosen.found_ranges, steps=steps))


def _types_in_step(graph: Graph, asked: Precision, count: int) -> list[NamedTypes]:
    """What is int16 for the steps' sake: nothing, then ever more, unless users said what is to be."""
    free = count >= MANY_IN_LOOP and asked.widens_loops and asked.default is Dtype.INT8 and not asked.auto
    return [{}, *(step_types(graph, asked.named) if free else [])]


def _widened(graph: Graph, observed: Ranges, asked: Precision) -> Precision:
    """With int16 where rounding would add up from run to run."""
    loops = (
        loop_types(graph, observed, asked.named) if asked.widens_loops and asked.default is Dtype.INT8 else {}
    )
    return replace(asked, named={**loops, **dict(by_tensor(graph, asked.named))}) if loops else asked


def check_ranges(asked: str) -> None:
    """UserError for a method that there is not."""
    if asked not in ("auto", *METHODS):
        raise UserError(f"there is no way {asked!r} to choose ranges: give auto, {', '.join(METHODS)}")


@dataclass(frozen=True)
class _Chosen:
    """Ranges that were found for a float graph, and the integer graph that they give."""

    floats: SampleRuns
    observed: Ranges
    found: FoundRanges
    trial: Trial


def _best(floats: SampleRuns, observed: Ranges, asked: Precision, judge: Judge) -> _Chosen:
    """Ranges by their effect on the outputs, so that rare events come out where that costs little else."""
    plan = draft(floats.graph, asked.named, asked.default, observed.in_step)

    def look(integer: Graph) -> tuple[Lost, ...]:
        return lost(floats, floats.integers(integer), observed)

    found = covering(plan, best_ranges(plan, observed, judge), look, judge)
    return _Chosen(floats, found.observed, found.summary(len(judge.samples)), found.trial)


def _equal(known: _Chosen, samples: Any, asked: Precision, judge: Judge) -> _Chosen:
    """The graph with equalized channels, where its outputs are better with that."""
    method, before = known.found.method, known.found
    changed, layers = equalized(known.floats.graph, judge.samples)
    if not layers:
        return known
    floats = float_runs(changed, samples)
    in_step = known.observed.in_step
    seen = replace(calibrate(changed, samples, method, floats=floats), in_step=in_step)
    plan = draft(changed, asked.named, asked.default, in_step)
    if judge.run(finish(plan, parameters(plan, seen))).snr_db < before.snr_db[method] + LEAST_GAIN_DB:
        return known
    best = _best(floats, seen, asked, judge)
    if best.found.final_db < before.final_db + LEAST_GAIN_DB:
        return known
    return replace(best, found=replace(best.found, equalized=layers, unequal_db=before.final_db))


def _unbiased(plan: Draft, trial: Trial, judge: Judge, known: FoundRanges) -> tuple[Graph, FoundRanges]:
    """The integer graph with corrected biases, where its outputs are better with them."""
    integer = trial.graph
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
