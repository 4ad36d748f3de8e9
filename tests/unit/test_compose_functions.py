"""When do functions of one value become one table, and what do they compute then?"""

from collections.abc import Callable

import numpy as np
import pytest

from firmnet.frontends.common.affine import affine
from firmnet.frontends.common.builder import Builder
from firmnet.interpret import run_float
from firmnet.ir import Dtype, Graph, QParams, Tensor
from firmnet.ops import OPS
from firmnet.ops.add import AddAttrs
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.functions import CurveStep, TableAttrs, single
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.mul import MulAttrs
from firmnet.ops.tables import LEVELS, everywhere, table, wide_table
from firmnet.passes import optimize
from firmnet.passes.compose_functions import compose_functions

Network = Callable[[Builder, Tensor], Tensor]


def grown(network: Network, shape: tuple[int, ...] = (1, 3, 4)) -> Graph:
    builder = Builder("net")
    x = builder.input("x", shape)
    return builder.graph(x, network(builder, x))


def function(b: Builder, x: Tensor, name: str, *options: float) -> Tensor:
    return b.add("table", single(name, *options), x, name=name)


def product(b: Builder, x: Tensor, y: Tensor, *bounds: float) -> Tensor:
    return b.add("mul", MulAttrs(*bounds), x, y, name="product")


def composed(graph: Graph) -> list[str]:
    """The ops that are left; what they compute has not changed."""
    after = compose_functions(graph)
    data = np.random.default_rng(0).normal(size=graph.tensors[graph.input].shape)
    np.testing.assert_allclose(run_float(after, data), run_float(graph, data), rtol=1e-12, atol=1e-12)
    return [node.op for node in after.nodes]


def by_hand(b: Builder, x: Tensor) -> Tensor:
    """x · relu6(x + 3) / 6"""
    gate = b.add("clamp", ClampAttrs(0.0, 6.0), affine(b, x, 1.0, 3.0))
    return affine(b, product(b, x, gate), 1 / 6, 0.0)


@pytest.mark.parametrize(
    "network",
    [
        lambda b, x: product(b, x, function(b, x, "sigmoid")),
        lambda b, x: product(b, function(b, x, "sigmoid"), x, 0.0),
        by_hand,
        lambda b, x: affine(b, function(b, affine(b, x, 0.5, 0.1), "tanh"), -2.0, 1.0),
        lambda b, x: b.add("add", AddAttrs(), function(b, x, "exp"), function(b, x, "sin")),
        lambda b, x: product(b, x, x),
        lambda b, x: affine(b, x, -1.0, 0.0),
    ],
    ids=["silu", "relu_of_silu", "hardswish", "chain", "two_branches", "square", "factor"],
)
def test_is_one_table(network: Network) -> None:
    assert composed(grown(network)) == ["table"]


def test_many_ways_back_are_gone_once() -> None:
    """Of 40 gates in a row there are 2^40 ways to the input."""

    def network(b: Builder, x: Tensor) -> Tensor:
        for _ in range(40):
            x = product(b, x, function(b, x, "sigmoid"))
        return x

    assert set(composed(grown(network))) == {"table"}


def test_the_name_and_the_sources_stay() -> None:
    def network(b: Builder, x: Tensor) -> Tensor:
        b.source = "net.first: exp"
        y = function(b, x, "exp")
        b.source = "net.second: sin"
        return function(b, y, "sin")

    (node,) = compose_functions(grown(network)).nodes
    assert (node.name, node.source) == ("sin", "net.first: exp + net.second: sin")


def test_what_is_read_elsewhere_stays_and_is_read_where_it_lies() -> None:
    def network(b: Builder, x: Tensor) -> Tensor:
        y = function(b, x, "exp")
        weight, bias = b.constant("w", np.ones((4, 4))), b.constant("b", np.zeros(4))
        return b.add(
            "add", AddAttrs(), function(b, y, "sin"), b.add("linear", LinearAttrs(), y, weight, bias)
        )

    assert composed(grown(network)) == ["table", "table", "linear", "add"]


