"""Is accuracy that of the right classes, in the model's own order, and is a wrong test set refused?"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from firmnet.errors import UserError
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import in_model_order, quantize_sample, run_int
from firmnet.ir import Array, Graph, Port
from firmnet.ops.spec import OPS
from firmnet.quantize import Accuracy, check_test, measure_accuracy, quantize, share_right

SIZE = (3, 4)


@cache
def graphs() -> tuple[Graph, Graph]:
    """A network that stores its values with the last two axes exchanged, and its integers."""
    builder = Builder("net")
    x = builder.input("x", (1, *SIZE[::-1]))
    y = builder.add("add", OPS["add"].attrs(), x, x, name="twice")
    graph = replace(
        builder.graph(x, y), inputs=(Port("x", "x", (0, 2, 1)),), outputs=(Port("y", "twice", (0, 2, 1)),)
    )
    return graph, quantize(graph, np.random.default_rng(0).normal(size=(20, *SIZE)).astype(np.float32)).graph


def pictures(count: int = 12) -> tuple[Array, Array]:
    """One place is 2, all others are 0; the class is the place in the model's own order."""
    classes = np.arange(count) % (SIZE[0] * SIZE[1])
    return 2 * np.eye(SIZE[0] * SIZE[1], dtype=np.float32)[classes].reshape(-1, *SIZE), classes


def test_the_best_score_is_looked_for_in_the_models_own_order() -> None:
    test = check_test(pictures(), graphs()[0])
    assert measure_accuracy(*graphs(), test) == Accuracy(12, 12, 1.0, 1.0)
    outputs = [
        in_model_order(graphs()[1].outputs[0], run_int(graphs()[1], quantize_sample(graphs()[1], x)))
        for x in test[0]
    ]
    assert share_right(outputs, test[1]) == 1
    assert share_right(outputs[::-1], test[1]) == 0


def test_what_is_wrong_counts() -> None:
    inputs, classes = pictures()
    classes = np.where(classes < 3, 5, classes)
    found = measure_accuracy(*graphs(), (inputs, classes))
    assert (found.float_accuracy, found.int8_accuracy) == (0.75, 0.75)


def test_a_large_set_is_sampled_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmnet.quantize.accuracy.MOST_TRIED", 10)
    seen: list[tuple[int, int]] = []
    found = measure_accuracy(*graphs(), pictures(36), lambda done, total: seen.append((done, total)))
    assert (found.samples, found.total) == (10, 36)
    assert seen[-1] == (10, 10)
    assert "(10 of 36 test samples)" in found.line()
    assert "(36 test samples)" in replace(found, samples=36).line()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda x, y: (x, y + 1), r"sample 11 is of class 12.* are classes 0 to 11: correct"),
        (lambda x, y: (x, y - 1), "sample 0 is of class -1"),
        (lambda x, y: (x[:, :2], y), r"test data has shape \(12, 2, 4\).*: the model takes \(N, 3, 4\)"),
        (lambda x, y: (x.astype(np.uint8), y), "test data is uint8"),
        (lambda x, y: (x[:0], y[:0]), "test data is empty"),
    ],
    ids=["too_high", "negative", "shape", "integers", "empty"],
)
def test_a_wrong_test_set_is_refused(change, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        check_test(change(*pictures()), graphs()[0])


def test_a_model_with_one_output_value_has_no_classes() -> None:
    builder = Builder("net")
    x = builder.input("x", (1, 1))
    graph = builder.graph(x, builder.add("add", OPS["add"].attrs(), x, x, name="twice"))
    with pytest.raises(UserError, match="the model has one output value: leave `test` out"):
        check_test((np.zeros((2, 1), np.float32), np.zeros(2, np.int64)), graph)
