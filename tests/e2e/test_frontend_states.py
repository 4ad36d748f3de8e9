"""Do models that remember become what PyTorch computes, step by step? Buffers, and states they return."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from firmnet import cli, devices
from firmnet.artifact import Artifact
from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.interpret import Stepper, float_values, in_model_order
from firmnet.ir import Array, Graph
from firmnet.passes import optimize
from firmnet.verify import verify

STEPS = 12


class Buffered(nn.Module):
    """Buffers of these values by name, and a forward of (self, x)."""

    def __init__(self, forward: Any, **buffers: Any) -> None:
        super().__init__()
        for name, values in buffers.items():
            self.register_buffer(name, torch.as_tensor(values))
        self.w, self._forward = nn.Linear(3, 3), forward

    def forward(self, x: torch.Tensor) -> Any:
        return self._forward(self, x)


def shifted(m: Any, x: torch.Tensor) -> Any:
    m.ring[:, :-1] = m.ring[:, 1:].clone()
    m.ring[:, -1] = x
    return m.ring.flatten(1) * 2


def rolled(m: Any, x: torch.Tensor) -> Any:
    ring = torch.roll(m.ring, -1, 1)
    ring[:, -1] = x
    m.ring.copy_(ring)
    return ring.flatten(1) * 2


def joined(m: Any, x: torch.Tensor) -> Any:
    m.ring = torch.cat([m.ring[:, 1:], x.unsqueeze(1)], 1)
    return m.ring.flatten(1) * 2


def counted(m: Any, x: torch.Tensor) -> Any:
    m.count += 1
    first = m.begun.clone()
    m.begun.fill_(True)
    return x * m.count, torch.where(first, x, x * 2)


def recurrent(m: Any, x: torch.Tensor) -> Any:
    m.h = torch.tanh(m.w(m.h) + x)
    return m.h


def returned(m: Any, x: torch.Tensor) -> Any:
    old = m.h
    m.h = torch.tanh(m.w(m.h) + x)
    return m.h - old, old, old[:, 1:] * 2, old[:, :2]


def exchanged(m: Any, x: torch.Tensor) -> Any:
    old = m.a.clone()
    m.a.copy_(m.b)
    m.b.copy_(old)
    return x * m.a, old, old.reshape(3)[None]


def delayed(m: Any, x: torch.Tensor) -> Any:
    y = m.b * 3 + x
    m.b.copy_(m.a)
    m.a.copy_(x)
    return y


def previous(m: Any, x: torch.Tensor) -> Any:
    y = x - m.a + 2 * m.b
    m.b, m.a = m.a, x
    return y


def turned(m: Any, x: torch.Tensor) -> Any:
    m.a, m.b = m.b, m.a
    return x * m.a


def written(m: Any, x: torch.Tensor) -> Any:
    y = x + m.a * m.fixed
    m.a.copy_(torch.tensor([[1.0, -2.0, 3.0]]))
    return y


class Nested(nn.Module):
    """Two layers, each of which assigns its own buffer: torch.export does not see that by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (Buffered(recurrent, h=np.full((1, 3), v, np.float32)) for v in (0.0, 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.relu(self.one(x))) + self.two.h


RING = np.zeros((1, 4, 3), np.float32)
A, B = np.array([[1.0, 2, 3]], np.float32), np.array([[-4.0, 5, 0.5]], np.float32)
REMEMBER = {
    "slices": (Buffered(shifted, ring=RING), {"ring"}),
    "roll": (Buffered(rolled, ring=RING), {"ring"}),
    "cat": (Buffered(joined, ring=RING), {"ring"}),
    "counter-and-flag": (Buffered(counted, count=0, begun=False), {"count", "begun"}),
    "assigned": (Buffered(recurrent, h=np.zeros((1, 3), np.float32)), {"h"}),
    "old-value-returned": (Buffered(returned, h=A), {"h"}),
    "exchanged": (Buffered(exchanged, a=A, b=B), {"a", "b"}),
    "delay-line": (Buffered(delayed, a=A, b=B), {"a", "b"}),
    "input-assigned": (Buffered(previous, a=A, b=B), {"a", "b"}),
    "exchange-assigned": (Buffered(turned, a=A, b=B), {"a", "b"}),
    "constant-written": (Buffered(written, a=A, fixed=B), {"a"}),
    "nested": (Nested(), {"one_h", "two_h"}),
}


def samples(count: int = STEPS) -> Array:
    return np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)


