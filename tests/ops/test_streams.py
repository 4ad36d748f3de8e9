"""Does a stream of hops compute, bit for bit, what its network makes of whole windows, and refuse others?"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from stream_networks import NETWORKS, Causal, integer, seeded
from together import together
from torch import nn

from firmnet.codegen.buffers import Buffers
from firmnet.codegen.edges import updates
from firmnet.devices import core, host
from firmnet.devices.runner import Request, from_graph
from firmnet.errors import UserError, VerificationError
from firmnet.interpret import Stepper, int_values
from firmnet.ir import Array, Dtype, Graph
from firmnet.ops import check_quantized
from firmnet.plan import plan
from firmnet.stream import Followed, followed, proven, rewritten
from firmnet.targets import Isa

RUNS_BEHIND = 8
"""Whole windows that are compared, one per run."""
CASES = [(name, hop) for name, window in NETWORKS.items() for hop in window.hops]
each_case = pytest.mark.parametrize(("name", "hop"), CASES)


@cache
def window_graph(name: str) -> Graph:
    return seeded(NETWORKS[name], name)


@cache
def made(name: str, hop: int) -> tuple[Graph, Followed]:
    graph = window_graph(name)
    found = followed(graph, NETWORKS[name].axis, hop)
    return replace(rewritten(graph, found), name=f"{name}_{hop}"), found


@cache
def signal(name: str, hop: int) -> list[Array]:
    """Hops of noise in stored layout, enough for a few whole windows."""
    stream, _ = made(name, hop)
    assert stream.stream
    rng, x = np.random.default_rng(3), stream.tensors[stream.input]
    runs = stream.stream.window // hop + 1 + RUNS_BEHIND
    drawn = [rng.integers(x.dtype.low, x.dtype.high + 1, x.shape) for _ in range(runs)]
    return [values.astype(x.dtype.numpy) for values in drawn]


@cache
def expected(name: str, hop: int) -> list[list[Array]]:
    """The stream's outputs in every run, by the oracle."""
    stream, _ = made(name, hop)
    step = Stepper(stream)
    runs = [step(x) for x in signal(name, hop)]
    return [[values[port.tensor] for port in stream.outputs] for values in runs]


@each_case
def test_every_window_s_output_is_the_network_s(name: str, hop: int) -> None:
    graph, (stream, found), hops = window_graph(name), made(name, hop), signal(name, hop)
    check_quantized(stream)
    assert stream.stream
    assert (stream.stream.axis, stream.stream.hop) == (NETWORKS[name].axis, hop)
    assert stream.tensors[stream.input].shape[found.axis] == hop
    last = found.window // hop
    for run in [last] if found.from_reset else range(stream.stream.first_run, len(hops) + 1):
        frames = np.concatenate(hops[:run], found.axis)
        values = int_values(graph, np.take(frames, range(run * hop - found.window, run * hop), found.axis))
        for before in range(
            run if found.from_reset else 1
        ):  # from a reset on, a window has every run's outputs
            for port, got in zip(graph.outputs, expected(name, hop)[run - 1 - before], strict=True):
                check(found, port.tensor, values[port.tensor], got, before)


def check(found: Followed, tensor: str, whole: Array, got: Array, before: int) -> None:
    """What came so many runs before the window's end is what the window has there."""
    timed = found.timed.get(tensor)
    if timed is not None:
        places = np.arange(*found.block(tensor)) - before * found.new(tensor)
        np.testing.assert_array_equal(got, np.take(whole, places, timed.axis))
    elif before == 0:
        np.testing.assert_array_equal(got, whole)


@pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.DSP])
def test_host_and_core_stream_as_the_oracle_does(isa: Isa) -> None:
    models = together([from_graph(made(*case)[0], isa=isa) for case in CASES])
    runner = core.image(models, "mps2-an386") if isa is Isa.DSP else host.executable(models)
    requests = [
        Request(made(*case)[0].name, np.stack([x.ravel().view(np.int8) for x in signal(*case)]))
        for case in CASES
    ]
    for case, answer in zip(CASES, runner.ask(requests), strict=True):
        right = [np.concatenate([y.ravel().view(np.int8) for y in ys]) for ys in expected(*case)]
        np.testing.assert_array_equal(answer.outputs, np.stack(right))


@each_case
def test_what_is_kept_moves_in_its_own_memory(name: str, hop: int) -> None:
    """No such state is copied at the end of a run, and none has its bytes twice."""
    stream, _ = made(name, hop)
    program = plan(stream, isa=Isa.DSP)
    makers = {name: node.op for node in stream.nodes for name in node.outputs}
    moved = [
        state for state in stream.states if makers[state.next] in ("append", "delay_line", "running_mean")
    ]
    copied = {update.name for update in updates(stream, Buffers(stream, program, separate=False))}
    assert moved or name == "both_ways"
    for state in moved:
        assert state.name not in copied
        assert program.offsets[state.tensor] == program.offsets[state.next]


