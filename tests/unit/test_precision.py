"""Are types of activations those that were asked for, and are rescales there where a layer needs them?"""

import numpy as np
import pytest

from firmnet.errors import GraphError, UserError
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import run_float, run_int
from firmnet.ir import Array, Dtype, Graph
from firmnet.ops import OPS
from firmnet.ops.argmax import ArgmaxAttrs
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.concat import ConcatAttrs
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.max_pool2d import MaxPool2dAttrs
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.ops.softmax import SoftmaxAttrs
from firmnet.qmath import dequantize_output, quantize_input
from firmnet.quantize import quantize, read_precision
from firmnet.quantize.observe import grid
from firmnet.quantize.precision import Asked, Precision
from firmnet.quantize.types import typed


def perceptron(seed: int = 0) -> Graph:
    """Two layers joined with their input, a third, shares."""
    rng, b = np.random.default_rng(seed), Builder("perceptron")
    x = b.input("x", (1, 12))

    def linear(y, n_in: int, n_out: int, name: str):
        weight = b.constant(f"{name}_w", rng.normal(size=(n_out, n_in)))
        return b.add(
            "linear", LinearAttrs(), y, weight, b.constant(f"{name}_b", rng.normal(size=n_out)), name=name
        )

    first = linear(x, 12, 8, "first")
    bent = b.add("clamp", ClampAttrs(0.0), first, name="bent")
    joined = b.add("concat", ConcatAttrs(1), bent, x, name="joined")
    second = linear(joined, 20, 5, "second")
    return b.graph((x,), {"shares": b.add("softmax", SoftmaxAttrs(1), second, name="shares")})


def samples(count: int = 40) -> Array:
    return np.random.default_rng(1).normal(size=(count, 12)).astype(np.float32)


def types_of(graph: Graph) -> dict[str, str]:
    return {name: str(t.dtype) for name, t in graph.tensors.items() if t.data is None}


def test_all_of_int16_is_closer_to_float() -> None:
    graph = perceptron()
    narrow, wide = (
        quantize(graph, samples(), precision=str(dtype)).graph for dtype in (Dtype.INT8, Dtype.INT16)
    )
    assert set(types_of(wide).values()) == {"int16"}
    assert "int16" not in types_of(narrow).values()
    errors = [np.mean([error(graph, each, x) for x in samples()]) for each in (narrow, wide)]
    assert errors[1] < errors[0] / 3


def error(graph: Graph, quantized: Graph, x: Array) -> float:
    q = quantized.tensors[quantized.output].q
    made = run_int(quantized, quantize_input(x[None], quantized.tensors[quantized.input].q))
    return float(np.square(dequantize_output(made, q) - run_float(graph, x[None])).mean())


def test_what_shares_values_has_one_type_and_others_are_untouched() -> None:
    graph = quantize(perceptron(), samples(), precision={"joined": Dtype.INT16}).graph
    assert types_of(graph) == {
        "x": "int8",
        "first": "int8",
        "bent": "int16",
        "x_to_joined": "int16",
        "joined": "int16",
        "second": "int8",
        "shares": "int8",
    }


def test_int16_inputs_and_outputs_hold_more_than_was_seen_and_int8_ones_do_not() -> None:
    rng, b = np.random.default_rng(0), Builder("net")
    x = b.input("x", (1, 4))
    constants = b.constant("w", rng.normal(size=(3, 4))), b.constant("b", rng.normal(size=3))
    graph = b.graph((x,), {"y": b.add("linear", LinearAttrs(), x, *constants, name="y")})
    samples = rng.normal(size=(20, 4)).astype(np.float32)
    seen = {"x": samples, "y": np.array([run_float(graph, each) for each in samples])}
    for dtype, most in (("int16", 1.5), ("int8", 1.0)):
        made = quantize(graph, samples, precision=dtype).graph
        for name, values in seen.items():
            low, high = made.tensors[name].q.range
            assert max(-low, high) / np.abs(values).max() == pytest.approx(most, rel=0.01)


