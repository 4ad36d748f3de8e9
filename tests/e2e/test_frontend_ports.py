"""Do models with several inputs and outputs become what PyTorch computes, under the names they have there?"""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

import firmnet
from firmnet import api, cli
from firmnet.artifact import Artifact
from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.interpret import run_float
from firmnet.ir import wrapped


class TwoByTwo(nn.Module):
    """Two inputs, and two heads over their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(4, 8)
        self.kind, self.box = nn.Linear(8, 3), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        h = torch.relu(self.a(x) + self.b(y))
        return {"scores": self.kind(h), "box": self.box(h)}


class Autoencoder(nn.Module):
    """Mean and logarithm of the variance, and the input itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.mu, self.logvar = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> Any:
        h = torch.relu(self.fc(x))
        return self.mu(h), self.logvar(h), x


class Detector(nn.Module):
    """Heads over two maps, flattened and joined, and a map that is an output too, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)
        self.boxes = nn.ModuleList(nn.Conv2d(8, 4, 1) for _ in range(2))
        self.scores = nn.ModuleList(nn.Conv2d(8, 3, 1) for _ in range(2))

    def forward(self, long: torch.Tensor) -> Any:
        one = torch.relu(self.one(long))
        two = torch.relu(self.two(one))
        boxes, scores = (self.joined(heads, one, two) for heads in (self.boxes, self.scores))
        return {"boxes": boxes, "scores": scores, "maps": [two, two]}

    def joined(self, heads: nn.ModuleList, *maps: torch.Tensor) -> torch.Tensor:
        found = [head(x).permute(0, 2, 3, 1).flatten(1, 2) for head, x in zip(heads, maps, strict=True)]
        return torch.cat(found, 1)


@dataclass
class Pair:
    """An output of a class that torch.export does not know."""

    first: torch.Tensor
    second: torch.Tensor


class Nested(nn.Module):
    """A dict of tensors, one that has to be named, and one that is not read."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, xs: dict[str, torch.Tensor], unread: torch.Tensor, *, gain: torch.Tensor) -> Any:
        y = self.fc(xs["u"]) + self.fc(xs["v"])
        return Pair(y, y * gain)


def of(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(30, *shape, generator=generator) for shape in shapes)


x, y = of((6,), (4,))
u, v, unread, gain = of((6,), (6,), (2,), (3,))
MODELS: dict[str, tuple[nn.Module, Any, Any]] = {
    "dict": (TwoByTwo(), (x, y), (x, y)),
    "names": (TwoByTwo(), {"y": y, "x": x}, {"y": y, "x": x}),
    "tuple": (Autoencoder(), x, x),
    "detector": (Detector(), *of((3, 16, 16)) * 2),
    "nested": (Nested(), {"xs": {"u": u, "v": v}, "unread": unread, "gain": gain}, (u, v, unread, gain)),
}
NAMES = {
    "dict": (["x", "y"], ["scores", "box"]),
    "names": (["x", "y"], ["scores", "box"]),
    "tuple": (["x"], ["mu", "logvar", "x_out"]),
    "detector": (["long"], ["boxes", "scores", "maps_0", "maps_1"]),
    "nested": (["xs_u", "xs_v", "unread", "gain"], ["first", "second"]),
}


