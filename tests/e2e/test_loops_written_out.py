"""What becomes of a loop over time with a cell of one's own? Steps that are the same layers, stored once."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import firmnet
from firmnet.codegen.model import library
from firmnet.frontends.torch.export import load
from firmnet.ir import Array, Graph, QParams
from firmnet.passes import optimize
from firmnet.quantize import apply, calibrate, quantize
from firmnet.quantize.repeated import adding_up, from_itself, repeated
from firmnet.targets import Isa
from firmnet.verify import verify

UNITS = 6


class Cell(nn.Module):
    """A minimal gated unit over `steps`, and a linear layer."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.gate, self.new = nn.Linear(3 + UNITS, UNITS), nn.Linear(3 + UNITS, UNITS)
        self.last, self.steps = nn.Linear(UNITS, 2), steps

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(1, UNITS)
        for step in x.unbind(1):
            f = torch.sigmoid(self.gate(torch.cat((step, h), 1)))
            new = torch.tanh(self.new(torch.cat((step, f * h), 1)))
            h = (1 - f) * h + f * new
        scores: Tensor = self.last(h)
        return scores


@cache
def imported(steps: int) -> tuple[Graph, Array]:
    torch.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((32, steps, 3)).astype(np.float32)
    return optimize(load(Cell(steps).eval(), "net", (torch.tensor(x[:1]),)).graph), x


def scales(graph: Graph, names: list[str]) -> set[QParams]:
    return {graph.tensors[name].q for name in names if name in graph.tensors}


def test_what_stands_in_one_place_of_all_steps_is_found() -> None:
    graph, _ = imported(8)
    places = [names for names in repeated(graph) if "unbind" not in names[0]]
    weighted = [node.output for node in graph.nodes if node.op == "linear"]
    (gates,) = (names for names in places if weighted[0] in names)
    assert gates == weighted[:-1:2]
    steps = {name: places.index(names) for names in places for name in names}
    assert all(len(names) in (7, 8) for names in places)
    products = [node.output for node in graph.nodes if node.op == "mul"]
    assert len({steps[name] for name in products[-3:]}) == 3  # f·h, (1 − f)·h and f·new of the last step


def test_what_adds_up_is_what_sums_hand_on() -> None:
    graph, _ = imported(8)
    names = adding_up(graph)
    assert {*names} < {*from_itself(graph)}
    sums = [node for node in graph.nodes if node.op == "add"]
    assert {name for node in sums for name in (node.output, *node.inputs)} <= {*names}
    assert not any(graph.producer(name).op == "linear" for name in names)  # type: ignore[union-attr]


def test_steps_cost_no_constants_no_functions_and_no_calls() -> None:
    graph, x = imported(8)
    observed = calibrate(graph, x)

    def stored(in_step: bool) -> tuple[list[int], set[str], int]:
        made = library(apply(graph, replace(observed, in_step=in_step)), isa=Isa.DSP)
        names = {function.name for layer in made.layers for function in layer.functions.values()}
        return (
            [layer.flash_bytes for layer in made.layers],
            names,
            made.files["net.c"].count("done(observer,"),
        )

    sizes, functions, calls = stored(in_step=True)
    own_sizes, own_functions, own_calls = stored(in_step=False)
    third_step_on = len(sizes) // 3  # the first has fewer layers, the second some of its own
    assert not any(sizes[third_step_on:-1])
    assert sum(own_sizes[third_step_on:-1]) > 2 * sum(sizes)
    assert len(own_functions) > 3 * len(functions)
    assert own_calls > 2 * calls


def test_steps_share_scales_where_the_outputs_lose_nothing(tmp_path: Path) -> None:
    """It is told why, and what runs is what the oracle says."""
    _, x = imported(8)
    torch.manual_seed(0)
    made = firmnet.compile(Cell(8).eval(), x, board="netduinoplus2", name="net")
    found = made.found_ranges
    assert found is not None
    assert found.steps is not None
    assert found.steps.count == 8
    assert found.steps.shared == (found.steps.shared_db[-1] >= found.steps.own_db - 0.2)
    assert found.steps.shared
    assert "the 8 steps of a loop share scales" in found.line()
    assert made.firmware.manifest.inputs[0].dtype == "int8"
    for names in repeated(made.float_graph):
        assert len(scales(made.graph, names[1:])) == 1, names  # the first step joins x with constants
    artifact = made.save(tmp_path / "net")
    with firmnet.open("host", artifact) as device:
        assert verify(artifact, device, artifact.samples, layers=True).ok


def test_asked_for_int8_nothing_becomes_int16() -> None:
    """Of a signal that dies away."""
    graph, x = imported(5)
    fading = x * 10.0 ** -np.arange(5, dtype=np.float32)[:, None]
    found = quantize(graph, fading, precision="int8")
    assert found.found_ranges is not None
    steps = found.found_ranges.steps
    assert steps is not None
    assert steps.shared_db == (steps.shared_db[0],)
    assert steps.shared == (steps.shared_db[0] >= steps.own_db - 0.2)
    assert not steps.wide
    assert not steps.shared
    assert "the 5 steps of a loop keep scales of their own" in found.found_ranges.line()
    assert max(len(scales(found.graph, names)) for names in repeated(graph)) > 1