def test_a_value_that_several_layers_look_back_on_is_kept_once() -> None:
    stream, _ = made("wave", 1)
    assert len(stream.states) == 5  # of three layers' inputs, where a ring begins, and the last four steps


def test_taps_are_read_from_a_ring_where_most_places_are_passed_over() -> None:
    """By a convolution alone, or by two that read the same."""
    of = {name: [n.attrs for n in made(name, 1)[0].nodes if n.op == "delay_line"] for name in ("tcn", "wave")}
    assert [(line.step, line.taps) for line in of["tcn"]] == [(2, 3), (4, 3)]
    assert [(line.step, line.taps) for line in of["wave"]] == [(4, 2)]


def test_a_mean_over_frames_and_frequencies_keeps_sums_of_frames() -> None:
    stream, _ = made("keywords", 2)
    kept, totals, _ = [stream.tensors[state.tensor] for state in stream.states][-3:]
    assert (kept.shape, kept.dtype) == ((6, 8), Dtype.INT16)
    assert (totals.shape, totals.dtype) == ((8,), Dtype.INT32)


def test_the_least_hop_is_what_the_strides_allow() -> None:
    assert followed(window_graph("pooled"), 2, None).hop == 8
    assert followed(window_graph("tcn"), 2, None).hop == 1


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "spectrogram"])
def test_time_is_found(name: str) -> None:
    """In a spectrogram both axes may be time: the longer one is it."""
    graph = window_graph(name)
    (port,) = graph.inputs
    found = followed(graph, None, None)
    assert (port.order[found.axis] if port.order else found.axis) == NETWORKS[name].axis


