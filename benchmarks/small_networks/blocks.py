"""Which blocks do several networks share?"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn

Activation = Callable[[], nn.Module]


class Residual(nn.Module):
    """A body beside a shortcut, added, then activated."""

    def __init__(
        self, body: nn.Module, shortcut: nn.Module | None = None, act: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()
        self.act = act or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.act(self.body(x) + self.shortcut(x))
        return y


class Joined(nn.Module):
    """Branches over one input, side by side along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Apply(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        super().__init__()
        self.function, self.arguments, self.keywords = function, arguments, keywords

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x, *self.arguments, **self.keywords)


class SqueezeExcite(nn.Module):
    """Channels weighted by what all of the image says (Hu et al., 2018); 1-D where `line`."""

    def __init__(
        self, channels: int, reduction: int = 4, gate: Activation = nn.Sigmoid, line: bool = False
    ) -> None:
        super().__init__()
        few, conv = max(channels // reduction, 2), nn.Conv1d if line else nn.Conv2d
        pool = nn.AdaptiveAvgPool1d(1) if line else nn.AdaptiveAvgPool2d(1)
        self.weights = nn.Sequential(pool, conv(channels, few, 1), nn.ReLU(), conv(few, channels, 1), gate())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = x * self.weights(x)
        return y


def conv2d(
    n_in: int, n_out: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: Activation | None = nn.ReLU
) -> nn.Sequential:
    """Convolution, batch norm and activation, padded so that stride 1 keeps the size."""
    layers = [
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(n_out),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def conv1d(
    n_in: int,
    n_out: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    act: Activation | None = nn.ReLU,
    dilation: int = 1,
) -> nn.Sequential:
    """The same along a line; an even number of taps times dilation stays odd."""
    padding = dilation * (kernel - 1) // 2
    layer = nn.Conv1d(n_in, n_out, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm1d(n_out), *([act()] if act else []))


def separable(
    n_in: int, n_out: int, kernel: int = 3, stride: int = 1, act: Activation = nn.ReLU
) -> nn.Sequential:
    """Depthwise, then pointwise (Howard et al., 2017)."""
    return nn.Sequential(conv2d(n_in, n_in, kernel, stride, n_in, act), conv2d(n_in, n_out, 1, act=act))


def separable1d(
    n_in: int, n_out: int, kernel: int, stride: int = 1, act: Activation = nn.ReLU
) -> nn.Sequential:
    return nn.Sequential(conv1d(n_in, n_in, kernel, stride, n_in, act), conv1d(n_in, n_out, 1, act=act))


def mlp(*sizes: int, act: Activation = nn.ReLU, last: nn.Module | None = None) -> nn.Sequential:
    """Linear layers with an activation between, and `last` behind all."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), act()]
    return nn.Sequential(*layers[:-1], *([last] if last else []))


class Inverted(nn.Module):
    """Expanded, depthwise, projected, with a shortcut where sizes allow it (Sandler et al., 2018)."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        stride: int = 1,
        expand: int = 4,
        act: Activation = nn.ReLU6,
        excite: Activation | None = None,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        wide = n_in * expand
        self.body = nn.Sequential(
            conv2d(n_in, wide, 1, act=act),
            conv2d(wide, wide, kernel, stride, wide, act),
            *([SqueezeExcite(wide, gate=excite)] if excite else []),
            conv2d(wide, n_out, 1, act=None),
        )
        self.shortcut = stride == 1 and n_in == n_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.body(x)
        return x + y if self.shortcut else y


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of every pixel, as ConvNeXt writes it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        spread = (x - mean).pow(2).mean(1, keepdim=True)
        y = (x - mean) / torch.sqrt(spread + 1e-6)
        return self.weight[:, None, None] * y + self.bias[:, None, None]


def pooled(channels: int, classes: int) -> nn.Sequential:
    """The mean of an image, and scores."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def pooled1d(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(channels, classes))
