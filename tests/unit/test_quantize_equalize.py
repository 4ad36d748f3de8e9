"""Do equalized channels compute the same and lose less, and do corrected biases; and only where they help?"""

from collections.abc import Callable

import numpy as np
import pytest

from firmnet import interpret
from firmnet.frontends.common.builder import Builder
from firmnet.ir import Array, Graph, Tensor
from firmnet.ops.spec import OPS
from firmnet.quantize import output_snr, quantize
from firmnet.quantize.equalize import equalized

SHAPE = (1, 6, 6, 4)
UNEVEN = np.geomspace(1, 1000, 8)


class Net:
    """Grows on one image; weights are drawn."""

    def __init__(self, seed: int = 0) -> None:
        self.rng, self.builder = np.random.default_rng(seed), Builder("net")
        self.input = self.builder.input("image", SHAPE)

    def conv(
        self, x: Tensor, size: tuple[int, ...], name: str, gains: Array | float = 1.0, lo: float | None = 0.0
    ) -> Tensor:
        groups = x.shape[3] // size[3]
        weight = self.rng.normal(size=size) / np.sqrt(np.prod(size[1:]))
        weight = weight * np.broadcast_to(gains, size[0]).reshape(-1, 1, 1, 1)
        bias = self.rng.normal(size=size[0]) * gains / 4
        constants = [self.builder.constant(f"{name}_{i}", value) for i, value in enumerate((weight, bias))]
        return self.builder.add("conv2d", OPS["conv2d"].attrs(groups=groups, lo=lo), x, *constants, name=name)

    def add(self, op: str, x: Tensor, **options: object) -> Tensor:
        return self.builder.add(op, OPS[op].attrs(**options), x, name=op)

    def graph(self, output: Tensor) -> Graph:
        return self.builder.graph(self.input, output)


def samples(count: int = 16) -> Array:
    return np.random.default_rng(9).normal(size=(count, *SHAPE[1:])).astype(np.float32)


def normalised(net: Net) -> Tensor:
    """A batch norm behind a ReLU is a factor for each channel; before it they share one range."""
    x = net.conv(net.input, (8, 1, 1, 4), "uneven", UNEVEN)
    x = net.conv(x, (8, 1, 1, 1), "norm", 1 / UNEVEN, lo=None)
    return net.conv(x, (3, 3, 3, 8), "last", lo=None)


def pooled(net: Net) -> Tensor:
    x = net.conv(net.input, (8, 1, 1, 4), "uneven", UNEVEN)
    x = net.add("max_pool2d", x, kernel=(2, 2), stride=(2, 2))
    x = net.add("avg_pool2d", x, kernel=(2, 2), stride=(1, 1))
    x = net.add("transpose", x, order=(0, 3, 1, 2))
    x = net.add("reshape", x, shape=(1, x.size))
    weight = net.rng.normal(size=(3, 8, 4)) / UNEVEN[:, None]
    constants = net.builder.constant("w", weight.reshape(3, 32)), net.builder.constant("b", np.zeros(3))
    return net.builder.add("linear", OPS["linear"].attrs(), x, *constants, name="last")


@pytest.mark.parametrize("network", [normalised, pooled])
def test_uneven_channels_are_equalized(network: Callable[[Net], Tensor]) -> None:
    net = Net()
    graph = net.graph(network(net))
    plain = quantize(graph, samples(), equalize=False)
    made = quantize(graph, samples())
    assert made.found_ranges is not None
    assert "uneven" in made.found_ranges.equalized
    before, after = (output_snr(graph, each.graph, samples()) for each in (plain, made))
    assert after > before + 6
    assert f"equalized (before: {made.found_ranges.unequal_db:.1f} dB)" in made.found_ranges.line()


@pytest.mark.parametrize("network", [normalised, pooled])
def test_equalized_networks_compute_the_same(network: Callable[[Net], Tensor]) -> None:
    net = Net()
    graph = net.graph(network(net))
    other, layers = equalized(graph, [(x,) for x in samples()])
    assert "uneven" in layers
    for x in samples(4):
        np.testing.assert_array_equal(interpret.run_float(other, x), interpret.run_float(graph, x))


def bounded(net: Net) -> Tensor:
    return net.conv(
        net.add("clamp", net.conv(net.input, (8, 1, 1, 4), "uneven", UNEVEN), lo=0.0, hi=6.0),
        (3, 1, 1, 8),
        "last",
    )


def added(net: Net) -> Tensor:
    x = net.conv(net.input, (8, 1, 1, 4), "uneven", UNEVEN)
    return net.builder.add("add", OPS["add"].attrs(), net.conv(x, (8, 1, 1, 8), "last"), x, name="sum")


@pytest.mark.parametrize("network", [bounded, added])
def test_factors_that_another_layer_would_see_stay(network: Callable[[Net], Tensor]) -> None:
    net = Net()
    graph = net.graph(network(net))
    assert "uneven" not in equalized(graph, [(x,) for x in samples()])[1]


def skewed() -> Graph:
    """All weights but one are rounded down by 0.4 of a step, and inputs are positive."""
    builder = Builder("net")
    x = first = builder.input("line", (1, 64))
    weight = np.full((2, 64), 10.4 / 127)
    weight[:, 0] = 1.0
    weight[1] *= np.where(np.arange(64) % 2, 1.0, -1.0)
    constants = builder.constant("w", weight), builder.constant("b", np.zeros(2))
    x = builder.add("linear", OPS["linear"].attrs(), x, *constants, name="fc")
    return builder.graph(first, x)


def lines() -> Array:
    return np.random.default_rng(3).uniform(0.5, 1.0, (24, 64)).astype(np.float32)


def test_what_is_wrong_on_average_goes_into_the_bias() -> None:
    plain, made = (quantize(skewed(), lines(), correct=each, compensate=False) for each in (False, True))
    assert made.found_ranges is not None
    assert made.found_ranges.corrected == ("fc",)
    before, after = (output_snr(skewed(), each.graph, lines()) for each in (plain, made))
    assert after > before + 3
    assert "biases of fc corrected" in made.found_ranges.line()
    assert made.quality[-1].snr_db > plain.quality[-1].snr_db + 3


def test_both_repeat() -> None:
    net = Net()
    graph = net.graph(normalised(net))
    first, second = quantize(graph, samples()), quantize(graph, samples())
    assert first.found_ranges == second.found_ranges
    assert first.quality == second.quality
