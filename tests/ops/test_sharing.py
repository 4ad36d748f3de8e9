"""Do layers alike share their code, whatever the scales and zero points of their outputs are?"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from casework import activation, bias, output_scale, weight
from matrix_rows import MACHINES
from together import together

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
SHIFTS = [(1.0, 0), (2.9, 0), (0.7, 0), (1.0, 0)]
ONE_SHIFT = [(1.0, 0), (0.8, 9)]


DEPTHWISE = {
    "depthwise": ((1, 25, 5, WIDE), 3, 1),
    "depthwise of 5x5": ((1, 9, 8, WIDE), 5, 1),
    "quads": ((1, 5, 3, WIDE), 3, 1),
    "bands": ((1, 10, 22, 8), 3, 2),
    "looped": ((1, 13, 14, 3), 3, 1),
    "looped of 9x9": ((1, 12, 12, 8), 9, 1),
    "upright of a row": ((1, 1, 5, WIDE), 3, 1),
}
"""Functions, as the first word names them → an image that they run, the size of the kernel, its dilation."""


def chain(name: str, op: str, outputs: list[tuple[float, int]]) -> Graph:
    """Layers of one shape, one after the other: 5 x 3 pixels or rows of WIDE values; `heavy` ones of 64.

    `fours` has five pixels: the last tile, of two, takes four channels at once.
    """
    shape, size, dilation = DEPTHWISE.get(op, ((1, 5, 3, WIDE), 1, 1))
    depth = 1 if op in DEPTHWISE else WIDE
    if op == "fours":
        op, shape = "conv2d", (1, 1, 5, WIDE)
    attrs, kernel = (Conv2dAttrs(), (1, 1)) if op == "conv2d" else (LinearAttrs(), ())
    if op in DEPTHWISE:
        around = (size // 2 * dilation,) * 4
        attrs = Conv2dAttrs(groups=shape[3], padding=around, dilation=(dilation, dilation))
        op, kernel = "conv2d", (size, size)
    heavy = op == "heavy"
    if heavy:
        op, attrs, kernel, shape, depth = (
            "conv2d",
            Conv2dAttrs(padding=(1, 1, 1, 1)),
            (3, 3),
            (1, 5, 3, 64),
            64,
        )
    tensors, nodes, x = [activation("x", shape)], [], activation("x", shape)
    for i, (factor, zero_point) in enumerate(outputs):
        w = weight(f"w{i}", (shape[-1], *kernel, depth), seed=i)
        if heavy:
            w = replace(w, data=np.where(w.values < 0, -127, 127).astype(np.int8))
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
    assert "#define fours_" in source(chain("five", "fours", OUTPUTS))


def depthwise_functions(graph: Graph, kernel: str) -> set[str]:
    begin = f"#define {kernel.split()[0]}_"
    return {line for line in source(graph).splitlines() if line.startswith(begin)}


@pytest.mark.parametrize("kernel", DEPTHWISE)
def test_depthwise_layers_alike_share_their_functions(kernel: str) -> None:
    """All but the first, whose input has another zero point."""
    differing = chain("differing", kernel, SHIFTS)
    assert len(shifts(differing)) > 1
    alone = depthwise_functions(chain("alone", kernel, SHIFTS[:1]), kernel)
    assert 0 < len(depthwise_functions(differing, kernel)) <= 2 * len(alone)
    told = "int32_t shift" if "of" in kernel.split() else "int32_t doublings"
    assert told in source(differing)
    ways = (chain("moved", kernel, [(1.0, 0), (factor, 0), (factor, 9)]) for factor in (1.0, 0.85))
    moved = next(graph for graph in ways if len(shifts(graph)) == 1)
    assert "int32_t rounding" in source(moved)
    assert told not in source(moved)


@pytest.mark.parametrize(
    "build", [host.executable, lambda models: core.image(models, MACHINES["core"])], ids=["host", "core"]
)
def test_what_they_share_is_right_for_each(build: Callable[[list[Model]], Runner]) -> None:
    graphs = [
        chain(f"{op.replace(' ', '_')}_{i}", op, outputs)
        for op in ("conv2d", "fours", "linear", "heavy", *DEPTHWISE)
        for i, outputs in enumerate([OUTPUTS, SHIFTS, ONE_SHIFT])
    ]
    noise = np.random.default_rng(0)
    inputs = [noise.integers(-128, 128, (20, *g.tensors["x"].shape)).astype(np.int8) for g in graphs]
    runner = build(together([from_graph(graph, isa=Isa.DSP) for graph in graphs]))
    asked = [Request(g.name, x.reshape(len(x), -1)) for g, x in zip(graphs, inputs, strict=True)]
    for graph, x, answer in zip(graphs, inputs, runner.ask(asked), strict=True):
        expected = np.stack([run_int(graph, each).ravel() for each in x])
        np.testing.assert_array_equal(answer.outputs, expected)
        assert len(np.unique(expected)) > 100