def check_steps(graph: Graph, answers: list[list[Array]]) -> None:
    """The float graph, optimized too, gives these answers to the samples one after the other."""
    for each in (graph, optimize(graph)):
        runs = Stepper(each, float_values)
        for x, right in zip(samples(), answers, strict=True):
            values = runs(x)
            for port, y in zip(each.outputs, right, strict=True):
                np.testing.assert_allclose(in_model_order(port, values[port.tensor]), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        *((name, "module") for name in REMEMBER),
        ("slices", "pt2"),
        ("counter-and-flag", "pt2"),
        ("assigned", "pt2"),
    ],
)
def test_buffers_that_forward_writes_are_states(name: str, of: str, tmp_path: Path) -> None:
    module, states = REMEMBER[name]
    module = module.eval()
    before = {key: buffer.clone() for key, buffer in module.named_buffers()}
    source: Any = module
    if of == "pt2":
        source = tmp_path / "remembers.pt2"
        torch.export.save(torch.export.export(module, (torch.zeros(1, 3),)), source)
    example = None if of == "pt2" else torch.zeros(1, 3)
    graph = load(source, name="remembers", example=example, calibration=samples()).graph
    after = dict(module.named_buffers())
    assert all(torch.equal(buffer, after[key]) for key, buffer in before.items())
    assert {state.name for state in graph.states} == states
    with torch.no_grad():
        returned = [module(torch.from_numpy(x[None])) for x in samples()]
    answers = [[y.numpy().copy() for y in (a if isinstance(a, tuple) else (a,))] for a in returned]
    module.load_state_dict(before, strict=False)
    check_steps(graph, answers)


class Cell(nn.Module):
    """One state; `kind` says how it is wrapped."""

    def __init__(self, kind: str = "") -> None:
        super().__init__()
        self.w, self.y, self.kind = nn.Linear(7, 4), nn.Linear(4, 2), kind

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
        h = torch.tanh(self.w(torch.cat([x, h.reshape(1, 4)], 1))).reshape(h.shape)
        y = self.y(h.reshape(1, 4))
        return {"": (y, h), "keys": {"scores": y, "h_out": h}, "alone": h, "none": (None, h, y)}[self.kind]


class Pair(nn.Module):
    """A tuple of states, as an LSTM has it."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Linear(7, 4)

    def forward(self, x: torch.Tensor, hc: tuple[torch.Tensor, torch.Tensor]) -> Any:
        h, c = hc
        c = torch.sigmoid(self.w(torch.cat([x, h], 1))) + 0.5 * c
        h = torch.tanh(c)
        return h * 2, (h, c)


H, DEEP = torch.zeros(1, 4), torch.full((2, 1, 2), 0.25)
EXPLICIT: dict[str, tuple[nn.Module, Any, Any, list[str]]] = {
    "number": (Cell(), H, {"h": 1}, ["h"]),
    "numbers": (Cell(), H, ["1=1"], ["h"]),
    "key": (Cell("keys"), H, {"h": "h_out"}, ["h"]),
    "the-only-output": (Cell("alone"), H, {"h": 0}, ["h"]),
    "behind-none": (Cell("none"), H, {"h": 1}, ["h"]),
    "no-batch-begins-with-the-example": (Cell(), DEEP, {"h": 1}, ["h"]),
    "tuple": (Pair(), (H, H + 1), {"hc": 1}, ["hc_0", "hc_1"]),
    "parts": (Pair(), (H, H + 1), ["hc.1=1.1", "hc_0=1.0"], ["hc_0", "hc_1"]),
}


@pytest.mark.parametrize("name", EXPLICIT)
def test_an_input_takes_over_an_output(name: str) -> None:
    module, begin, state, names = EXPLICIT[name]
    module = module.eval()
    found = load(module, example=(torch.zeros(1, 3), begin), calibration=samples(), state=state)
    assert [port.name for port in found.graph.inputs] == ["x"]
    assert [each.name for each in found.graph.states] == names
    assert found.example is not None
    assert [x.shape for x in found.example] == [(1, 3)]
    begins = [note for note in found.notes if "begins with what the example holds" in note]
    assert len(begins) == sum(bool(torch.any(h)) for h in (begin if isinstance(begin, tuple) else (begin,)))
    answers = []
    for x in samples():
        with torch.no_grad():
            returned = module(torch.from_numpy(x[None]), begin)
        if isinstance(module, Pair):
            y, begin = returned
        else:
            y, begin = {
                "": lambda r: r,
                "keys": lambda r: (r["scores"], r["h_out"]),
                "alone": lambda r: (r, r),
                "none": lambda r: (r[2], r[1]),
            }[str(module.kind)](returned)
        answers.append([y.numpy()])
    check_steps(found.graph, answers)


def test_of_a_file_a_state_begins_with_zeros(tmp_path: Path) -> None:
    path = tmp_path / "cell.pt2"
    torch.export.save(torch.export.export(Cell().eval(), (torch.zeros(1, 3), H + 1)), path)
    graph = load(path, calibration=samples(), state={"h": 1}).graph
    (state,) = graph.states
    assert not graph.tensors[state.initial].values.any()


def test_a_likely_state_is_hinted_at() -> None:
    plain = load(Cell(), example=(torch.zeros(1, 3), H))
    assert [port.name for port in plain.graph.inputs] == ["x", "h"]
    assert "with --state h=1 the board keeps that" in plain.notes[0]
    both = load(Pair(), example=(torch.zeros(1, 3), (H, H)))
    assert "with --state hc_0=1.0 --state hc_1=1.1 the board" in both.notes[0]
    assert not load(nn.Linear(3, 4), example=torch.zeros(1, 3)).notes


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"q": 1}, "has no input 'q' to be a state: name one of x, h"),
        ({"h": 2}, "returns no '2' for its state 'h': name one of 0, 1"),
        ({"h": 0}, r"'h' of model 'cell' is float32 \(1, 4\), and what it is to take over float32 \(1, 2\)"),
        (["h"], "'h' is no pair: write INPUT=OUTPUT"),
        (7, "state is a int: write INPUT=OUTPUT"),
        ({"h": None}, "names an input or output by None"),
        (["h=1", "1=1"], "is named twice"),
        (["h=1", "h=0"], "state 'h' is named twice: pair it once"),
        ({"x": 0, "h": 1}, "takes nothing but states"),
    ],
)
def test_what_is_no_state_is_told_in_a_sentence(state: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        load(Cell(), example=(torch.zeros(1, 3), H), calibration=samples(), state=state)


class Growing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("cache", torch.zeros(1, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.cache = torch.cat([self.cache, x], 1)
        return self.cache * 2


class Attribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.h = torch.zeros(1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.h = torch.tanh(self.h + x)
        return self.h


class Parameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.h = nn.Parameter(torch.zeros(1, 3), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.h.copy_(torch.tanh(self.h + x))
        return self.h * 2


def counted_in(dtype: torch.dtype, begin: int = 0, shown: torch.dtype | None = None) -> Buffered:
    """A counter of this type, of which another may be shown."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        m.n += 1
        return x + (m.n if shown is None else m.n.to(shown)).float()

    return Buffered(forward, n=torch.tensor(begin, dtype=dtype))


