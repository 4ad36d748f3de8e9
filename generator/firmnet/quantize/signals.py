"""Which activations have a signal that noise may spoil? Not places of values, nor zeros that were rounded."""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

import numpy as np

from ..ir import Array, Dtype, Graph
from ..ops import OPS
from .runs import SampleRuns

ROUNDING = 1e-12
"""Values that are less of what they were computed from are what float64 (2^-53) leaves of zero."""


def places(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Activations that hold places of values (argmax), moved or not, and those in which these were found."""
    found: dict[str, tuple[str, ...]] = {}
    for node in graph.nodes:
        given, q = graph.activations(node), OPS[node.op].output_qparams(node.attrs)
        if q and q.dtype is Dtype.INT32:
            found |= dict.fromkeys(node.outputs, given)
        elif OPS[node.op].keeps_qparams and any(name in found for name in given):
            moved = tuple(among for name in given for among in found.get(name, ()))
            found |= dict.fromkeys(node.outputs, moved)
    return found


def judged(graph: Graph) -> tuple[str, ...]:
    """The activations by whose noise outputs are judged: instead of places, the values that decide them."""
    known = places(graph)
    names = (name for port in graph.outputs for name in known.get(port.tensor, (port.tensor,)))
    return tuple(dict.fromkeys(names))


class Magnitudes:
    """The largest magnitude that every activation of a float graph had in some samples."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._of = graph, dict[str, float]()

    def add(self, values: Mapping[str, Array]) -> None:
        """All activations of one sample by name."""
        for name, x in values.items():
            self._of[name] = max(self._of.get(name, 0.0), float(np.abs(x).max()))

    def vanishing(self) -> frozenset[str]:
        """Activations that are zero, or would be without rounding: nothing of them can be lost."""
        origin = {name: self._of[name] for name in self._graph.given}
        found = {name for name, most in origin.items() if not most}
        for node in self._graph.nodes:
            before = max((origin[name] for name in self._graph.activations(node)), default=0.0)
            for name in node.outputs:
                if self._of[name] <= ROUNDING * before or not self._of[name]:
                    found.add(name)
                origin[name] = before if name in found else self._of[name]
        return frozenset(found)


class Reference:
    """What the float graph's outputs are on some samples, run once; those without a signal are left out."""

    def __init__(self, floats: SampleRuns, chosen: Sequence[int]) -> None:
        """`chosen`: the numbers of the samples."""
        self.samples = [floats.sequence[i] for i in chosen]
        magnitudes = Magnitudes(floats.graph)
        real: dict[str, list[Array]] = {name: [] for name in judged(floats.graph)}
        for values in (floats[i] for i in chosen):
            magnitudes.add(values)
            for name, arrays in real.items():
                arrays.append(values[name])
        nothing = magnitudes.vanishing()
        self._real = {name: arrays for name, arrays in real.items() if name not in nothing}
        self._signal = {name: fsum(map(_power, arrays)) for name, arrays in self._real.items()}

    def powers(self, made: Iterable[Mapping[str, Array]]) -> list[tuple[float, float]]:
        """Signal and noise of each output, where another graph has made these real values of each sample."""
        noise: dict[str, list[float]] = {name: [] for name in self._real}
        for i, values in enumerate(made):
            for name, real in self._real.items():
                noise[name].append(_power(values[name] - real[i]))
        return [(self._signal[name], fsum(parts)) for name, parts in noise.items()]

    def powers_of(self, quantized: Graph, made: Iterable[Mapping[str, Array]]) -> list[tuple[float, float]]:
        """The same, where an integer graph has made these integers."""
        q = {name: quantized.tensors[name].q for name in self._real}
        return self.powers({name: q[name].to_real(values[name]) for name in q} for values in made)

    def noise_of(self, quantized: Graph, made: Iterable[Mapping[str, Array]]) -> Array:
        """Of each sample: noise as parts of the signal of all, the mean of the outputs that have one."""
        q = {name: quantized.tensors[name].q for name in self._real if self._signal[name]}
        return np.array(
            [
                fsum(
                    _power(q[name].to_real(values[name]) - self._real[name][i]) / self._signal[name]
                    for name in q
                )
                / max(len(q), 1)
                for i, values in enumerate(made)
            ]
        )


def _power(values: Array) -> float:
    return float((values**2).sum())
