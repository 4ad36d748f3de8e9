"""Does the integer graph compute what the float graph computes, with scales where they belong?"""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from firmnet import interpret
from firmnet.errors import UserError
from firmnet.frontends.common.builder import Builder
from firmnet.ir import Array, Dtype, Graph, Tensor, check
from firmnet.ops.spec import OPS
from firmnet.quantize import calibrate, measure, poor_layers, poor_outputs, quantize
from firmnet.quantize.runs import float_runs


def attrs(op: str, **options: Any) -> Any:
    return OPS[op].attrs(**options)


class Net:
    """Grows a seeded network on one image input (channels last)."""

    def __init__(self, seed: int, *shape: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = Builder("net")
        self.input = self.builder.input("image", shape)

    def conv(self, x: Tensor, n_out: int, kernel: int = 3, name: str = "conv", **options: Any) -> Tensor:
        groups = options.get("groups", 1)
        shape = (n_out, kernel, kernel, x.shape[3] // groups)
        weight = self.rng.normal(size=shape) / math.sqrt(np.prod(shape[1:]))
        return self.weighted("conv2d", x, weight, self.rng.normal(size=n_out) / 4, name, **options)

    def linear(self, x: Tensor, n_out: int, name: str = "fc", **options: Any) -> Tensor:
        weight = self.rng.normal(size=(n_out, x.shape[-1])) / math.sqrt(x.shape[-1])
        return self.weighted("linear", x, weight, self.rng.normal(size=n_out) / 4, name, **options)

    def weighted(self, op: str, x: Tensor, w: Array, bias: Array, name: str, **options: Any) -> Tensor:
        b = self.builder
        constants = b.constant(f"{name}_weight", w), b.constant(f"{name}_bias", bias)
        return b.add(op, attrs(op, **options), x, *constants, name=name)

    def add(self, op: str, *inputs: Tensor, name: str = "", **options: Any) -> Tensor:
        return self.builder.add(op, attrs(op, **options), *inputs, name=name or op)

    def graph(self, output: Tensor) -> Graph:
        return self.builder.graph(self.input, output)

    def samples(self, count: int = 24) -> Array:
        return self.rng.normal(size=(count, *self.input.shape[1:])).astype(np.float32)


PAD = (1, 1, 1, 1)


def plain(net: Net) -> Tensor:
    x = net.conv(net.input, 8, padding=PAD, lo=0.0)
    x = net.add("max_pool2d", x, kernel=(2, 2), stride=(2, 2))
    x = net.conv(x, 12, name="second", stride=(2, 1), lo=0.0, hi=1.0)
    x = net.add("avg_pool2d", x, adaptive=(1, 1))
    x = net.add("reshape", x, shape=(1, x.size))
    return net.linear(x, 5)


def residual(net: Net) -> Tensor:
    x = net.conv(net.input, 6, padding=PAD, lo=0.0)
    y = net.conv(x, 6, name="inner", padding=PAD, lo=0.0)
    y = net.add("add", net.conv(y, 6, 1, name="outer"), x, lo=0.0)
    return net.linear(net.add("transpose", y, order=(0, 3, 1, 2)), 4)


def mobile(net: Net) -> Tensor:
    x = net.conv(net.input, 12, 1, name="expand", lo=0.0, hi=6.0)
    x = net.conv(x, 12, name="depthwise", groups=12, padding=PAD, lo=0.0, hi=6.0)
    return net.add("add", net.conv(x, net.input.shape[3], 1, name="project"), net.input)


def inception(net: Net) -> Tensor:
    x = net.conv(net.input, 6, lo=0.0)
    branches = [net.conv(x, 3, 1, name="a"), net.conv(x, 5, padding=PAD, name="b"), x]
    x = net.add("concat", *branches, axis=3)
    return net.conv(x, 4, 1, name="last")


def gate(net: Net) -> Tensor:
    x = net.conv(net.input, 6)
    return net.add("add", net.add("clamp", x, lo=0.0), x)


def squeeze_excite(net: Net) -> Tensor:
    x = net.conv(net.input, 6, lo=0.0)
    weights = net.conv(net.add("avg_pool2d", x, adaptive=(1, 1)), 6, 1, name="excite", lo=0.0, hi=1.0)
    return net.conv(net.add("mul", x, weights), 4, name="last")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ranges", ["mse", "minmax"])
@pytest.mark.parametrize("network", [plain, residual, mobile, inception, gate, squeeze_excite])
def test_the_integer_graph_tracks_the_float_graph(
    network: Callable[[Net], Tensor], ranges: Any, seed: int
) -> None:
    net = Net(seed, 1, 9, 8, 4)
    graph = net.graph(network(net))
    quantized = quantize(graph, net.samples(), ranges)
    check(quantized.graph)
    assert {n.name for n in graph.nodes} <= {n.name for n in quantized.graph.nodes}
    signal = noise = 0.0
    for x in net.samples(8):  # unseen
        real = interpret.run_float(graph, x)
        y = interpret.run_int(quantized.graph, interpret.quantize_sample(quantized.graph, x))
        signal += (real**2).sum()
        noise += ((quantized.graph.tensors[graph.output].q.to_real(y) - real) ** 2).sum()
    assert 10 * math.log10(signal / noise) > 22
    for row in quantized.quality:
        assert row.snr_db > 24, row
        assert row.own_snr_db > 28, row
    assert not poor_layers(quantized.quality)


def test_relu_owns_zero_point_minus_128_and_relu6_ends_at_six() -> None:
    net = Net(0, 1, 6, 6, 3)
    x = net.conv(net.input, 4, name="relu", lo=0.0)
    graph = net.graph(net.conv(x, 4, name="relu6", lo=0.0, hi=6.0))
    tensors = quantize(graph, 40 * net.samples(), "minmax").graph.tensors
    assert tensors["relu"].zero_point == tensors["relu6"].zero_point == -128
    assert tensors["relu6"].scale == pytest.approx(6 / 255)


def test_layers_that_move_data_share_their_scale() -> None:
    net = Net(1, 1, 6, 6, 3)
    x = net.conv(net.input, 4)
    for op, options in [
        ("max_pool2d", {"kernel": (2, 2), "stride": (1, 1)}),
        ("pad", {"before": (0, 1, 0, 0), "after": (0, 0, 1, 0)}),
        ("transpose", {"order": (0, 3, 1, 2)}),
        ("reshape", {"shape": (1, 64)}),
    ]:
        x = net.add(op, x, **options)
    quantized = quantize(net.graph(x), net.samples()).graph
    assert (
        len({t.qparams for name, t in quantized.tensors.items() if t.data is None and name != "image"}) == 1
    )
    assert len(quantized.nodes) == 5


def test_what_a_maximum_throws_away_does_not_widen_the_range() -> None:
    net = Net(2, 1, 8, 8, 3)
    x = net.conv(net.input, 4)
    graph = net.graph(net.add("max_pool2d", x, kernel=(4, 4), stride=(4, 4)))
    samples = net.samples()
    low = min(interpret.float_values(graph, s)["max_pool2d"].min() for s in samples)
    q = quantize(graph, samples, "minmax")
    assert (
        q.graph.tensors["conv"].q.to_real(np.array([-128]))[0] >= min(low, 0) - q.graph.tensors["conv"].scale
    )
    assert all(row.snr_db > 30 and row.clipped_fraction == 0 for row in q.quality)


def test_concat_lets_producers_write_with_its_scale() -> None:
    net = Net(3, 1, 6, 6, 3)
    pooled = net.add(
        "max_pool2d", net.conv(net.input, 4, name="a"), kernel=(3, 3), stride=(1, 1), padding=PAD
    )
    branches = [pooled, net.conv(net.input, 2, name="b")]
    graph = net.graph(net.add("concat", *branches, axis=3))
    quantized = quantize(graph, net.samples()).graph
    assert [n.op for n in quantized.nodes] == ["conv2d", "max_pool2d", "conv2d", "concat"]
    assert len({quantized.tensors[name].qparams for name in ("a", "b", "max_pool2d", "concat")}) == 1


def concat_of_input_with_itself(net: Net) -> Tensor:
    return net.add("concat", net.input, net.input, axis=3)


def concat_of_shared(net: Net) -> Tensor:
    x = net.conv(net.input, 3)
    return net.add("concat", x, net.conv(x, 3, 1, name="next"), axis=3)


def concat_of_softmax(net: Net) -> Tensor:
    chance = net.add("softmax", net.conv(net.input, 3), axis=3)
    chance = net.add("max_pool2d", chance, kernel=(2, 2), stride=(1, 1))
    return net.add("concat", chance, net.conv(net.input, 3, 4, name="other"), axis=3)


def concat_of_concat(net: Net) -> Tensor:
    a, b = net.conv(net.input, 2, 1, name="a"), net.conv(net.input, 3, 1, name="b")
    return net.add("concat", net.add("concat", a, net.input, axis=3, name="inner"), b, axis=3)


RESCALED = {
    concat_of_input_with_itself: ["image"],
    concat_of_shared: ["conv"],
    concat_of_softmax: ["max_pool2d"],
    concat_of_concat: ["image"],
}


@pytest.mark.parametrize("network", RESCALED)
def test_only_what_cannot_take_the_scale_is_rescaled(network: Callable[[Net], Tensor]) -> None:
    net = Net(4, 1, 6, 6, 3)
    graph = net.graph(network(net))
    quantized = quantize(graph, net.samples())
    assert [n.inputs[0] for n in quantized.graph.nodes if n.op == "rescale"] == RESCALED[network]
    assert all(row.snr_db > 28 for row in quantized.quality)


def test_softmax_keeps_its_scale_through_moves() -> None:
    net = Net(5, 1, 4, 4, 3)
    graph = net.graph(net.add("reshape", net.add("softmax", net.conv(net.input, 5), axis=3), shape=(1, 20)))
    tensors = quantize(graph, net.samples()).graph.tensors
    assert tensors["reshape"].qparams == tensors["softmax"].qparams == OPS["softmax"].output_qparams(None)


def digest(graph: Graph) -> list[object]:
    return [(n, t.qparams, None if t.data is None else t.data.tobytes()) for n, t in graph.tensors.items()]


@pytest.mark.parametrize("network", [plain, inception])
def test_quantization_repeats_and_ignores_the_order_of_samples(network: Callable[[Net], Tensor]) -> None:
    net = Net(6, 1, 9, 8, 4)
    graph, samples = net.graph(network(net)), net.samples()
    first = quantize(graph, samples)
    second, backwards = quantize(graph, samples), quantize(graph, samples[::-1])
    assert digest(second.graph) == digest(first.graph) == digest(backwards.graph)
    assert second.quality == first.quality


def test_a_dead_relu_and_a_dead_channel_break_nothing() -> None:
    net = Net(7, 1, 6, 6, 3)
    weight = net.rng.normal(size=(4, 1, 1, 3))
    weight[1], weight[2] = 0.0, 1e-14 * weight[2]
    x = net.weighted("conv2d", net.input, weight, np.array([0.0, 0.7, 0.9, -0.2]), "damaged")
    dead = net.weighted("conv2d", x, weight[..., :1].repeat(4, 3), np.full(4, -1e6), "dead", lo=0.0)
    graph = net.graph(net.add("concat", x, dead, axis=3))
    quantized = quantize(graph, net.samples())
    (x0,) = net.samples(1)
    y = interpret.run_int(quantized.graph, interpret.quantize_sample(quantized.graph, x0))
    out = quantized.graph.tensors[graph.output]
    error = np.abs(out.q.to_real(y) - interpret.run_float(graph, x0))
    steps = out.scale + quantized.graph.tensors["damaged"].scale
    assert error[..., 1:3].max() <= 0.51 * steps, "constant channels are rounded once, and once rescaled"
    assert (out.q.to_real(y)[..., 4:] == 0).all()


@pytest.mark.parametrize("gain", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("cancel", [1.0, 1e-5])
def test_numbers_of_any_size_become_a_layer(gain: float, cancel: float) -> None:
    """A small `cancel` makes outputs far smaller than the products that are summed."""
    net = Net(8, 1, 12)
    x = net.linear(net.input, 4, "first")
    weight = gain * np.array([[1.0, 1.0, cancel - 1.0, cancel - 1.0]])
    graph = net.graph(net.weighted("linear", net.add("add", x, x), weight, np.zeros(1), "last"))
    quantized = quantize(graph, net.samples())
    values = [
        interpret.int_values(quantized.graph, interpret.quantize_sample(quantized.graph, s))
        for s in net.samples()
    ]
    assert np.ptp([int(v["last"].item()) for v in values]) > 100


def test_an_output_finer_than_its_sums_gets_a_scale_that_exists() -> None:
    net = Net(9, 1, 40)
    bounds = {"lo": -1e-12, "hi": 1e-12}
    x = net.linear(net.input, 8)
    tiny = [net.linear(x, 2, name, **bounds) for name in ("a", "b")]
    graph = net.graph(
        net.add(
            "add",
            net.add("avg_pool2d", *[net.add("reshape", tiny[0], shape=(1, 1, 1, 2))]),
            net.add("reshape", tiny[1], shape=(1, 1, 1, 2)),
        )
    )
    tensors = quantize(graph, 1000 * net.samples()).graph.tensors
    for name in ("a", "b"):
        factor = tensors["fc"].scale * max(tensors[f"{name}_weight"].q.scale) / tensors[name].scale
        assert 2**-3 < factor < 2**15
        assert tensors[name].scale > 1e-12 / 127


def test_a_product_is_as_coarse_as_int32_makes_it() -> None:
    """Of two values from 0 to 255: shifted left by 15 bits it fits, by 16 it does not."""
    net = Net(10, 1, 9)
    x = net.add("clamp", net.input, lo=0.0)
    tensors = quantize(net.graph(net.add("mul", x, x, hi=1e-12)), net.samples()).graph.tensors
    assert 2**13 <= tensors["clamp"].scale ** 2 / tensors["mul"].scale < 2**14


def test_a_shared_weight_is_quantized_for_each_reader() -> None:
    net = Net(10, 1, 8)
    x = net.linear(net.input, 8, name="once")
    node = net.builder.nodes[-1]
    again = net.builder.add(
        "linear", node.attrs, x, *[net.builder.tensors[n] for n in node.inputs[1:]], name="again"
    )
    quantized = quantize(net.graph(again), 50 * net.samples())
    check(quantized.graph)
    once, twice = (quantized.graph.tensors[node.inputs[2]] for node in quantized.graph.nodes)
    assert once.name != twice.name
    assert once.q != twice.q
    assert all(row.snr_db > 28 for row in quantized.quality)


def test_a_layer_that_calibration_missed_is_called_poor() -> None:
    net = Net(11, 1, 6, 6, 3)
    graph = net.graph(net.conv(net.conv(net.input, 4, lo=0.0), 4, 1, name="last"))
    quantized = quantize(graph, net.samples())
    weights = quantized.graph.tensors["conv_weight"]
    broken = replace(weights, data=np.roll(weights.values, 1, axis=0))
    damaged = replace(quantized.graph, tensors={**quantized.graph.tensors, "conv_weight": broken})
    floats = float_runs(graph, net.samples())
    conv, last = measure(floats, floats.integers(damaged), calibrate(graph, net.samples()))
    assert conv.poor
    assert conv.own_snr_db < 10
    assert last.snr_db < last.own_snr_db, "the layer after it is good by itself"
    assert last.own_snr_db > 30
    assert "conv (" in poor_layers([conv, last])


def deep(net: Net, layers: int) -> Tensor:
    """Rotations in a row, so that no layer makes the signal smaller."""
    x = net.input
    for i in range(layers):
        turn = np.linalg.qr(net.rng.normal(size=(4, 4)))[0].reshape(4, 1, 1, 4)
        x = net.weighted("conv2d", x, turn, np.zeros(4), f"turn{i}")
    return x


def test_noise_that_adds_up_on_the_way_is_told_at_the_output_with_the_layers_to_widen() -> None:
    """Every layer is good by itself."""
    net = Net(13, 1, 6, 6, 4)
    graph = net.graph(deep(net, 40))
    samples = net.samples() ** 3
    made = quantize(graph, samples)
    assert not poor_layers(made.quality)
    assert made.quality[-1].snr_db < 20, "else this test says nothing"
    assert min(row.own_snr_db for row in made.quality) > 25
    sentence = poor_outputs(made.graph, made.quality)
    assert f"the output 'turn39' ({made.quality[-1].snr_db:.1f} dB)" in sentence
    worst = sorted(made.quality, key=lambda row: row.own_snr_db)[:3]
    assert " ".join(f"--precision {row.name}=int16" for row in worst) in sentence
    wider = quantize(graph, samples, precision=[f"{row.name}=int16" for row in worst])
    assert all(row.name not in poor_outputs(wider.graph, wider.quality) for row in worst)
    made = quantize(graph, samples, precision="int16")
    assert not poor_outputs(made.graph, made.quality)


@pytest.mark.parametrize("precision", ["int8", "int16"])
def test_what_is_told_to_be_widened_may_be_asked_for(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes between the types are layers of no one's, as before a layer that reads int8 alone."""
    monkeypatch.setattr(type(OPS["compare"]), "dtypes", (Dtype.INT8,))
    net = Net(13, 1, 6, 6, 4)
    steps = net.builder.add("compare", attrs("compare", relation="gt", constant=0.0), deep(net, 4))
    graph, samples = net.graph(steps), net.samples()
    made = quantize(graph, samples, precision=precision)
    assert ("rescale" in {node.op for node in made.graph.nodes}) == (precision == "int16")
    sentence = poor_outputs(made.graph, made.quality)
    assert sentence, "else this test says nothing"
    told = re.findall(r"--precision (\w+)=int16", sentence)
    assert bool(told) == (precision == "int8")
    quantize(graph, samples, precision=[precision, *(f"{name}=int16" for name in told)])


def test_progress_counts_samples_and_a_layer_beyond_numbers_is_an_error() -> None:
    net = Net(12, 1, 4)
    graph = net.graph(net.weighted("linear", net.input, np.full((1, 4), 1e155), np.zeros(1), "huge"))
    twice = net.graph(
        net.weighted("linear", net.builder.tensors["huge"], np.full((1, 1), 1e155), np.zeros(1), "more")
    )
    seen: list[tuple[int, int]] = []
    calibrate(graph, net.samples(3), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(UserError, match=r"sample 0 makes layer 'more' infinite or NaN"):
        calibrate(twice, net.samples(3))


def test_a_graph_that_passes_have_not_seen_is_refused() -> None:
    net = Net(13, 1, 4, 4, 3)
    b = net.builder
    constants = [b.constant(name, np.ones(3)) for name in ("scale", "shift")]
    graph = net.graph(b.add("batch_norm", attrs("batch_norm", axis=3), net.input, *constants, name="norm"))
    with pytest.raises(ValueError, match=r"'norm' \(batch_norm\) has no integer form: run passes.optimize"):
        quantize(graph, net.samples())


def test_a_softmax_over_hundreds_of_positions_is_not_drowned() -> None:
    net = Net(6, 1, 600)
    graph = net.graph(net.add("softmax", net.input, axis=1))
    quantized = quantize(graph, net.samples())
    scale = quantized.graph.tensors["softmax"].scale
    assert np.log2(scale) == round(np.log2(scale)) <= -10
    assert quantized.quality[-1].snr_db > 30