@pytest.mark.parametrize("which", MODELS)
def test_every_port_is_there_under_its_name_and_bit_exact(which: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, example, calibration = MODELS[which]
    deployment = firmnet.compile(
        module.eval(), calibration, board="netduinoplus2", name="ported", example=example
    )
    for graph in (deployment.float_graph, deployment.graph):
        assert ([port.name for port in graph.inputs], [port.name for port in graph.outputs]) == NAMES[which]
    for index in range(3):
        sample, expected = of_torch(module, example, index)
        got = wrapped(run_float(deployment.float_graph, *sample), len(expected))
        for mine, theirs in zip(got, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    deployment.save(tmp_path / "artifact")
    verdict = deployment.verify(device="core", layers=True)
    assert verdict.ok, verdict.sentence()


def of_torch(module: nn.Module, example: Any, index: int) -> tuple[list[Any], list[Any]]:
    """One sample of each input in the order of forward's arguments, and what the module returns for it."""
    one = tree_map(lambda tensor: tensor[index : index + 1], example)
    signature = inspect.signature(module.forward)
    keyed = isinstance(one, dict)
    bound = signature.bind(**one) if keyed else signature.bind(*(one if isinstance(one, tuple) else (one,)))
    with torch.no_grad():
        returned = module(*bound.args, **bound.kwargs)
    values = vars(returned).values() if isinstance(returned, Pair) else returned
    return [x.numpy() for x in tree_leaves((bound.args, bound.kwargs))], [
        x.numpy() for x in tree_leaves(list(values.values()) if isinstance(values, dict) else list(values))
    ]


def test_the_command_names_them_and_takes_an_archive_of_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_frontend_ports import TwoByTwo, x, y\n"
        "def net(): return TwoByTwo(), (x, y)\n"
    )
    np.savez(tmp_path / "samples.npz", x=x.numpy(), y=y.numpy(), labels=np.array(["a", "b"]))
    options = ["--board", "netduinoplus2", "--calib", str(tmp_path / "samples.npz")]
    out = str(tmp_path / "artifact")
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", f"{tmp_path / 'net.py'}:net", *options, "--out", out])
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert "takes: x (1, 6), y (1, 4)" in said.err + said.out
    assert "gives: scores (1, 3), box (1, 2)" in said.err + said.out
    first, second = api.inputs_for(Artifact.open(out), tmp_path / "samples.npz")
    assert (first.shape, second.shape) == ((30, 6), (30, 4))


def test_an_exported_file_says_how_it_wraps_them(tmp_path: Path) -> None:
    program = torch.export.export(TwoByTwo(), (x[:1], y[:1]))
    torch.export.save(program, tmp_path / "net.pt2")
    graph = load(tmp_path / "net.pt2", calibration={"x": x.numpy(), "y": y.numpy()}).graph
    assert ([port.name for port in graph.inputs], [port.name for port in graph.outputs]) == NAMES["dict"]


class Camels(nn.Module):
    """Arguments of names that torch.export writes otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, leftEye: torch.Tensor, y_: torch.Tensor) -> Any:
        return self.fc(leftEye) + y_


def test_samples_are_found_by_the_names_that_forward_gives_them(tmp_path: Path) -> None:
    path, given = tmp_path / "samples.npz", {"leftEye": x.numpy(), "y_": y.numpy()}
    np.savez(path, **given)
    deployment = firmnet.compile(Camels().eval(), given, board="netduinoplus2", name="camels")
    assert [port.name for port in deployment.graph.inputs] == ["lefteye", "y"]
    again = firmnet.compile(Camels().eval(), path, board="netduinoplus2", name="camels")
    assert [port.name for port in again.graph.inputs] == ["lefteye", "y"]
    artifact = deployment.save(tmp_path / "artifact")
    first, second = api.inputs_for(artifact, path)
    assert (first.shape, second.shape) == ((30, 6), (30, 4))


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (x.numpy(), "give a tensor for each of its inputs, e.g. as a tuple (x, y)"),
        ((x.numpy(), y.numpy()[:7]), "30 of 'x', 7 of 'y'"),
        ({"x": x.numpy()}, "missing a required argument: 'y'"),
        ((x.numpy(), y.numpy().astype(int)), "must be float samples"),
        (
            y.numpy().astype(int),
            "give one sample of them in int64, of shape (1, …), as the argument `example`",
        ),
        ((x.numpy(), x.numpy()), "cannot follow"),
    ],
    ids=["one", "fewer", "missing", "integers", "only-integers", "shape"],
)
def test_samples_that_do_not_fit_are_refused(calibration: Any, said: str) -> None:
    with pytest.raises(UserError) as refused:
        firmnet.compile(TwoByTwo().eval(), calibration, board="netduinoplus2")
    assert said in str(refused.value)


def test_constants_beside_the_outputs_are_left_out_and_told() -> None:
    class WithAnchors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 3)
            self.register_buffer("anchors", torch.ones(1, 3))

        def forward(self, x: torch.Tensor) -> Any:
            scores = self.fc(x)
            return {"anchors": self.anchors * 2, "scores": scores, "none": torch.zeros_like(scores), "k": 3}

    found = load(WithAnchors(), example=x)
    assert [port.name for port in found.graph.outputs] == ["scores"]
    assert found.notes == (
        "it returns constants beside its outputs, its 'anchors', its 'none', its 'k': known without running, "
        "and left out of what the board returns",
    )
