"""Which ranges give the best outputs? Every method for all tensors, then others for single groups of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir import Graph, QParams
from .apply import Draft, exchanged, finish, parameters
from .lost import Lost
from .observe import METHODS, Method, Ranges
from .trial import Judge, Trial

Look = Callable[[Graph], tuple[Lost, ...]]
"""Tells which events an integer graph loses."""

LEAST_GAIN_DB = 0.2
"""What a change must gain at the outputs to be made: less may be chance of the samples."""
COVERING_DB = 3.0
"""What events may cost the other outputs that they come out."""
MOST_COVERED = 4
"""So many times ranges are widened for events; others may hide behind the largest cuts."""
NAMED = 3


@dataclass(frozen=True)
class LoopSteps:
    """Of a loop that is written out: the most `count` of steps, and the signal-to-noise of the outputs where
    each has its own scales, and where they have them in common: as all else is, then with int16 for what adds
    up, then for all that is computed from itself, as far as it was tried. `wide`: what is int16, where that
    was chosen.
    """

    count: int
    own_db: float
    shared_db: tuple[float, ...] = ()
    shared: bool = False
    wide: tuple[str, ...] = ()

    def line(self) -> str:
        """For people."""
        chosen = "share scales" if self.shared else "keep scales of their own"
        wide = f" and int16 for {_listed(self.wide)}" if self.wide else ""
        tried = [f"own ones {self.own_db:.1f} dB"]
        for i, db in enumerate(self.shared_db):
            tried.append(f"{'these and more int16' if i else 'shared ones'} {db:.1f} dB")
        return f"; the {self.count} steps of a loop {chosen}{wide} (outputs with {', '.join(tried)})"


@dataclass(frozen=True)
class FoundRanges:
    """The method that was found best, with another one of its own for some activations.

    `snr_db` is that of the outputs with every method by itself, `final_db` with what was chosen, on so
    many calibration samples. `equalized` are layers whose channels have other factors now, which brought the
    outputs from `unequal_db` to where these methods begin; `compensated` ones whose weights make up for each
    other, by which a sample gains `compensation_db` on average; `corrected` ones with other biases, to
    `corrected_db`. `steps`: where forward has a loop.
    """

    method: Method
    own: Mapping[str, Method]
    snr_db: Mapping[Method, float]
    final_db: float
    samples: int
    equalized: tuple[str, ...] = ()
    unequal_db: float = -math.inf
    corrected: tuple[str, ...] = ()
    corrected_db: float = -math.inf
    compensated: tuple[str, ...] = ()
    compensation_db: float = 0.0
    steps: LoopSteps | None = None

    def line(self) -> str:
        """For people."""
        given = ", ".join(f"{method} {snr:.1f} dB" for method, snr in self.snr_db.items())
        other = sorted(set(self.own.values()))
        apart = [
            f"{method} for {_listed([n for n in self.own if self.own[n] == method])}" for method in other
        ]
        chosen = ", ".join([self.method, *apart])
        final = f": {self.final_db:.1f} dB" if apart else ""
        more = [f"; channels of {_listed(self.equalized)} equalized (before: {self.unequal_db:.1f} dB)"]
        more = more if self.equalized else []
        if self.compensated:
            gain = f"a sample gains {self.compensation_db:.1f} dB"
            more += [f"; weights of {_listed(self.compensated)} rounded to make up for each other: {gain}"]
        if self.corrected:
            more += [f"; biases of {_listed(self.corrected)} corrected: {self.corrected_db:.1f} dB"]
        if self.steps:
            more += [self.steps.line()]
        return f"ranges    {chosen}{final} (outputs with {given}){''.join(more)}"


@dataclass(frozen=True)
class Compared:
    """Ranges with the methods that were found, the integer graph that these give, and how they compare."""

    observed: Ranges
    trial: Trial
    snr_db: Mapping[Method, float]

    def summary(self, samples: int) -> FoundRanges:
        observed = self.observed
        return FoundRanges(observed.method, observed.own, self.snr_db, self.trial.snr_db, samples)


def best_ranges(plan: Draft, observed: Ranges, judge: Judge) -> Compared:
    """The same observations with methods that give the outputs their best signal-to-noise.

    First one for all, of equals the one that covers most; then, from the input on, and as far as the judge's
    budget goes, another one for each group that is better off with it.
    """
    options = {method: parameters(plan, replace(observed, method=method, own={})) for method in METHODS}
    trials: dict[Method, Trial] = {}
    for method, chosen in options.items():
        same = next((m for m in trials if options[m] == chosen), None)
        trials[method] = trials[same] if same else judge.run(finish(plan, chosen))
    method = max(trials, key=lambda m: trials[m].snr_db)
    best, own = _apart(plan, options, method, trials[method], judge)
    return Compared(
        replace(observed, method=method, own=own), best, {m: trial.snr_db for m, trial in trials.items()}
    )


def _apart(
    plan: Draft, options: Mapping[Method, Mapping[str, QParams]], method: Method, best: Trial, judge: Judge
) -> tuple[Trial, dict[str, Method]]:
    """Other methods for single groups."""
    own: dict[str, Method] = {}
    for group in (g for g in options[method] if g not in plan.edges and g not in plan.fixed):
        tried = {options[method][group]}
        for other in METHODS:
            q = options[other][group]
            if q in tried:
                continue
            tried.add(q)
            trial = with_group(plan, best, group, q, judge)
            if trial and trial.snr_db > best.snr_db + LEAST_GAIN_DB:
                best, own[group] = trial, other
    return best, own


def covering(plan: Draft, found: Compared, look: Look, judge: Judge) -> Compared:
    """Ranges that cut fewer of the events that are lost; as it was where that costs too much."""
    best, observed = found, found.observed
    pending = left = look(found.trial.graph)
    for _ in range(MOST_COVERED):
        if not pending:
            break
        cut: dict[str, Method] = {plan.types.tied.of[event.cut.tensor]: "minmax" for event in pending}
        observed = replace(observed, own={**observed.own, **cut})
        trial = judge.run(finish(plan, parameters(plan, observed)))
        if trial.snr_db < found.trial.snr_db - COVERING_DB:
            break
        pending = look(trial.graph)
        if len(pending) < len(left):
            best, left = replace(found, observed=observed, trial=trial), pending
    return best


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])


def with_group(plan: Draft, base: Trial, group: str, q: QParams, judge: Judge) -> Trial | None:
    """A trial with other parameters for a group; None where a layer refuses them, or the budget ends."""
    graph: Graph = base.graph
    members = {*plan.types.tied.members(group)}
    touched = [node.name for node in graph.nodes if not members.isdisjoint((*node.inputs, *node.outputs))]
    if judge.costs(graph, touched[0]) > judge.left:
        return None
    try:
        return judge.changed(base, exchanged(plan, graph, group, q), touched)
    except (ValueError, OverflowError):
        return None