def test_values_that_meet_again_are_one_table_though_one_is_read_elsewhere() -> None:
    def network(b: Builder, x: Tensor) -> Tensor:
        gate = function(b, x, "sigmoid")
        weight, bias = b.constant("w", np.ones((4, 4))), b.constant("b", np.zeros(4))
        other = b.add("linear", LinearAttrs(), gate, weight, bias)
        return b.add("add", AddAttrs(), product(b, x, gate), other)

    assert composed(grown(network)) == ["table", "linear", "table", "add"]


def test_a_result_of_the_model_stays() -> None:
    builder = Builder("net")
    x = builder.input("x", (1, 4))
    y = function(builder, x, "exp")
    graph = builder.graph(x, {"between": y, "end": function(builder, y, "sin")})
    assert [node.op for node in compose_functions(graph).nodes] == ["table", "table"]


@pytest.mark.parametrize(
    "network",
    [
        lambda b, x: affine(b, x, np.array([1.0, 2.0, 3.0, 4.0]), 0.0),
        lambda b, x: product(b, x, b.add("reshape", OPS["reshape"].attrs((1, 3, 4)), x)),
        lambda b, x: b.add("clamp", ClampAttrs(0.0), x),
    ],
    ids=["per_channel", "of_two", "clamp_alone"],
)
def test_is_no_table(network: Network) -> None:
    graph = grown(network)
    assert composed(graph) == [node.op for node in graph.nodes]


def test_a_clamp_behind_a_layer_stays_the_layers() -> None:
    def network(b: Builder, x: Tensor) -> Tensor:
        weight, bias = b.constant("w", np.ones((4, 4))), b.constant("b", np.zeros(4))
        y = b.add("linear", LinearAttrs(), x, weight, bias)
        return function(b, b.add("clamp", ClampAttrs(0.0), y), "sigmoid")

    after = optimize(grown(network))
    assert [(node.op, getattr(node.attrs, "lo", None)) for node in after.nodes] == [
        ("linear", 0.0),
        ("table", None),
    ]


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (CurveStep("softmax"),),
        (CurveStep("elu"),),
        (CurveStep("mul", (), (0, 1)),),
        (CurveStep("abs", (), (-1,)),),
        (CurveStep("abs", (), (0, 0)),),
        (CurveStep("abs"),) * 201,
    ],
)
def test_steps_that_nobody_wrote_are_refused(steps: tuple[CurveStep, ...]) -> None:
    with pytest.raises(ValueError, match=r"function|reads"):
        OPS["table"].shape(TableAttrs(steps), (1, 4))


def test_no_number_has_the_nearest_entry_and_infinity_saturates() -> None:
    x, y = QParams((0.1,), 0), QParams((0.1,), 10)
    with np.errstate(all="ignore"):
        roots, logarithms, inverse = (table(x, y, f) for f in (np.sqrt, np.log, lambda v: 1 / v))
    assert set(roots[:129]) == {10}
    assert set(logarithms[:129]) == {-128}
    assert (inverse[127], inverse[128], inverse[129]) == (-90, 127, 110)
    assert roots[128 + 100] == 10 + round(10 * np.sqrt(10.0))


def test_of_two_neighbours_the_later_counts() -> None:
    nan = np.nan
    np.testing.assert_array_equal(
        everywhere(np.array([nan, 1, nan, 2, nan, nan, 3, nan])), [1, 1, 2, 2, 2, 3, 3, 3]
    )
    with pytest.raises(ValueError, match="no number for any input"):
        everywhere(np.full(len(LEVELS), nan))


@pytest.mark.filterwarnings("error")
def test_what_leaves_float64_saturates() -> None:
    x, fine = QParams((5.55,)), QParams((1e-4,))
    assert table(x, fine, np.exp)[-1] == 127
    wide = wide_table(QParams((0.0215,), 0, Dtype.INT16), QParams((1e-4,), 0, Dtype.INT16), np.exp)
    assert wide["entries"][-1] == wide["entries"].max() > 0
