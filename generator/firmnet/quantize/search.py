"""Which activations need int16, so that the outputs are good enough? The damage of each is measured first."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import interpret
from ..ir import Array, Dtype, Graph, Node, QParams
from ..ops import OPS
from .accuracy import integer_accuracy
from .apply import apply, own_constants
from .groups import rescaled
from .observe import Progress, Ranges
from .precision import Precision
from .quality import decibels, tried
from .runs import SampleRuns, float_runs
from .signals import Reference
from .types import NamedTypes, Typed, by_tensor, typed

MOST_SAMPLES, LEAST_SAMPLES = 16, 4
WORK_MACS = 4_000_000_000
"""What the damage of all activations may take to measure: large networks are shown fewer samples."""
MOST_TOLD = 8
NEAR_DB = 1.0
"""A target that cannot be reached is given up this close to what int16 everywhere reaches."""


@dataclass(frozen=True)
class Damage:
    """What the outputs have when only these tensors, which share their values, are int8: `names` are those of
    layers, inputs and states. `-inf`: they are no numbers then (a divisor is rounded to zero).
    """

    names: tuple[str, ...]
    snr_db: float

    def line(self) -> str:
        """For people."""
        left = "makes outputs infinite or NaN" if self.snr_db == -math.inf else f"leaves {self.snr_db:.1f} dB"
        more = [f"and {len(self.names) - MOST_TOLD} more"] if len(self.names) > MOST_TOLD else []
        return f"{' '.join([*self.names[:MOST_TOLD], *more])}: as int8 it alone {left}"


@dataclass(frozen=True)
class Found16:
    """What is int16 now, the worst first, and what that comes to: signal-to-noise in dB, or accuracy.

    `narrow`: of int8 everywhere; `wide`: of int16 everywhere; `reached`: of what was chosen. `only_int8`: the
    layers and inputs that are int8 even so, for their op or because the user said so; `weights`: whether
    there are any.
    """

    widened: tuple[Damage, ...]
    candidates: int
    by_accuracy: bool
    target: float
    narrow: float
    reached: float
    wide: float
    only_int8: tuple[str, ...] = ()
    weights: bool = True

    @property
    def met(self) -> bool:
        return self.reached >= self.target

    def lines(self) -> list[str]:
        """For people: what was chosen and why."""
        some = f"{len(self.widened)} of {self.candidates}"
        told = [f"precision auto: int16 for {some} activations; {self._sum()}"]
        told += [f"  {damage.line()}" for damage in self.widened]
        if not self.met:
            told.append(
                f"{self._value(self.target)} cannot be reached: int16 everywhere has "
                f"{self._value(self.wide)}, the rest is lost to {self._causes()}"
            )
        return told

    def _causes(self) -> str:
        """Of what is lost with int16 everywhere."""
        stays = [f"what stays int8 ({', '.join(self.only_int8)})"] if self.only_int8 else []
        weights = ["int8 weights"] if self.weights else []
        return " and to ".join([*weights, *stays]) or "the rounding of int16"

    def _sum(self) -> str:
        what = "accuracy" if self.by_accuracy else "the outputs have"
        return (
            f"{what} {self._value(self.narrow)} with int8, {self._value(self.reached)} now "
            f"(target {self._value(self.target)}; int16 everywhere {self._value(self.wide)})"
        )

    def _value(self, value: float) -> str:
        return f"{value:.2%}" if self.by_accuracy else f"{value:.1f} dB"


Test = tuple[Any, Array]


def search(
    floats: SampleRuns,
    observed: Ranges,
    precision: Precision,
    test: Test | None = None,
    progress: Progress | None = None,
    improved: Callable[[Graph], Graph] = lambda integer: integer,
) -> tuple[NamedTypes, Found16]:
    """Types of activations with which the outputs on checked samples reach the target, as few int16 as the
    damage of each allows; and what was found. The same input gives the same choice. `improved`: what becomes
    of an integer graph whatever its types are.

    The worst become int16 one after the other: how many, is found by halving. What the user named stays.
    """
    graph = floats.graph
    full = typed(rescaled(own_constants(graph)), precision.named, Dtype.INT16, observed.in_step)
    ranked = _ranked(floats, observed, full, precision.named, progress)
    measured, reference = dict[int, float](), _reference(floats, MOST_SAMPLES)

    def value(count: int) -> float:
        """Of the worst so many of int16."""
        if count not in measured:
            integer = improved(apply(graph, observed, _types(precision.named, ranked[:count])))
            if precision.target_accuracy is not None and test is not None:
                measured[count] = integer_accuracy(integer, test)
            else:
                measured[count] = _integer_snr(reference, integer)
        return measured[count]

    by_accuracy = precision.target_accuracy is not None
    target = precision.target_snr_db if precision.target_accuracy is None else precision.target_accuracy
    wide = value(len(ranked))
    near = wide - (0.0 if by_accuracy else NEAR_DB)
    count = _least(len(ranked), lambda count: value(count) >= min(target, near if wide < target else target))
    found = Found16(
        widened=tuple(damage for damage, _ in ranked[:count]),
        candidates=len(ranked),
        by_accuracy=by_accuracy,
        target=target,
        narrow=value(0),
        reached=value(count),
        wide=wide,
        only_int8=_only_int8(full),
        weights=any(OPS[node.op].weighted or OPS[node.op].learned for node in graph.nodes),
    )
    return _types(precision.named, ranked[:count]), found


def _only_int8(full: Typed) -> tuple[str, ...]:
    """Inputs, states and layers that hold or read int8 where all that can be int16 is."""
    given = [port.name for port in full.graph.inputs if full.of(port.tensor) is Dtype.INT8]
    given += [state.name for state in full.graph.states if full.of(state.tensor) is Dtype.INT8]
    layers = [node for node in full.graph.nodes if node.op != "rescale" and not OPS[node.op].view]
    return (*given, *(node.name for node in layers if _stays_int8(full, node)))


def _stays_int8(full: Typed, node: Node) -> bool:
    narrow = Dtype.INT16 not in OPS[node.op].dtypes
    names = (*node.outputs, *(full.graph.activations(node) if narrow else ()))
    return any(full.of(name) is Dtype.INT8 for name in names)


Ranked = Sequence[tuple[Damage, Sequence[str]]]
"""The worst first, with a tensor that stands for its group; of steps that share types, one of each."""


def _types(named: NamedTypes, chosen: Ranked) -> dict[str, Dtype]:
    return {**{tensor: Dtype.INT16 for _, tensors in chosen for tensor in tensors}, **named}


def _least(most: int, enough: Callable[[int], bool]) -> int:
    """The least count that is enough, where more are never less; `most` is taken to be."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


