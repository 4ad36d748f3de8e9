"""Does an input that is normalised before padded convolutions cost nothing, and stay right at the border?"""

import json

import numpy as np
import pytest

from firmnet.frontends.common.affine import affine
from firmnet.frontends.common.builder import Builder
from firmnet.frontends.common.movement import to_nchw, to_nhwc
from firmnet.graph_file import graph_to_json, read_graph
from firmnet.interpret import in_model_order, quantize_sample, run_float, run_int
from firmnet.ir import Array, Dtype, Graph, Tensor
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.passes import optimize
from firmnet.qmath import pixel_divisor
from firmnet.quantize import quantize

SAMPLES = np.random.default_rng(0).random((16, 2, 6, 5)).astype(np.float32)
SAMPLES[0, 0, 0, :2] = 0.0, 1.0


def normalised(mean: float | Array = 0.1307, std: float | Array = 0.3081, padding: int = 1) -> Graph:
    builder = Builder("net")
    x = builder.input("x", (1, 2, 6, 5))
    y = affine(builder, affine(builder, x, 1.0, -np.asarray(mean)), 1 / np.asarray(std), 0.0)
    return optimize(builder.graph(x, convolved(builder, y, padding)))


def convolved(b: Builder, x: Tensor, padding: int) -> Tensor:
    rng = np.random.default_rng(1)
    weight, bias = b.constant("w", rng.normal(size=(3, 3, 3, 2))), b.constant("b", rng.normal(size=3))
    y = b.add("conv2d", Conv2dAttrs(padding=(padding,) * 4), to_nhwc(b, x), weight, bias, name="conv")
    return to_nchw(b, y)


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def errors(floats: Graph, integers: Graph) -> Array:
    """Of every output of some samples, in steps of the output."""
    port, scale = integers.outputs[0], integers.tensors[integers.output].scale
    made = [run_int(integers, quantize_sample(integers, x)) for x in SAMPLES]
    real = np.stack([in_model_order(port, integers.tensors[port.tensor].q.to_real(y)) for y in made])
    return np.abs(real - np.stack([run_float(floats, x) for x in SAMPLES])) / scale


@pytest.mark.parametrize(
    ("mean", "std"), [(0.1307, 0.3081), (0.5, 0.5), (0.0, 1 / 3), (1.7, 2.0), (-0.3, 1.0)]
)
def test_costs_nothing_and_is_right_everywhere(mean: float, std: float) -> None:
    floats = normalised(mean, std)
    integers = quantize(floats, SAMPLES).graph
    assert set(ops(integers)) <= {"restate", "conv2d"}
    off = errors(floats, integers)
    border = np.ones(off.shape, bool)
    border[..., 1:-1, 1:-1] = False
    assert off[~border].max() < 2.5
    assert off[border].max() < 2.5


def test_pixels_are_still_pixels() -> None:
    integers = quantize(normalised(), SAMPLES).graph
    assert ops(integers) == ["restate", "conv2d"]
    assert pixel_divisor(integers.tensors[integers.input].q) == 255


@pytest.mark.parametrize("padding", [0, 1])
def test_channels_with_values_of_their_own(padding: int) -> None:
    """Without padding they cost nothing; with it they are a layer, and the border is right."""
    mean, std = (np.array(values).reshape(2, 1, 1) for values in ([0.2, 0.6], [0.3, 0.5]))
    floats = normalised(mean, std, padding)
    assert ops(floats) == ["conv2d"] * (1 + padding)
    assert errors(floats, quantize(floats, SAMPLES).graph).max() < 3.5


def test_a_view_between_is_seen_through() -> None:
    builder = Builder("net")
    x = builder.input("x", (1, 60))
    y = affine(builder, x, 1 / 0.3081, -0.1307 / 0.3081)
    y = builder.add("reshape", ReshapeAttrs((1, 2, 6, 5)), y)
    floats = optimize(builder.graph(x, convolved(builder, y, 1)))
    integers = quantize(floats, SAMPLES.reshape(16, 60)).graph
    assert "restate" in ops(integers)
    made = [run_int(integers, quantize_sample(integers, x.ravel())) for x in SAMPLES]
    direct = quantize(normalised(), SAMPLES).graph
    same = [run_int(direct, quantize_sample(direct, x)) for x in SAMPLES]
    np.testing.assert_array_equal(np.stack(made).ravel(), np.stack(same).ravel())


def test_two_normalised_forms_of_one_input_share_its_range() -> None:
    builder = Builder("net")
    x = builder.input("x", (1, 2, 6, 5))
    ends = [convolved(builder, affine(builder, x, 2.0, -2 * mean), 1) for mean in (-0.3, -2.0)]
    floats = optimize(builder.graph(x, {"near": ends[0], "far": ends[1]}))
    integers = quantize(floats, SAMPLES).graph
    assert ops(integers).count("restate") == 2
    assert integers.tensors[integers.input].q.range[0] < -1.99
    real, made = run_float(floats, SAMPLES[0]), run_int(integers, quantize_sample(integers, SAMPLES[0]))
    for port, right, got in zip(integers.outputs, real, made, strict=True):
        q = integers.tensors[port.tensor].q
        assert np.abs(in_model_order(port, q.to_real(got)) - right).max() < 3 * q.scale[0]


def test_int16_has_no_zero_point_to_say_it_by() -> None:
    floats = normalised()
    integers = quantize(floats, SAMPLES, precision={"x": Dtype.INT16}).graph
    assert "restate" not in ops(integers)
    assert errors(floats, integers).max() < 2.5


def test_another_reader_sees_the_values_themselves() -> None:
    builder = Builder("net")
    x = builder.input("x", (1, 2, 6, 5))
    y = affine(builder, x, 2.0, -0.4)
    graph = optimize(builder.graph(x, {"conv": convolved(builder, y, 1), "normalised": y}))
    assert "restate" not in ops(graph)


def test_is_stored_and_read_again_and_another_scale_is_refused() -> None:
    integers = quantize(normalised(), SAMPLES).graph
    stored = graph_to_json(integers)
    constants = {name: t.data for name, t in integers.tensors.items() if t.data is not None}
    assert ops(read_graph(json.dumps(stored).encode(), constants)) == ops(integers)
    (node,) = [node for node in stored["nodes"] if node["op"] == "restate"]
    node["attrs"] = {"scale": 2.0, "shift": 0.0}
    with pytest.raises(ValueError, match="not that of its input"):
        read_graph(json.dumps(stored).encode(), constants)
