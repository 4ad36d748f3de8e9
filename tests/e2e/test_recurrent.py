"""What becomes of recurrent networks of PyTorch? As few steps and copies as there can be."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import firmnet
from firmnet.codegen.model import model_sources
from firmnet.frontends.torch.export import load
from firmnet.interpret import (
    AT_ONCE,
    Stepper,
    each_float,
    each_int,
    float_values,
    in_model_order,
    int_values,
    quantized_inputs,
    run_float,
)
from firmnet.ir import Array, Dtype, Graph, wrapped
from firmnet.ops.recurrent import RECURRENT_OPS
from firmnet.passes import optimize
from firmnet.quantize import apply, calibrate
from firmnet.targets import Isa
from firmnet.written_out import written_out

STEPS = 7


class Read(nn.Module):
    """A layer, and what is read of its results."""

    def __init__(self, layer: nn.Module, of: Callable[..., Any]) -> None:
        super().__init__()
        self.layer, self.of = layer, of

    def forward(self, x: Tensor) -> Any:
        return self.of(*self.layer(x))


class Cells(nn.Module):
    """Two cells in a loop over time, along an axis; all steps or what is left at the end."""

    def __init__(self, axis: int = 1, back: bool = False, every: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.LSTMCell(3, 4), nn.GRUCell(4, 5)
        self.axis, self.back, self.every = axis, back, every

    def forward(self, x: Tensor) -> Any:
        h = c = torch.zeros(1, 4)
        g, seen = torch.full((1, 5), 0.3), []
        places = range(x.shape[self.axis])
        for place in reversed(places) if self.back else places:
            h, c = self.first(x.select(self.axis, place), (h, c))
            g = self.second(h, g)
            seen.append(g)
        return torch.stack(seen, 1) if self.every else (g, c)


def imported(module: nn.Module, *shape: int) -> tuple[Graph, Tensor]:
    torch.manual_seed(0)
    example = torch.randn(shape)
    return optimize(load(module.eval(), "net", (example,)).graph), example


def walks(graph: Graph) -> list[tuple[str, int, bool]]:
    """Each recurrent layer, its steps, and whether it keeps them all."""
    layers = [node for node in graph.nodes if node.op in RECURRENT_OPS]
    return [(node.op, graph.tensors[node.inputs[0]].shape[1], node.attrs.every) for node in layers]


def both(**options: Any) -> dict[str, Any]:
    return {"batch_first": True, "bidirectional": True, **options}


class Written(nn.Module):
    """A cell of one's own, in a loop over time."""

    def __init__(self) -> None:
        super().__init__()
        self.of_x, self.of_h, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(1, 4)
        for step in x.unbind(1):
            h = 0.5 * h + torch.sigmoid(self.of_x(step) + self.of_h(h))
        scores: Tensor = self.last(h)
        return scores


def test_steps_that_become_layers_of_their_own_are_told() -> None:
    """Of x there are ten, of h one less where it begins with zeros; nn.GRUCell in a loop is one layer."""
    graph, example = imported(Written(), 1, 10, 3)
    observed = calibrate(graph, np.random.default_rng(0).standard_normal((8, *example.shape[1:]), np.float32))
    own, shared = (apply(graph, replace(observed, in_step=in_step)) for in_step in (False, True))
    of_x = next(node.name for node in graph.nodes if node.op == "linear")
    (told,) = written_out(graph, own)
    assert told.startswith(f"10 layers have the weights of {of_x!r}")
    assert f"{9 * 12 + 8 * 16:,} bytes of flash are copies" in told
    (told,) = written_out(graph, shared)
    assert "which share constants and functions" in told
    for few in (imported(Written(), 1, STEPS, 3), imported(Cells(), 1, 20, 3)):
        assert written_out(few[0], few[0]) == ()


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (Read(nn.GRU(3, 4), lambda y, h: y[-1]), (STEPS, 1, 3), [("gru", STEPS, False)]),
        (Read(nn.GRU(3, 4), lambda y, h: h), (STEPS, 3), [("gru", STEPS, False)]),
        (
            Read(nn.LSTM(3, 4, **both(num_layers=2)), lambda y, s: y[:, -1]),
            (1, STEPS, 3),
            [("lstm", STEPS, True), ("lstm", STEPS, True), ("lstm", STEPS, False), ("lstm", 1, False)],
        ),
        (Read(nn.RNN(3, 4, **both()), lambda y, h: h), (1, STEPS, 3), [("rnn", STEPS, False)] * 2),
        (
            Read(nn.LSTM(3, 4, batch_first=True), lambda y, s: (y[:, 2], s[1])),
            (1, STEPS, 3),
            [("lstm", STEPS, True)],
        ),
        (Read(nn.LSTM(3, 4, batch_first=True), lambda y, s: y[:, 2]), (1, STEPS, 3), [("lstm", 3, False)]),
        (Cells(), (1, STEPS, 3), [("lstm", STEPS, True), ("gru", STEPS, False)]),
        (Cells(axis=0), (STEPS, 1, 3), [("lstm", STEPS, True), ("gru", STEPS, False)]),
        (Cells(back=True, every=True), (1, STEPS, 3), [("lstm", STEPS, True), ("gru", STEPS, True)]),
    ],
)
def test_no_more_is_walked_and_kept_than_is_read(
    module: nn.Module, shape: tuple[int, ...], expected: list[tuple[str, int, bool]]
) -> None:
    graph, example = imported(module, *shape)
    assert walks(graph) == expected
    results = module(example)
    results = results if isinstance(results, tuple) else (results,)
    made = wrapped(run_float(graph, example.numpy()), len(results))
    for y, wanted in zip(made, results, strict=True):
        np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=1e-4, atol=1e-6)