@pytest.mark.parametrize(
    ("module", "example", "told"),
    [
        (counted_in(torch.uint8), torch.zeros(1, 3), r"add.*beyond 255 begins anew in uint8.*torch\.int32"),
        (counted_in(torch.int8, -100), torch.zeros(1, 3), "beyond 127 begins anew in int8"),
        (counted_in(torch.int16), torch.zeros(1, 3), "beyond 32,767 begins anew in int16"),
        (counted_in(torch.int64, 0, torch.uint8), torch.zeros(1, 3), "to.*beyond 255 begins anew in uint8"),
        (
            Growing(),
            torch.zeros(1, 3),
            r"'cache' holds float32 \(1, 3\) at first, and float32 \(1, 6\) after",
        ),
        (Parameter(), torch.zeros(1, 3), r"changes its parameter 'h' while it runs: .*register_buffer"),
        (Attribute(), torch.zeros(1, 3), r"remembers earlier inputs.*in a buffer \(register_buffer\)"),
        (
            nn.GRU(3, 4, 2),
            (torch.zeros(1, 1, 3), torch.zeros(2, 1, 4)),
            "if 'hx' is a state, say so: --state hx=OUTPUT",
        ),
    ],
)
def test_what_cannot_be_remembered_is_told(module: nn.Module, example: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        load(module, example=example, calibration=samples())


MODEL = """
import numpy as np
import torch
from torch import nn

class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.y = nn.Linear(7, 4), nn.Linear(4, 2)

    def forward(self, x, h):
        h = torch.tanh(self.w(torch.cat([x, h], 1)))
        return self.y(h), h

def model():
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(80, 3)).astype("f")
    return {"module": Cell(), "example": (torch.zeros(1, 3), torch.zeros(1, 4)), "calibration": x{more}}
"""


@pytest.mark.parametrize("by", ["function", "option"])
def test_the_command_line_says_what_is_remembered(
    by: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ', "state": {"h": 1}' if by == "function" else ""
    (tmp_path / "net.py").write_text(MODEL.replace("{more}", more))
    options = ["--state", "h=1"] if by == "option" else []
    out = tmp_path / "out"
    command = [
        "generate",
        f"{tmp_path / 'net.py'}:model",
        "--board",
        "netduinoplus2",
        "-o",
        str(out),
        *options,
    ]
    if by == "option":  # the calibration data is of the input that remains, so the option cannot be left out
        with pytest.raises(SystemExit) as ended:
            cli.main(command[:-2])
        assert ended.value.code == 2
        assert "is named with --state" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == 0
    assert "remembers from run to run: h (1, 4) int" in "".join(capsys.readouterr())
    artifact = Artifact.open(out)
    assert [state.name for state in artifact.manifest.states] == ["h"]
    with devices.open("host", artifact) as device:
        assert verify(artifact, device, artifact.samples, layers=True).ok