def _ranked(
    floats: SampleRuns,
    observed: Ranges,
    full: Typed,
    named: NamedTypes,
    progress: Progress | None,
) -> list[tuple[Damage, Sequence[str]]]:
    """Every group that can be int16 and that the user did not name, by its damage."""
    graph = floats.graph
    narrow = apply(graph, observed, named).tensors
    activations = [name for name, tensor in graph.tensors.items() if tensor.data is None]
    members: dict[str, list[str]] = {}
    for name in activations:
        if full.of(name) is Dtype.INT16:
            members.setdefault(full.tied.of[name], []).append(name)
    fixed = dict(by_tensor(graph, named))
    groups = [names for names in members.values() if not fixed.keys() & {*names}]
    reference = _reference(floats, _sample_count(graph, len(groups)))
    damages = []
    for i, names in enumerate(groups):
        steps = {name: narrow[name].q for name in names if narrow[name].q.dtype is Dtype.INT8}
        damages.append(
            (
                Damage(_told(graph, names), _snr_with(graph, reference, steps)),
                names if observed.in_step else names[:1],
            )
        )
        if progress:
            progress(i + 1, len(groups))
    return sorted(damages, key=lambda found: found[0].snr_db)


def _sample_count(graph: Graph, groups: int) -> int:
    macs = sum(OPS[node.op].macs(graph.call(node)) for node in graph.nodes)
    return int(np.clip(WORK_MACS // max(macs * groups, 1), LEAST_SAMPLES, MOST_SAMPLES))


def _told(graph: Graph, names: Sequence[str]) -> tuple[str, ...]:
    """Names of the layers, inputs and states that write these tensors, views left out."""
    views = {name for node in graph.nodes if OPS[node.op].view for name in node.outputs}
    return tuple(name for name in names if name not in views) or tuple(names)


def _snr_with(graph: Graph, reference: Reference, steps: dict[str, QParams]) -> float:
    """Signal-to-noise of the outputs of the float graph in which only these tensors are rounded to int8; -inf
    where that makes them infinite or NaN.
    """

    def rounded(name: str, values: Array) -> Array:
        q = steps.get(name)
        return q.to_real(q.nearest(values)) if q else values

    def altered(graph: Graph, *inputs: Array, state: interpret.Values) -> interpret.Values:
        return interpret.float_values(graph, *inputs, state=state, change=rounded)

    narrow = interpret.Stepper(graph, altered)
    with np.errstate(all="ignore"):
        powers = reference.powers(narrow(*sample) for sample in reference.samples)
    return _worst(powers) if all(math.isfinite(noise) for _, noise in powers) else -math.inf


def output_snr(graph: Graph, quantized: Graph, samples: Any) -> float:
    """Signal-to-noise of a quantized graph's outputs beside the float graph's, in dB: the worst of them.

    `samples` have passed check_samples. Outputs without a signal do not count, and places count as the values
    that decide them (see signals); `inf` where nothing is left.
    """
    return _integer_snr(_reference(float_runs(graph, samples), MOST_SAMPLES), quantized)


def _reference(floats: SampleRuns, most: int) -> Reference:
    return Reference(floats, tried(floats.graph, floats.first_length, most))


def _integer_snr(reference: Reference, quantized: Graph) -> float:
    integers = interpret.Stepper(quantized)
    made = (integers(*interpret.quantized_inputs(quantized, *sample)) for sample in reference.samples)
    return _worst(reference.powers_of(quantized, made))


def _worst(powers: Sequence[tuple[float, float]]) -> float:
    return min((decibels(*each) for each in powers), default=math.inf)