class Net(nn.Module):
    """A network of one function over modules by name."""

    def __init__(self, compute: Callable[..., torch.Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.parts, self.compute = nn.ModuleDict(parts), compute

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.compute(x, **self.parts)


def attended(x: torch.Tensor, conv: nn.Module) -> torch.Tensor:
    y = conv(x).transpose(1, 2)
    return (torch.softmax(y @ y.transpose(1, 2), -1) @ y)[:, -1]


SHAPE = (4, 32)
REFUSED: dict[str, tuple[nn.Module, str]] = {
    "padding_then_mean": (
        Net(lambda x, conv: conv(x).mean(-1), conv=nn.Conv1d(4, 6, 3, padding=1)),
        r"layer 'parts_conv' is not causal: its last places in time come from padding beh.*layer 'mean'",
    ),
    "left_padding_then_mean": (
        Net(lambda x, conv: conv(x).mean(-1), conv=Causal(4, 6, 3)),
        r"layer 'mean' \(avg_pool2d\) reads places in time of .* of layer 'parts_conv_pad' before the window",
    ),
    "padding_in_the_output": (
        Net(lambda x, conv: conv(x), conv=nn.Conv1d(4, 6, 3, padding=1)),
        r"layer 'parts_conv' is not causal: .* the output .* has these places\. Train it with padding on",
    ),
    "norm_over_time": (
        Net(lambda x, conv, norm: norm(conv(x))[:, :, -1], conv=nn.Conv1d(4, 6, 1), norm=nn.LayerNorm(32)),
        r"layer 'parts_norm' \(layer_norm\) is not causal: every place in time that it makes depends on the",
    ),
    "softmax_over_time": (
        Net(lambda x, conv: conv(x).softmax(-1)[:, :, -1], conv=nn.Conv1d(4, 6, 1)),
        r"layer 'softmax' \(softmax\) is not causal",
    ),
    "attention": (Net(attended, conv=nn.Conv1d(4, 6, 1)), r"\(attention\) is not causal"),
    "excited_by_the_whole": (
        Net(lambda x, conv: (conv(x) * conv(x).mean(-1, True))[:, :, -1], conv=nn.Conv1d(4, 6, 3)),
        r"layer 'mul' \(mul\) is not causal: it joins .* of which there is one per window",
    ),
    "upsampled": (
        Net(lambda x, up: up(x)[:, :, -1], up=nn.ConvTranspose1d(4, 6, 2, 2)),
        r"no layer of model 'refused' computes places in time one by one",
    ),
    "window_too_short": (
        Net(lambda x, a, b: b(a(x))[:, :, -1], a=Causal(4, 6, 3, 8), b=Causal(6, 6, 3, 8)),
        r"no place of layer .* comes from frames of one window alone, .* a longer window",
    ),
    "different_strides": (
        Net(
            lambda x, a, b: (a(x) + b(x)[:, :, 16:])[:, :, -1],
            a=nn.Conv1d(4, 4, 2, 2),
            b=nn.Conv1d(4, 4, 1),
        ),
        r"layer 'add' \(add\) joins values whose places in time are 1 and 2 frames apart",
    ),
    "both_directions": (
        Net(lambda x, gru: gru(x.transpose(1, 2))[0], gru=nn.GRU(4, 3, batch_first=True, bidirectional=True)),
        r"layer 'parts_gru_l0_reverse' \(gru\) is not causal: it walks from the window's last step to",
    ),
    "fewer_steps_than_frames": (
        Net(
            lambda x, conv, gru: gru(conv(x).transpose(1, 2))[0],
            conv=nn.Conv1d(4, 4, 3),
            gru=nn.GRU(4, 3, batch_first=True),
        ),
        r"layer 'parts_conv' \(conv2d\) goes through 30 places of windows of 32 frames, .* on the left",
    ),
    "mean_of_steps": (
        Net(lambda x, rnn: rnn(x.transpose(1, 2))[0].mean(1), rnn=nn.RNN(4, 3, batch_first=True)),
        r"layer 'mean' \(avg_pool2d\) reads the whole window beside a recurrent layer",
    ),
    "own_padding_of_a_pool": (
        Net(
            lambda x, pool, rnn: rnn(pool(F.pad(x, (0, 0)))[:, :, :32].transpose(1, 2))[0],
            pool=nn.MaxPool1d(2, 1, 1),
            rnn=nn.RNN(4, 3, batch_first=True),
        ),
        r"\(max_pool2d\) has padding that is no zeros",
    ),
    "dense": (nn.Sequential(nn.Flatten(), nn.Linear(128, 4)), r"no layer of model 'refused' computes places"),
}


@pytest.mark.parametrize(("module", "why"), REFUSED.values(), ids=REFUSED)
def test_what_no_stream_can_equal_is_refused_by_its_layer(module: nn.Module, why: str) -> None:
    graph = integer(module, SHAPE, "refused")
    with pytest.raises(UserError, match=why):
        followed(graph, 2, None)


def test_an_axis_along_which_values_only_move_is_not_taken_for_time() -> None:
    """Channels are an axis too, along which the padding works place by place."""

    def heard(x: torch.Tensor, conv: nn.Module, gru: nn.Module) -> torch.Tensor:
        y = gru(conv(x).transpose(1, 2))[0]
        return (torch.softmax(y @ y.transpose(1, 2), -1) @ y)[:, -1]

    module = Net(heard, conv=Causal(4, 6, 3), gru=nn.GRU(6, 3, batch_first=True))
    with pytest.raises(UserError, match=r"\(attention\) is not causal"):
        followed(integer(module, SHAPE, "refused"), None, None)


@pytest.mark.parametrize(
    ("hop", "why"),
    [
        (3, r"a hop of 3 frames is no multiple of 2, .* give 8, or a multiple of that"),
        (0, "give a hop of at least 1, less than the window"),
        (64, "give a hop of at least 1, less than the window"),
    ],
)
def test_a_hop_that_cannot_be_is_refused(hop: int, why: str) -> None:
    with pytest.raises(UserError, match=why):
        followed(window_graph("pooled"), 2, hop)


@pytest.mark.parametrize("axis", [0, 3, -4])
def test_an_axis_that_is_no_time_is_refused(axis: int) -> None:
    with pytest.raises(UserError, match="has no such axis"):
        followed(window_graph("pooled"), axis, None)


def test_the_proof_names_the_run_and_the_layer_that_differs() -> None:
    graph, (stream, found) = window_graph("keywords"), made("keywords", 2)
    shape = NETWORKS["keywords"].shape
    rng = np.random.default_rng(0)
    hops = [rng.normal(size=(1, shape[0], 2, shape[2])) for _ in range(16)]
    assert proven(graph, stream, found, hops) >= 3
    changed, layer = _with_other_weights(stream, "conv2d", 2)
    with pytest.raises(VerificationError, match=rf"in run 12, .* layer '{layer}' is the first that does not"):
        proven(graph, changed, found, hops)


def _with_other_weights(graph: Graph, op: str, which: int) -> tuple[Graph, str]:
    """A graph whose layer has other weights, and that layer."""
    node = [node for node in graph.nodes if node.op == op][which]
    weight = graph.tensors[node.inputs[1]]
    other = replace(weight, data=np.roll(weight.values, 1, axis=0))
    return replace(graph, tensors={**graph.tensors, weight.name: other}), node.name
