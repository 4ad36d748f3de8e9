"""Is a norm that a network writes by hand the layer that it is, in every spelling, and nothing else one?"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firmnet.frontends import load
from firmnet.interpret import run_float
from firmnet.ir import Graph
from firmnet.passes import optimize

GAIN = torch.linspace(0.5, 2.0, 6)[:, None]


class Of(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.conv = function, nn.Conv1d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x))


def channels_first(x: Tensor) -> Tensor:
    u = x.mean(1, keepdim=True)
    s = (x - u).pow(2).mean(1, keepdim=True)
    return GAIN * ((x - u) / torch.sqrt(s + 1e-6)) + 0.3


def over_everything(x: Tensor) -> Tensor:
    mean = x.mean(dim=1, keepdim=True).mean(dim=2, keepdim=True)
    var = (torch.pow(x - mean, 2)).mean(dim=1, keepdim=True).mean(dim=2, keepdim=True)
    return GAIN * (x - mean) / torch.pow(var + 1e-8, 0.5) + GAIN


def of_groups(x: Tensor) -> Tensor:
    y = x.view(1, 2, -1)
    y = (y - y.mean(-1, keepdim=True)) * torch.rsqrt(y.var(-1, keepdim=True, unbiased=False) + 1e-5)
    return y.view_as(x)


def of_two_means(x: Tensor) -> Tensor:
    mean, square = x.mean(2, keepdim=True), (x * x).mean(2, keepdim=True)
    return (x - mean) / (square - mean**2 + 1e-5).sqrt()


def by_hand(x: Tensor) -> Tensor:
    d = x - x.sum(1, keepdim=True) / 6
    return d * (d.square().sum(1, keepdim=True) / 6 + 1e-5).rsqrt()


NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels_first": channels_first,
    "over_everything": over_everything,
    "of_groups": of_groups,
    "of_two_means": of_two_means,
    "by_hand": by_hand,
    "unbiased": lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5),
    "of_the_whole": lambda x: (x - x.mean()) / (x.std(unbiased=False) + 1e-8),
    "root_mean_square": lambda x: x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-6),
    "length": lambda x: x / (x.norm(dim=1, keepdim=True) + 1e-6),
    "gain_first": lambda x: GAIN * (x - x.mean(2, keepdim=True)) / (x.std(2, keepdim=True) + 1e-6),
}
OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "least_deviation": lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True).clamp(min=0.01),
    "of_other_axes": lambda x: (x - x.mean(1, keepdim=True)) / (x.std(2, keepdim=True) + 1e-5),
    "by_the_range": lambda x: (
        (x - x.mean(1, keepdim=True)) / (x.amax(1, keepdim=True) - x.amin(1, keepdim=True) + 1e-5)
    ),
    "by_the_variance": lambda x: (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 1e-5),
    "not_its_mean": lambda x: (x - x.amax(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-5),
    "of_magnitudes": lambda x: x / (x.abs().mean(1, keepdim=True) + 1e-5),
    "far_beside": lambda x: x / (x.std(1, keepdim=True) + 1.0),
}


def ops(function: Callable[[Tensor], Tensor]) -> list[str]:
    """Of the optimized graph, whose answer is compared with PyTorch's."""
    torch.manual_seed(0)
    module = Of(function).eval()
    graph: Graph = optimize(load(module, example=torch.ones(1, 6, 5)).graph)
    x = np.random.default_rng(1).normal(size=(1, 6, 5))
    with torch.no_grad():
        wanted = module.double()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_float(graph, x), wanted, rtol=1e-5, atol=1e-6)
    return [node.op for node in graph.nodes if node.op not in ("reshape", "transpose")]


@pytest.mark.parametrize("name", NORMS)
def test_becomes_one_layer(name: str) -> None:
    made = ops(NORMS[name])
    assert made[:2] == ["conv2d", "layer_norm"]
    assert len(made) == 2


@pytest.mark.parametrize("name", OTHERS)
def test_is_no_norm(name: str) -> None:
    assert "layer_norm" not in ops(OTHERS[name])
