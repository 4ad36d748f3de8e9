"""Does the oracle run graphs as their contract says?"""

import gc

import numpy as np
import pytest

from firmnet import interpret
from firmnet.errors import UserError
from firmnet.interpret import float_values, int_values, quantize_sample, run_float, run_int
from firmnet.ir import Dtype, Graph, Node, Port, QParams, Shape, Tensor
from firmnet.ops import OPS
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.transpose import TransposeAttrs


def swapped_linear(input_order: Shape = (), output_order: Shape = ()) -> Graph:
    """x (1, 2, 3) → linear over the last axis → (1, 2, 4), quantized."""
    rng = np.random.default_rng(3)
    w = rng.integers(-127, 128, (4, 3)).astype(np.int8)
    scales = (0.01, 0.02, 0.005, 0.01)
    bias = QParams(tuple(0.05 * s for s in scales), 0, Dtype.INT32)
    tensors = (
        Tensor("x", (1, 2, 3), QParams((0.05,), 5)),
        Tensor("w", (4, 3), QParams(scales), w),
        Tensor("b", (4,), bias, rng.integers(-900, 900, 4).astype(np.int32)),
        Tensor("y", (1, 2, 4), QParams((0.1,), -3)),
    )
    node = Node("y", "linear", LinearAttrs(), ("x", "w", "b"), ("y",))
    return Graph(
        "swapped",
        (node,),
        {tensor.name: tensor for tensor in tensors},
        (Port("x", "x", input_order),),
        (Port("y", "y", output_order),),
    )


def test_input_and_output_are_in_the_models_own_order() -> None:
    plain, turned = swapped_linear(), swapped_linear(input_order=(0, 2, 1), output_order=(2, 0, 1))
    x = np.random.default_rng(0).normal(size=(1, 2, 3))
    y = run_float(turned, x.transpose(0, 2, 1))
    assert y.shape == (2, 4, 1)  # the model's output transposed by (2, 0, 1) is what is stored
    assert np.array_equal(y.transpose(2, 0, 1), run_float(plain, x))
    assert np.array_equal(float_values(turned, x.transpose(0, 2, 1))["x"], x)


def test_integers_follow_the_float_graph_within_a_step() -> None:
    graph = swapped_linear()
    x = np.random.default_rng(1).normal(size=(1, 2, 3))
    q = quantize_sample(graph, x)
    assert q.dtype == np.int8
    y, x_seen = graph.tensors["y"], graph.tensors["x"].q.to_real(q)
    real = np.clip(run_float(graph, x_seen), y.q.to_real(np.array(-128)), y.q.to_real(np.array(127)))
    values = int_values(graph, q)
    assert np.abs(y.q.to_real(values["y"]) - real).max() <= 0.5001 * y.scale
    assert np.array_equal(values["y"], run_int(graph, q))
    assert np.array_equal(values["x"], q)


def test_samples_are_quantized_into_the_stored_layout() -> None:
    x = np.random.default_rng(2).normal(size=(1, 3, 2)).astype(np.float32)
    turned = quantize_sample(swapped_linear(input_order=(0, 2, 1)), x)
    assert np.array_equal(turned, quantize_sample(swapped_linear(), x.transpose(0, 2, 1)))
    assert np.array_equal(turned, quantize_sample(swapped_linear(input_order=(0, 2, 1)), x[0]))


def test_a_sample_of_another_shape_is_refused() -> None:
    with pytest.raises(UserError, match=r"shape \(2, 3\), but model 'swapped' takes \(1, 3, 2\)"):
        run_float(swapped_linear(input_order=(0, 2, 1)), np.zeros((2, 3)))


def test_constants_are_prepared_once_per_graph_and_forgotten_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    prepare = OPS["linear"].prepare
    monkeypatch.setattr(
        OPS["linear"], "prepare", lambda call: calls.append(call.output.name) or prepare(call)
    )
    graph, q = swapped_linear(), np.zeros((1, 2, 3), np.int8)
    run_int(graph, q)
    run_int(graph, q)
    assert calls == ["y"]
    key = id(graph)
    assert key in interpret._constants
    del graph
    gc.collect()
    assert key not in interpret._constants


def test_a_layer_that_breaks_its_shape_is_named() -> None:
    x, y = Tensor("x", (1, 2, 3)), Tensor("y", (1, 2, 3))
    node = Node("y", "transpose", TransposeAttrs((0, 2, 1)), ("x",), ("y",))
    with pytest.raises(ValueError, match=r"layer 'y' \(transpose\) computed shape \(1, 3, 2\)"):
        run_float(
            Graph("wrong", (node,), {"x": x, "y": y}, (Port("x", "x"),), (Port("y", "y"),)),
            np.zeros((1, 2, 3)),
        )
