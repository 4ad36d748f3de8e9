"""Are functions of one value and arithmetic of two right between other layers, as PyTorch has them?"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from compiler_warnings import WARNINGS
from layered_networks import noise
from matrix_rows import MACHINES
from random_networks import Function
from together import NOT_OPTIMIZED, together
from torch import Tensor, nn

from firmnet.devices import core, host
from firmnet.devices.runner import Request, from_graph
from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.interpret import in_model_order, quantize_sample, run_float, run_int
from firmnet.ir import Array, Graph
from firmnet.passes import optimize
from firmnet.quantize import quantize
from firmnet.targets import Isa

INPUTS = 5
STEEP = ("roots", "rounded")
"""Networks whose functions turn one step of their input into many."""


class Of(nn.Module):
    """A function of the results of two layers."""

    def __init__(self, a: nn.Module, b: nn.Module, function: object) -> None:
        super().__init__()
        self.a, self.b, self.function = a, b, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.a(x), self.b(x))  # type: ignore[operator]


def by_hand(x: Tensor) -> Tensor:
    """GELU, hardswish and a softplus as people write them."""
    y = 0.5 * x * (1 + torch.erf(x / 2**0.5))
    return torch.log(1 + torch.exp(y * F.relu6(y + 3) / 6))


def conv(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Name → network, and the shape of its input."""
    torch.manual_seed(0)
    place = torch.randn(1, 5, 12)
    return {
        "swish": (
            nn.Sequential(conv(2, 8), nn.SiLU(), conv(8, 7), nn.Hardswish(), nn.Flatten(), nn.Linear(210, 3)),
            (1, 2, 5, 6),
        ),
        "scores": (nn.Sequential(nn.Linear(9, 7), nn.GELU(), nn.Linear(7, 5), nn.Sigmoid()), (1, 9)),
        "slopes": (
            nn.Sequential(
                conv(2, 8), nn.PReLU(8), conv(8, 3), nn.PReLU(3, 0.1), nn.LeakyReLU(0.2), nn.Flatten()
            ),
            (1, 2, 5, 6),
        ),
        "by_hand": (nn.Sequential(conv(1, 6), Function(by_hand), conv(6, 2), nn.Tanh()), (1, 1, 7, 5)),
        "gate": (
            Of(
                conv(2, 8),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(2, 8, 1)),
                lambda a, g: a * g.sigmoid(),
            ),
            (1, 2, 6, 5),
        ),
        "apart": (Of(conv(2, 8), conv(2, 8), lambda a, b: (a - b).abs() + torch.maximum(a, b)), (1, 2, 5, 5)),
        "between": (
            Of(
                nn.Linear(9, 12),
                nn.Sequential(nn.ReLU(), nn.Linear(9, 12)),
                lambda a, b: torch.lerp(a, b, 0.3).sin(),
            ),
            (1, 5, 9),
        ),
        "shares": (
            nn.Sequential(nn.Linear(9, 12), Function(lambda x: x.exp() / x.exp().sum(2, keepdim=True))),
            (1, 5, 9),
        ),
        "quotient": (Of(nn.Linear(9, 12), nn.Linear(9, 12), lambda a, b: a / (1.5 + b * b)), (1, 5, 9)),
        "places": (
            nn.Sequential(nn.Linear(9, 12), Function(lambda x: (x + place) * place.sin()), nn.Mish()),
            (1, 5, 9),
        ),
        "bounds": (
            nn.Sequential(
                nn.Linear(9, 12), Function(lambda x: x.clamp(-place.abs(), place.abs() / 2)), nn.ELU()
            ),
            (1, 5, 9),
        ),
        "roots": (
            nn.Sequential(
                nn.Linear(9, 12), nn.ReLU(), Function(lambda x: (x + 0.1).log() + (x + 0.2).rsqrt() - x**1.7)
            ),
            (1, 5, 9),
        ),
        "normalised": (
            nn.Sequential(Function(lambda x: (x - 0.1307) / 0.3081), conv(2, 4), nn.ReLU(), conv(4, 3)),
            (1, 2, 5, 6),
        ),
        "rounded": (
            nn.Sequential(nn.Linear(9, 12), Function(lambda x: (4 * x).round() / 4), nn.Softsign()),
            (1, 9),
        ),
    }


