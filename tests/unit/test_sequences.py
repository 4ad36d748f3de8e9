"""Are calibration samples of a model that remembers sequences, and is what goes on growing told?"""

from typing import Any

import numpy as np
import pytest

from firmnet.errors import UserError
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import Stepper, quantized_inputs
from firmnet.ir import Array, Dtype, Graph
from firmnet.ops import OPS
from firmnet.ops.functions import single
from firmnet.passes import optimize
from firmnet.quantize import Sequences, check_samples, quantize
from firmnet.quantize.runs import float_runs


def sums() -> Graph:
    """A running sum of all inputs, and a counter of steps beside it."""
    b = Builder("sums")
    x, total, count = (
        b.input("x", (1, 4)),
        b.state("total", np.zeros((1, 4))),
        b.state("count", np.zeros((1, 1))),
    )
    following = b.add("add", OPS["add"].attrs(), total, x, name="following")
    b.update(total, following)
    counted = b.add("table", single("affine", 1.0, 1.0), count, name="counted")
    b.update(count, counted)
    return b.graph((x,), {"following": following, "counted": counted})


def data(*lengths: int) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 4)).astype(np.float32) for n in lengths]


@pytest.mark.parametrize(
    ("given", "starts"),
    [
        (data(30)[0], (0,)),
        (data(30)[0][:, None], (0,)),
        (np.stack(data(10, 10, 10)), (0, 10, 20)),
        (np.stack(data(10, 10, 10))[:, :, None], (0, 10, 20)),
        (data(5, 9, 7), (0, 5, 14)),
        ({"x": data(5, 9)}, (0, 5)),
        (list(data(30)[0]), (0,)),
    ],
)
def test_samples_are_one_sequence_or_several(given: Any, starts: tuple[int, ...]) -> None:
    found = check_samples(given, sums())
    assert (found.starts if isinstance(found, Sequences) else (0,)) == starts
    assert check_samples(found, sums()) is not None, "what is checked may be checked again"
    runs = float_runs(sums(), found)
    for i in (*range(len(runs.sequence)), 3, 0):  # in any order
        begin = max(start for start in starts if start <= i)
        np.testing.assert_allclose(runs[i]["counted"], [[i - begin + 1]])
        right = sum(np.asarray(sample[0]) for sample in runs.sequence[begin : i + 1])
        np.testing.assert_allclose(runs[i]["following"].ravel(), right, rtol=1e-5, atol=1e-6)


def test_what_is_no_sequence_is_told_in_a_sentence() -> None:
    told = r"has shape \(2, 3, 5\).*\(N, 4\), N steps of one sequence, or \(S, T, 4\), S sequences"
    with pytest.raises(UserError, match=told):
        check_samples(np.zeros((2, 3, 5), np.float32), sums())


def test_a_counter_counts_exactly_and_is_said_to_go_on() -> None:
    made = quantize(sums(), data(200)[0])
    graph = made.graph
    assert graph.tensors["count"].dtype is Dtype.INT16
    assert graph.tensors["count"].scale == 1.0
    runs = Stepper(graph)
    for i in range(5_000):
        values = runs(*quantized_inputs(graph, np.zeros((1, 4), np.float32)))
        assert int(values["counted"].ravel()[0]) == i + 1
    (told,) = [sentence for sentence in made.growing if "'count'" in sentence]
    assert "'count' still grows after 200 steps of calibration data, at 199; it stops at 32,767" in told


def test_a_counter_that_begins_again_is_exact_at_its_jump() -> None:
    """In int16 a table walks over the jump; int8 in steps of 1 has every value."""
    b = Builder("phase")
    x, n = b.input("x", (1, 4)), b.state("n", np.zeros((1, 1)))
    following = b.add("table", single("affine", 1.0, 1.0), n, name="following")
    wrapped = b.add("table", single("remainder", 7.0), following, name="wrapped")
    b.update(n, wrapped)
    total = b.add("add", OPS["add"].attrs(), x, wrapped, name="total")
    made = quantize(optimize(b.graph((x,), {"total": total, "wrapped": wrapped})), data(100)[0])
    assert (made.graph.tensors["n"].dtype, made.graph.tensors["n"].scale) == (Dtype.INT8, 1.0)
    assert not made.growing
    runs, output = Stepper(made.graph), made.graph.outputs[1].tensor
    for i in range(50):
        values = runs(*quantized_inputs(made.graph, np.zeros((1, 4), np.float32)))
        q = made.graph.tensors[output].q
        assert q.to_real(values[output]).ravel() == [(i + 1) % 7]


@pytest.mark.parametrize("steps", [9, 100], ids=["still_counting", "at_its_end"])
def test_a_counter_that_stops_is_exact_beside_what_is_no_number(steps: int) -> None:
    """Its last step is an edge, over which a table of int16 walks."""
    b = Builder("phase")
    x, n, total = (
        b.input("x", (1, 4)),
        b.state("n", np.zeros((1, 1))),
        b.state("total", np.zeros((1, 4))),
    )
    one, none = b.constant("one", np.ones(1)), b.constant("none", np.ones(1))
    counted = b.add("batch_norm", OPS["batch_norm"].attrs(), n, one, none, name="counted")
    stopped = b.add("clamp", OPS["clamp"].attrs(None, 11.0), counted, name="stopped")
    b.update(n, stopped)
    half = b.add("table", single("affine", 0.5, 0.0), total, name="half")
    following = b.add("add", OPS["add"].attrs(), half, x, name="following")
    b.update(total, following)
    graph = optimize(b.graph((x,), {"following": following, "stopped": stopped}))
    made = quantize(graph, data(steps)[0]).graph
    assert made.tensors["total"].dtype is Dtype.INT16
    runs, output = Stepper(made), made.outputs[1].tensor
    for i in range(30):
        values = runs(*quantized_inputs(made, np.zeros((1, 4), np.float32)))
        assert made.tensors[output].q.to_real(values[output]).ravel() == [min(i + 1, 11)]


def test_the_end_of_sequences_is_judged_by_itself() -> None:
    long = quantize(sums(), data(200)[0]).at_end
    assert long is not None
    assert (long.steps, long.sequences) == (200, 1)
    several = quantize(sums(), data(50, 60, 70))
    assert several.at_end is not None
    assert (several.at_end.steps, several.at_end.sequences) == (50, 3)
    assert several.at_end.snr_db > 30
    assert several.at_end.line().startswith("after 50 steps of 3 sequences the outputs have ")