@pytest.mark.parametrize(
    ("dtypes", "mixes", "expected"),
    [
        ((Dtype.INT8,), False, {"second": "int8", "joined_to_second": "int8", "joined": "int16"}),
        ((Dtype.INT8, Dtype.INT16), False, {"second": "int16", "joined": "int16"}),
        ((Dtype.INT8, Dtype.INT16), True, {"second": "int16", "joined": "int16"}),
    ],
)
def test_a_layer_that_knows_no_int16_computes_with_int8(
    dtypes: tuple[Dtype, ...], mixes: bool, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    op = OPS["linear"]
    monkeypatch.setattr(type(op), "dtypes", dtypes)
    monkeypatch.setattr(type(op), "mixes", mixes)
    graph = quantize(perceptron(), samples(), precision="int16").graph
    assert expected.items() <= types_of(graph).items()
    assert ("joined_to_second" in types_of(graph)) == ("joined_to_second" in expected)


def test_one_type_to_compute_with_has_inputs_rescaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(OPS["linear"]), "mixes", False)
    graph = quantize(perceptron(), samples(), precision={"second": Dtype.INT16}).graph
    assert types_of(graph)["joined_to_second"] == types_of(graph)["second"] == "int16"
    assert types_of(graph)["joined"] == types_of(graph)["first"] == "int8"


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"secnd": Dtype.INT16}, "there is no activation 'secnd' to be int16: .*such as 'second'"),
        ({"q": Dtype.INT16}, "there is no activation 'q'.*one of x, first, bent, joined, second, shares"),
        ({"joined": Dtype.INT16, "bent": Dtype.INT8}, "'bent' cannot be int8: .*give both the same type"),
    ],
)
def test_names_and_types_that_cannot_be(named: dict[str, Dtype], sentence: str) -> None:
    with pytest.raises(GraphError, match=sentence):
        typed(perceptron(), named)


def test_the_largest_of_places_is_refused_in_words_of_what_it_is() -> None:
    b = Builder("net")
    x = b.input("x", (1, 4, 4, 3))
    places = b.add("argmax", ArgmaxAttrs(3), x)
    most = b.add("max_pool2d", MaxPool2dAttrs((2, 2), (2, 2)), places)
    graph = b.graph(x, b.add("reshape", ReshapeAttrs((1, 4)), most))
    with pytest.raises(GraphError, match=r"is computed of places or row numbers, .*after the network"):
        typed(graph, {})


def test_a_layer_asked_to_be_what_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(OPS["softmax"]), "dtypes", (Dtype.INT8,))
    with pytest.raises(
        GraphError, match=r"'shares' \(softmax\) computes with int8 alone: leave 'shares' out"
    ):
        typed(perceptron(), {"shares": Dtype.INT16})


@pytest.mark.parametrize(
    ("asked", "right"),
    [
        (None, Precision()),
        ("int8", Precision(widens_loops=False)),
        ("int16", Precision(Dtype.INT16)),
        (["int16", "conv=int8"], Precision(Dtype.INT16, {"conv": Dtype.INT8})),
        ({"conv": Dtype.INT16, "x": "int16"}, Precision(named={"conv": Dtype.INT16, "x": Dtype.INT16})),
    ],
)
def test_what_users_say(asked: Asked, right: Precision) -> None:
    assert read_precision(asked) == right


@pytest.mark.parametrize("asked", ["int4", "conv=", "=int16", "conv=float", "Int16", ["int16", "conv"]])
def test_what_is_no_precision_is_refused(asked: Asked) -> None:
    with pytest.raises(UserError, match=r"is none: give int8, int16, auto, or NAME=int16"):
        read_precision(asked)


RAW = np.random.default_rng(2).integers(-32768, 32768, 500)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        (RAW, 1.0),
        (RAW / 32768, 2.0**-15),
        (RAW.clip(-32767) / 32767, 1 / 32767),
        (RAW // 16 * 0.25, 0.25),
        (RAW // 4096, None),
        (RAW * 2.0, 2.0),
        (RAW / 10, None),
        (RAW + 40000, None),
        (np.zeros(5), None),
        (np.random.default_rng(3).normal(size=500), None),
    ],
)
def test_the_steps_of_a_sensor_of_16_bits(values: Array, step: float | None) -> None:
    assert grid(values.astype(np.float32)) == step


@pytest.mark.parametrize("divisor", [1, 32768, 32767])
def test_such_a_sensor_goes_in_without_loss(divisor: int) -> None:
    raw = np.random.default_rng(4).integers(-9000, 9000, (40, 12))
    graph = quantize(perceptron(), (raw / divisor).astype(np.float32), precision={"x": Dtype.INT16}).graph
    given = np.array([-32767, 32767, 9999, -1, 0, 1, 12345, -12345, 2, 3, 4, 5])
    q = graph.tensors["x"].q
    np.testing.assert_array_equal(quantize_input((given / divisor).astype(np.float32), q), given)