class Stacked(nn.Module):
    """Two layers and a state of each, given and returned."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 6, 2, batch_first=True)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = self.lstm(x, (h, c))
        return y, h, c


def test_step_by_step_is_the_whole_sequence_bit_for_bit() -> None:
    """With the states that a run returns the next one begins: as if the layer had never stopped."""
    torch.manual_seed(1)
    module, steps = Stacked().eval(), 40
    rng = np.random.default_rng(2)
    data = rng.normal(size=(steps, 1, 3)).astype(np.float32)
    states = (torch.zeros(2, 1, 6), torch.zeros(2, 1, 6))
    one = load(module, "net", (torch.zeros(1, 1, 3), *states), state=["h=1", "c=2"]).graph
    one = optimize(one)
    stepped = apply(one, calibrate(one, data))
    whole = optimize(load(Read(module.lstm, lambda y, s: y), "net", (torch.zeros(1, steps, 3),)).graph)
    q = apply(whole, calibrate(whole, data.reshape(1, steps, 3)))
    stepper, port = Stepper(stepped), stepped.outputs[0]
    expected = int_values(q, *quantized_inputs(q, data.reshape(1, steps, 3)))[q.outputs[0].tensor]
    same = [stepper(*quantized_inputs(stepped, x))[port.tensor].ravel() for x in data]
    assert [t.dtype for t in (stepped.tensors[s.tensor] for s in stepped.states)] == [Dtype.INT16] * 2
    np.testing.assert_array_equal(np.concatenate(same), expected.ravel())


@pytest.mark.parametrize(
    "module",
    [
        Read(nn.GRU(3, 4, **both(num_layers=2)), lambda y, h: (torch.sigmoid(y), h)),
        Read(nn.LSTM(3, 4, proj_size=2, **both()), lambda y, s: (y[:, -1], s[1])),
        Cells(every=True),
    ],
    ids=["gru", "lstm", "cells"],
)
def test_many_samples_together_are_what_each_is_alone(module: nn.Module) -> None:
    """In every bit of every layer, also where the last few are less than are computed at once."""
    graph, _ = imported(module, 1, STEPS, 3)
    data = [(x,) for x in np.random.default_rng(0).normal(size=(AT_ONCE + 3, 1, STEPS, 3)).astype(np.float32)]
    q = apply(graph, calibrate(graph, np.concatenate([x for (x,) in data])))
    for of, each, alone, given in (
        (graph, each_float, float_values, data),
        (q, each_int, int_values, [quantized_inputs(q, *x) for x in data]),
    ):
        found = list(each(of, given))
        assert len(found) == len(data)
        for values, sample in zip(found, given, strict=True):
            wanted = alone(of, *sample)
            assert values.keys() == wanted.keys()
            for name, x in wanted.items():
                assert values[name].dtype == x.dtype
                np.testing.assert_array_equal(values[name], x)


def test_constants_that_layers_share_are_there_once() -> None:
    graph, _ = imported(Read(nn.GRU(3, 4, **both(num_layers=2)), lambda y, h: y), 1, STEPS, 3)
    q = apply(graph, calibrate(graph, np.random.default_rng(0).normal(size=(8, STEPS, 3)).astype(np.float32)))
    weights = model_sources(q, isa=Isa.SCALAR)["net_weights.c"]
    assert weights.count("entries[513]") == 1


def test_a_sequence_that_begins_with_time_is_deployed_whole() -> None:
    module = Read(nn.GRU(3, 4), lambda y, h: y[-1]).eval()
    data = np.random.default_rng(0).normal(size=(12, STEPS, 1, 3)).astype(np.float32)
    made = firmnet.compile(module, data, board="netduinoplus2", example=torch.zeros(STEPS, 2, 3), name="net")
    assert [made.graph.tensors[port.tensor].shape for port in made.graph.inputs] == [(STEPS, 1, 3)]
    assert made.graph.tensors[made.graph.input].dtype is Dtype.INT16
    assert snr_db(made.graph, module, data) > 40.0


def snr_db(graph: Graph, module: nn.Module, data: Array) -> float:
    signal = noise = 0.0
    for x in data:
        real = module(torch.from_numpy(x)).detach().numpy()
        port = graph.outputs[0]
        y = int_values(graph, *quantized_inputs(graph, x))[port.tensor]
        y = in_model_order(port, graph.tensors[port.tensor].q.to_real(y))
        signal, noise = signal + float((real**2).sum()), noise + float(((real - y) ** 2).sum())
    return float(10 * np.log10(signal / noise))
