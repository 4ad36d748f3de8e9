"""How often is the right class chosen? The float network and its integers, on samples held out for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..interpret import quantize_sample, run_float, run_int
from ..ir import Array, Graph
from .quality import spread
from .samples import check_samples

MOST_TRIED = 5_000
"""Test samples that are tried; of more, so many spread evenly over all."""


@dataclass(frozen=True)
class Accuracy:
    """Of `samples` out of `total` test samples, the fractions of which the right class has the best score."""

    samples: int
    total: int
    float_accuracy: float
    int8_accuracy: float

    def line(self) -> str:
        """For people."""
        some = f"{self.samples:,} of {self.total:,}" if self.samples < self.total else f"{self.total:,}"
        return (
            f"accuracy  float {self.float_accuracy:.2%}, int8 {self.int8_accuracy:.2%} ({some} test samples)"
        )


def check_test(test: tuple[Array, Array], graph: Graph) -> tuple[Array, Array]:
    """The test set as float32 samples (N, …) and class numbers (N,); UserError when the model has no such."""
    inputs, classes = test
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
    test: tuple[Array, Array],
    progress: Callable[[int, int], None] | None = None,
) -> Accuracy:
    """Of the float graph and the integers made from it, on a test set that `check_test` has passed."""
    inputs, classes = test
    tried = spread(len(inputs), MOST_TRIED)
    right = np.zeros((2, len(tried)), bool)
    for i, sample in enumerate(tried):
        x = inputs[sample]
        y = run_int(quantized, quantize_sample(quantized, x))
        found = best(run_float(graph, x)), best(in_model_order(quantized, y))
        right[:, i] = [each == classes[sample] for each in found]
        if progress:
            progress(i + 1, len(tried))
    of_float, of_int8 = (float(share) for share in right.mean(axis=1))
    return Accuracy(len(tried), len(inputs), of_float, of_int8)


def share_right(outputs: Iterable[Array], classes: Array) -> float:
    """The fraction of a device's outputs, in the model's own order, in which the right class is the best."""
    return float(np.mean(np.array([best(y) for y in outputs]) == classes))


def in_model_order(graph: Graph, y: Array) -> Array:
    """An output as it is stored, flat or not, in the model's own order."""
    stored = y.reshape(graph.tensors[graph.output].shape)
    return stored.transpose(np.argsort(graph.output_order)) if graph.output_order else stored


def best(scores: Array) -> int:
    """The number of the best score; of several the first."""
    return int(np.argmax(scores))
