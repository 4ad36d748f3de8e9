"""Do layers alike share their code, whatever the scales and zero points of their outputs are?"""

from collections.abc import Callable

import numpy as np
import pytest
from casework import activation, bias, output_scale, weight
from matrix_rows import MACHINES

from firmnet.codegen.model import model_sources
from firmnet.devices import core, host
from firmnet.devices.runner import Model, Request, Runner, from_graph
from firmnet.interpret import run_int
from firmnet.ir import Graph, Node, Port
from firmnet.ops import OPS
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.linear import LinearAttrs
from firmnet.targets import Isa

WIDE = 48
"""Inputs enough that their code is worth sharing."""
OUTPUTS = [(1.0, -7), (0.2, 30), (1.7, -128), (1.0, 30)]
"""Factor of an output's usual scale, and its zero point."""
ONE_SHIFT = [(1.0, 0), (0.8, 9)]


def chain(name: str, op: str, outputs: list[tuple[float, int]]) -> Graph:
    """Layers of one shape, one after the other: 5 x 3 pixels or rows of WIDE values."""
    shape = (1, 5, 3, WIDE)
    attrs, kernel = (Conv2dAttrs(), (1, 1)) if op == "conv2d" else (LinearAttrs(), ())
    tensors, nodes, x = [activation("x", shape)], [], activation("x", shape)
    for i, (factor, zero_point) in enumerate(outputs):
        w = weight(f"w{i}", (WIDE, *kernel, WIDE), seed=i)
        b = bias(f"b{i}", x, w, seed=i)
        y = activation(f"y{i}", shape, factor * output_scale(x, w), zero_point)
        nodes.append(Node(f"y{i}", op, attrs, (x.name, w.name, b.name), (y.name,)))
        tensors += [w, b, y]
        x = y
    return Graph(name, tuple(nodes), {t.name: t for t in tensors}, (Port("x", "x"),), (Port("y", x.name),))


def shifts(graph: Graph) -> set[int]:
    return {OPS[node.op].prepare(graph.call(node))["requant"].shift for node in graph.nodes}


def source(graph: Graph) -> str:
    return model_sources(graph, isa=Isa.DSP)[f"{graph.name}.c"]


def tile_functions(graph: Graph) -> int:
    """How many functions have a `#define` that layers below find them by: once for each, however often."""
    return len({line for line in source(graph).splitlines() if line.startswith("#define tile_")})


@pytest.mark.parametrize("op", ["conv2d", "linear"])
def test_layers_alike_share_their_functions(op: str) -> None:
    differing = chain("differing", op, OUTPUTS)
    assert len(shifts(differing)) > 1
    assert tile_functions(differing) == 2  # of four pixels, and of the three that remain
    assert "int32_t shift" in source(differing)
    moved = chain("moved", op, ONE_SHIFT)
    assert len(shifts(moved)) == 1
    assert tile_functions(moved) == 2
    assert "int32_t rounding" in source(moved)
    assert "int32_t shift" not in source(moved)
    assert "int32_t rounding" not in source(chain("alone", op, [(1.0, 0)]))


@pytest.mark.parametrize(
    "build", [host.executable, lambda models: core.image(models, MACHINES["core"])], ids=["host", "core"]
)
def test_what_they_share_is_right_for_each(build: Callable[[list[Model]], Runner]) -> None:
    graphs = [
        chain(f"{op}_{i}", op, outputs)
        for op in ("conv2d", "linear")
        for i, outputs in enumerate([OUTPUTS, ONE_SHIFT])
    ]
    x = np.random.default_rng(0).integers(-128, 128, (20, *graphs[0].tensors["x"].shape)).astype(np.int8)
    runner = build([from_graph(graph, isa=Isa.DSP) for graph in graphs])
    answers = runner.ask([Request(graph.name, x.reshape(len(x), -1)) for graph in graphs])
    for graph, answer in zip(graphs, answers, strict=True):
        expected = np.stack([run_int(graph, each).ravel() for each in x])
        np.testing.assert_array_equal(answer.outputs, expected)
        assert len(np.unique(expected)) > 100
