"""What does a graph compute of the calibration samples? Each is run once, as far as memory allows."""

from collections.abc import Callable, Sequence
from typing import Any

from .. import interpret
from ..ir import Array, Graph
from .samples import rows, starts_of

KEPT_BYTES = 128 * 2**20
"""Of activations, for all samples together; what finds no room is computed again when it is asked for."""


class SampleRuns:
    """All activations of a graph by name, for each sample; of one with states the samples are a sequence.

    `sequence` holds an array for each input in the model's own order, and before each of the `starts` the
    model is reset; `compute` is as for interpret.Stepper. What is handed out is shared: nobody changes it.
    """

    def __init__(
        self,
        graph: Graph,
        sequence: Sequence[tuple[Array, ...]],
        compute: Callable[..., interpret.Values],
        starts: Sequence[int] = (0,),
    ) -> None:
        self.graph, self.sequence, self.starts = graph, sequence, tuple(starts)
        self._stepper, self._next = interpret.Stepper(graph, compute), 0
        self._kept, self._room = dict[int, interpret.Values](), KEPT_BYTES
        self._integers: SampleRuns | None = None

    def __getitem__(self, sample: int) -> interpret.Values:
        if sample in self._kept:
            return self._kept[sample]
        if not self.graph.states:
            return self._keep(sample, self._stepper(*self.sequence[sample]))
        begin = max(start for start in self.starts if start <= sample)
        if not begin <= self._next <= sample:
            self._next = begin
        while True:
            if self._next in self.starts:
                self._stepper.reset()
            values = self._keep(self._next, self._stepper(*self.sequence[self._next]))
            self._next += 1
            if self._next > sample:
                return values

    @property
    def first_length(self) -> int:
        """How many samples the first sequence has; of a graph without states all."""
        return self.starts[1] if len(self.starts) > 1 else len(self.sequence)

    @property
    def ends(self) -> list[int]:
        """The last sample of each sequence."""
        return [*(start - 1 for start in self.starts[1:]), len(self.sequence) - 1]

    def integers(self, quantized: Graph) -> "SampleRuns":
        """Those of an integer graph on the same samples; of the one asked for last they are kept."""
        if self._integers is None or self._integers.graph is not quantized:
            self._integers = SampleRuns(quantized, self.sequence, _from_real, self.starts)
        return self._integers

    def _keep(self, sample: int, values: interpret.Values) -> interpret.Values:
        size = sum(x.nbytes for x in values.values())
        if sample not in self._kept and size <= self._room:
            self._kept[sample] = values
            self._room -= size
        return values


def float_runs(graph: Graph, samples: Any) -> SampleRuns:
    """Of a float graph on checked samples."""
    return SampleRuns(graph, rows(samples, graph), interpret.float_values, starts_of(samples))


def _from_real(quantized: Graph, *inputs: Array, state: interpret.Values) -> interpret.Values:
    integers = interpret.quantized_inputs(quantized, *inputs)
    return interpret.int_values(quantized, *integers, state=state)
