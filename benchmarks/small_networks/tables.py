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