NAMES = list(networks())


@cache
def floats() -> dict[str, Graph]:
    """Imported, which compares them with torch, and through the passes."""
    return {
        name: optimize(load(network.eval(), name=name, example=torch.zeros(shape)).graph)
        for name, (network, shape) in networks().items()
    }


@cache
def graphs() -> list[Graph]:
    """All of them, quantized."""
    return [quantize(graph, samples(name, 12)[:, 0]).graph for name, graph in floats().items()]


def samples(name: str, count: int) -> Array:
    """float32 noise (count, 1, …)."""
    _, shape = networks()[name]
    return np.random.default_rng(count).normal(size=(count, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_equals_torch(name: str) -> None:
    network, shape = networks()[name]
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_float(floats()[name], x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("scores", ["linear", "table", "linear", "table"]),
        ("by_hand", ["conv2d", "table", "conv2d", "table"]),
        ("roots", ["linear", "table"]),
        ("rounded", ["linear", "table"]),
        ("normalised", ["restate", "conv2d", "conv2d"]),
        ("between", ["linear", "clamp", "linear", "add", "table"]),
    ],
)
def test_a_chain_is_one_layer(name: str, ops: list[str]) -> None:
    assert [node.op for node in floats()[name].nodes if node.op not in ("transpose", "reshape")] == ops


@pytest.mark.parametrize("device", ["host", "core", "core_m3"])
def test_is_bit_exact(device: str) -> None:
    isa = Isa.SCALAR if device == "core_m3" else Isa.DSP
    models = together([from_graph(graph, isa=isa) for graph in graphs()])
    build = (
        host.executable(models, NOT_OPTIMIZED)
        if device == "host"
        else core.image(models, MACHINES[device], cflags=WARNINGS)
    )
    for graph in graphs():
        inputs = noise(graph, INPUTS)
        (answer,) = build.ask([Request(graph.name, inputs)])
        expected = np.stack([run_int(graph, x).ravel() for x in inputs])
        np.testing.assert_array_equal(answer.outputs, expected, err_msg=graph.name)


@pytest.mark.parametrize("name", NAMES)
def test_integers_follow_the_floats(name: str) -> None:
    """Signal to noise of the output on fresh samples, in dB."""
    graph = next(g for g in graphs() if g.name == name)
    signal = lost = 0.0
    for x in samples(name, 8):
        wanted = run_float(floats()[name], x)
        made = graph.tensors[graph.output].q.to_real(run_int(graph, quantize_sample(graph, x)))
        signal += float((wanted**2).sum())
        lost += float(((wanted - in_model_order(graph.outputs[0], made)) ** 2).sum())
    assert 10 * np.log10(signal / lost) > (15 if name in STEEP else 20)


@pytest.mark.parametrize("function", [torch.log, torch.rsqrt, torch.reciprocal], ids=lambda f: f.__name__)
def test_what_calibration_makes_endless_is_refused_and_the_advice_works(
    function: Callable[[Tensor], Tensor],
) -> None:
    def compiled(function: Callable[[Tensor], Tensor]) -> Graph:
        network = nn.Sequential(nn.ReLU(), Function(function)).eval()
        graph = optimize(load(network, name="endless", example=torch.zeros(1, 9)).graph)
        return quantize(graph, np.linspace(-1, 3, 90, dtype=np.float32).reshape(10, 9)).graph

    with pytest.raises(UserError, match=r"sample 0 makes layer '\w+' infinite or NaN.*x\.clamp\(min=0\.01\)"):
        compiled(function)
    graph = compiled(lambda x: function(x.clamp(min=0.01)))
    assert [node.op for node in graph.nodes] == ["table"]
