"""Is it said what a set of inputs reaches of a network, and what it does not?"""

import numpy as np
import pytest
from casework import activation, bias, output_scale, weight

from firmnet.coverage import Coverage, Reached, clipped_share, most_telling
from firmnet.inputs import KEPT_INPUTS, NOISE, kept
from firmnet.interpret import int_values
from firmnet.ir import Array, Graph, Node, Port, QParams, Tensor
from firmnet.manifest import edges_of
from firmnet.ops import OPS


def network() -> Graph:
    """linear 6 → 4, whose last channel is dead, then a linear 4 → 3."""
    x = activation("x", (1, 6))
    w, v = weight("w", (4, 6), 1), weight("v", (3, 4), 2)
    values = w.values.copy()
    values[3] = 0
    w = Tensor("w", w.shape, w.qparams, values)
    hidden = Tensor("hidden", (1, 4), QParams((output_scale(x, w),), 0))
    scores = Tensor("scores", (1, 3), QParams((output_scale(hidden, v),), 0))
    tensors = (x, w, v, bias("b", x, w, 1), bias("c", hidden, v, 2), hidden, scores)
    linear = OPS["linear"].attrs()
    nodes = (
        Node("hidden", "linear", linear, ("x", "w", "b"), ("hidden",)),
        Node("scores", "linear", linear, ("hidden", "v", "c"), ("scores",)),
    )
    return Graph("net", nodes, {t.name: t for t in tensors}, (Port("x", "x"),), (Port("scores", "scores"),))


def coverage_of(*inputs: Array) -> Coverage:
    reached = Reached(network())
    for x in inputs:
        reached.add(int_values(reached.graph, x))
    return reached.coverage()


def noise(count: int) -> list[Array]:
    return list(np.random.default_rng(0).integers(-128, 128, (count, 6)).astype(np.int8))


def test_channels_that_never_vary_are_counted() -> None:
    found = coverage_of(*noise(20))
    assert [(layer.name, layer.varying_channels, layer.channels) for layer in found.layers] == [
        ("hidden", 3, 4),
        ("scores", 3, 3),
    ]
    assert found.weakness == ""
    assert found.sentence() == "every layer varies over the 20 inputs, 1 of 7 channels never do"


@pytest.mark.parametrize("count", [1, 4])
def test_one_constant_input_proves_little(count: int) -> None:
    found = coverage_of(*[np.zeros(6, np.int8)] * count)
    head = "there is only one" if count == 1 else "the outputs never vary"
    assert found.weakness == f"{head}; hidden, scores stay constant"
    assert not found.outputs_vary


def two_ports() -> Graph:
    """The sum of two inputs, and the second as it came under another shape."""
    x, y, total = activation("x", (1, 6)), activation("y", (1, 6)), activation("total", (1, 6))
    turned = Tensor("turned", (1, 2, 3), y.qparams)
    nodes = (
        Node("total", "add", OPS["add"].attrs(), ("x", "y"), ("total",)),
        Node("turned", "reshape", OPS["reshape"].attrs((1, 2, 3)), ("y",), ("turned",)),
    )
    tensors = {t.name: t for t in (x, y, total, turned)}
    outputs = (Port("total", "total"), Port("turned", "turned"))
    return Graph("two", nodes, tensors, (Port("x", "x"), Port("y", "y")), outputs)


def test_one_of_several_inputs_or_outputs_that_never_varies_is_named() -> None:
    """Though every layer varies, for the other input does."""
    reached = Reached(two_ports())
    for x in noise(5):
        reached.add(int_values(reached.graph, x, np.full(6, 3, np.int8)))
    assert reached.coverage().weakness == "input 'y', output 'turned' never vary"
    for x in noise(5):
        reached.add(int_values(reached.graph, x, x))
    assert reached.coverage().weakness == ""


def test_layers_at_the_ends_of_their_range_are_named() -> None:
    graph = network()
    reached = Reached(graph)
    for level in (127, -128):
        full = {name: np.full(t.shape, level, np.int8) for name, t in graph.tensors.items() if t.data is None}
        reached.add(full)
    found = reached.coverage()
    assert found.layers[0].saturated == 1
    assert found.weakness == "hidden, scores saturate"


def test_the_share_of_clipped_values() -> None:
    x = np.array([-1.29, -1.28, 0.0, 1.27, 1.274, 1.28], np.float32)
    assert clipped_share([x], [QParams((0.01,))]) == pytest.approx(2 / 6)
    assert clipped_share([x], [QParams((0.02,))]) == 0


def test_clipping_and_saturation_are_told_in_one_line() -> None:
    reached = Reached(network())
    for x in noise(5):
        reached.add(int_values(reached.graph, x))
    told = reached.coverage(clipped=0.125).limits()
    assert told.startswith(
        "12.5% of the input values lie beyond the calibrated range and were clipped; at most "
    )
    assert reached.coverage().limits() == ""


def test_inputs_are_chosen_for_what_they_move() -> None:
    zeros, varied = np.zeros(6, np.int8), noise(4)
    graph = network()
    assert most_telling(graph, [(zeros,), (zeros,), (zeros,), (varied[0],), (zeros,)], 1, 3) == [0, 3, 1]
    samples = [(x,) for x in (zeros, *varied)]
    assert most_telling(graph, samples, 1, 9) == most_telling(graph, samples, 1, 9)
    assert len(most_telling(graph, samples, 1, 9)) == 5


def test_where_every_channel_varies_the_first_inputs_are_chosen() -> None:
    """That of which no other is asked: at most so many, and those that are certain though they are more."""
    graph, samples = two_ports(), [(x, x) for x in noise(9)]
    assert most_telling(graph, samples, 4, 6) == [0, 1, 2, 3, 4, 5]
    assert most_telling(graph, samples, 4, 3) == [0, 1, 2, 3]
    assert most_telling(graph, samples, 4, 20) == list(range(9))


def test_inputs_that_are_alike_are_not_verified_with_the_same_noise() -> None:
    """What is in both alike would leave a network that compares them where it is."""
    x, y, total = (activation(name, (1, 6)) for name in ("x", "y", "total"))
    node = Node("total", "add", OPS["add"].attrs(), ("x", "y"), ("total",))
    ports = Port("x", "x"), Port("y", "y")
    graph = Graph("net", (node,), {t.name: t for t in (x, y, total)}, ports, (Port("total", "total"),))
    given = np.linspace(-1, 1, 120, dtype=np.float32).reshape(20, 6)
    left, right = kept(graph, edges_of(graph, graph.inputs), (given, given))
    assert left.shape == right.shape == (KEPT_INPUTS, 6)
    assert (left != right).any(axis=1).sum() >= NOISE
