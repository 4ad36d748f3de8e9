"""How often is the right class chosen? The float network and its integers, on samples held out for it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..interpret import Values, each_float, each_int, in_model_order, quantized_inputs
from ..ir import Array, Graph
from .quality import tried
from .samples import check_samples, rows

MOST_TRIED = 5_000
"""Test samples that are tried; of more, so many spread evenly over all."""


@dataclass(frozen=True)
class Accuracy:
    """Of `samples` out of `total` test samples, the fractions of which the right class has the best score.

    `types`: of the activations of the integers.
    """

    samples: int
    total: int
    float_accuracy: float
    int8_accuracy: float
    types: str = "int8"

    def line(self) -> str:
        """For people."""
        some = f"{self.samples:,} of {self.total:,}" if self.samples < self.total else f"{self.total:,}"
        integers = f"{self.types} {self.int8_accuracy:.2%}"
        return f"accuracy  float {self.float_accuracy:.2%}, {integers} ({some} test samples)"


def check_test(test: tuple[Any, Array], graph: Graph) -> tuple[Any, Array]:
    """The test set as float32 samples (N, …) and class numbers (N,); UserError when the model has no such."""
    inputs, classes = test
    if len(graph.outputs) > 1:
        raise UserError(
            f"test data has class numbers, but the model has {len(graph.outputs)} outputs: leave `test` out"
        )
    scores = graph.tensors[graph.output].size
    if scores < 2:
        raise UserError("test data has class numbers, but the model has one output value: leave `test` out")
    wrong = np.flatnonzero((classes < 0) | (classes >= scores))
    if len(wrong):
        raise UserError(
            f"test data: sample {wrong[0]} is of class {classes[wrong[0]]}, but the model's {scores} output "
            f"values are classes 0 to {scores - 1}: correct the class numbers"
        )
    return check_samples(inputs, graph, "test data"), classes


def measure_accuracy(
    graph: Graph,
    quantized: Graph,
    test: tuple[Any, Array],
    progress: Callable[[int, int], None] | None = None,
) -> Accuracy:
    """Of the float graph and the integers made from it, on a test set that `check_test` has passed.

    To a graph with states it is one sequence.
    """
    inputs, classes = rows(test[0], graph), test[1]
    chosen = tried(graph, len(inputs), MOST_TRIED)
    right = np.zeros((2, len(chosen)), bool)
    samples = [inputs[i] for i in chosen]
    both = zip(each_float(graph, samples), _integers(quantized, samples), strict=True)
    for i, (real, integer) in enumerate(both):
        outputs = (
            in_model_order(of.outputs[0], y[of.output]) for of, y in ((graph, real), (quantized, integer))
        )
        right[:, i] = [best(y) == classes[chosen[i]] for y in outputs]
        if progress:
            progress(i + 1, len(chosen))
    of_float, of_int8 = (float(share) for share in right.mean(axis=1))
    types = sorted({t.dtype for t in quantized.tensors.values() if t.data is None}, key=lambda d: d.bits)
    return Accuracy(len(chosen), len(inputs), of_float, of_int8, " and ".join(types))


def integer_accuracy(quantized: Graph, test: tuple[Any, Array]) -> float:
    """The fraction of a checked test set, at most MOST_TRIED of it, that the integers get right."""
    inputs, classes = rows(test[0], quantized), test[1]
    chosen = tried(quantized, len(inputs), MOST_TRIED)
    (port,) = quantized.outputs
    made = _integers(quantized, [inputs[i] for i in chosen])
    return share_right((in_model_order(port, values[port.tensor]) for values in made), classes[chosen])


def _integers(quantized: Graph, samples: Sequence[tuple[Array, ...]]) -> Iterator[Values]:
    """What the integers make of real samples."""
    return each_int(quantized, (quantized_inputs(quantized, *sample) for sample in samples))


def share_right(outputs: Iterable[Array], classes: Array) -> float:
    """The fraction of a device's outputs, in the model's own order, in which the right class is the best."""
    return float(np.mean(np.array([best(y) for y in outputs]) == classes))


def best(scores: Array) -> int:
    """The number of the best score; of several the first."""
    return int(np.argmax(scores))
