"""What does a graph compute of the calibration samples? Each is run once, as far as memory allows."""

from collections.abc import Callable, Sequence
from typing import Any

from .. import interpret
from ..ir import Array, Graph
from .samples import rows

KEPT_BYTES = 128 * 2**20
"""Of activations, for all samples together; what finds no room is computed again when it is asked for."""


class SampleRuns:
    """All activations of a graph by name, for each sample; of one with states the samples are a sequence.

    `sequence` holds an array for each input in the model's own order; `compute` is as for interpret.Stepper.
    What is handed out is shared: nobody changes it.
    """

    def __init__(
        self, graph: Graph, sequence: Sequence[tuple[Array, ...]], compute: Callable[..., interpret.Values]
    ) -> None:
        self.graph, self.sequence = graph, sequence
        self._stepper, self._next = interpret.Stepper(graph, compute), 0
        self._kept, self._room = dict[int, interpret.Values](), KEPT_BYTES
        self._integers: SampleRuns | None = None

    def __getitem__(self, sample: int) -> interpret.Values:
        if sample in self._kept:
            return self._kept[sample]
        if not self.graph.states:
            return self._keep(sample, self._stepper(*self.sequence[sample]))
        if sample < self._next:
            self._stepper.reset()
            self._next = 0
        while True:
            values = self._keep(self._next, self._stepper(*self.sequence[self._next]))
            self._next += 1
            if self._next > sample:
                return values

    def integers(self, quantized: Graph) -> "SampleRuns":
        """Those of an integer graph on the same samples; of the one asked for last they are kept."""
        if self._integers is None or self._integers.graph is not quantized:
            self._integers = SampleRuns(quantized, self.sequence, _from_real)
        return self._integers

    def _keep(self, sample: int, values: interpret.Values) -> interpret.Values:
        size = sum(x.nbytes for x in values.values())
        if sample not in self._kept and size <= self._room:
            self._kept[sample] = values
            self._room -= size
        return values


def float_runs(graph: Graph, samples: Any) -> SampleRuns:
    """Of a float graph on checked samples."""
    return SampleRuns(graph, rows(samples, graph), interpret.float_values)


def _from_real(quantized: Graph, *inputs: Array, state: interpret.Values) -> interpret.Values:
    integers = interpret.quantized_inputs(quantized, *inputs)
    return interpret.int_values(quantized, *integers, state=state)
