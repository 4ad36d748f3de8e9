"""Which networks work on a few numbers? Sensors of a process, a battery, the weather."""

import torch
from torch import nn

from . import network
from .blocks import Residual, mlp


@network((30,), data="tumours")
def diagnosis() -> nn.Module:
    return nn.Sequential(
        nn.BatchNorm1d(30), nn.Linear(30, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 2)
    )


@network((13,), data="wine")
def self_normalising() -> nn.Module:
    """SELU (Klambauer et al., 2017)."""
    return mlp(13, 24, 24, 3, act=nn.SELU)


@network((13,), data="wine")
def group_normalised() -> nn.Module:
    return nn.Sequential(nn.Linear(13, 24), nn.GroupNorm(4, 24), nn.Mish(), nn.Linear(24, 3), nn.Softmax(1))


@network((4, 24))
def forecast() -> nn.Module:
    """A day ahead from a day: trend and rest apart (Zeng et al., 2023)."""
    return DLinear()


class DLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trend, self.rest = nn.Linear(24, 12), nn.Linear(24, 12)
        self.mean = nn.AvgPool1d(5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before, after = x[:, :, :1].repeat(1, 1, 2), x[:, :, -1:].repeat(1, 1, 2)
        trend = self.mean(torch.cat([before, x, after], 2))
        y: torch.Tensor = self.trend(trend) + self.rest(x - trend)
        return y


class NBeats(nn.Module):
    """Each block explains a part and takes it away (Oreshkin et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(mlp(16, 24, 24, 20) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for block in self.blocks:
            back, ahead = torch.split(block(x), [16, 4], 1)
            x, total = x - back, total + ahead
        return total


@network((16,))
def n_beats() -> nn.Module:
    return NBeats()


@network((8,))
def battery() -> nn.Module:
    """State of charge between 0 and 1."""
    return nn.Sequential(
        nn.Linear(8, 16),
        nn.Softsign(),
        Residual(nn.Linear(16, 16), act=nn.CELU()),
        nn.Linear(16, 1),
        nn.Hardsigmoid(),
    )


class Experts(nn.Module):
    """Two small networks, weighted by a third."""

    def __init__(self) -> None:
        super().__init__()
        self.experts, self.gate = nn.ModuleList(mlp(10, 12, 3) for _ in range(2)), nn.Linear(10, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(self.gate(x), 1)
        answers = torch.stack([expert(x) for expert in self.experts], 1)
        return (answers * weights[:, :, None]).sum(1)


@network((10,))
def experts() -> nn.Module:
    return Experts()


class Sparsemax(nn.Module):
    """Columns chosen by a softmax that reaches 0 (Martins and Astudillo, 2016; as in TabNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.choice, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.register_buffer("place", torch.arange(1.0, 9.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.choice(x)
        falling = torch.sort(z, 1, descending=True)[0]
        support = (1 + self.place * falling > falling.cumsum(1)).float()
        count = support.sum(1, keepdim=True)
        threshold = ((support * falling).sum(1, keepdim=True) - 1) / count
        y: torch.Tensor = self.head(torch.relu(z - threshold) * x)
        return y


@network((8,))
def sparsemax() -> nn.Module:
    return Sparsemax()


class SoftTree(nn.Module):
    """Eight leaves, each reached with a probability (Frosst and Hinton, 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.gates, self.leaves = nn.Linear(13, 7), nn.Parameter(torch.randn(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        right = torch.sigmoid(self.gates(x))
        ways, reached = torch.stack([right, 1 - right], 2), torch.ones(1, 1, 1)
        for depth in range(3):
            first = 2**depth - 1
            reached = reached.view(1, -1, 1) * ways[:, first : 2 * first + 1]
        return reached.view(1, 8) @ self.leaves


@network((13,))
def soft_tree() -> nn.Module:
    return SoftTree()


class Splines(nn.Module):
    """A cubic spline on every edge (Liu et al., 2024: a KAN)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("knots", torch.linspace(-2.2, 2.2, 9).expand(inputs, -1).contiguous())
        self.base, self.weight = nn.Linear(inputs, outputs), nn.Parameter(torch.randn(outputs, inputs * 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        at, t = x.unsqueeze(-1), self.knots
        basis = ((at >= t[:, :-1]) & (at < t[:, 1:])).to(x.dtype)
        for k in (1, 2, 3):
            rising = (at - t[:, : -k - 1]) / (t[:, k:-1] - t[:, : -k - 1])
            falling = (t[:, k + 1 :] - at) / (t[:, k + 1 :] - t[:, 1:-k])
            basis = rising * basis[:, :, :-1] + falling * basis[:, :, 1:]
        y: torch.Tensor = self.base(nn.functional.silu(x)) + nn.functional.linear(
            basis.flatten(1), self.weight
        )
        return y


@network((4,))
def splines() -> nn.Module:
    return nn.Sequential(Splines(4, 3), nn.Tanh(), Splines(3, 2))
