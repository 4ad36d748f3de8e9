"""Which networks notice what is not as usual?"""

import torch
from torch import nn

from . import network
from .blocks import conv1d, mlp


@network((160,))
def dense_autoencoder() -> nn.Module:
    return mlp(160, 32, 8, 32, 160)


class Variational(nn.Module):
    """Mean, logarithm of the variance, and what the mean decodes to."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.mu, self.logvar = mlp(32, 24, last=nn.ReLU()), nn.Linear(24, 4), nn.Linear(24, 4)
        self.decode = mlp(4, 24, 32)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h = self.encode(x)
        mu = self.mu(h)
        return self.decode(mu), mu, self.logvar(h)


@network((32,))
def variational() -> nn.Module:
    return Variational()


class Reconstruction(nn.Module):
    """The error is computed on the board: one number."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(24, 12, 4, 12, 24, act=nn.ELU)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.body(x)).pow(2).mean(1, keepdim=True)


@network((24,))
def reconstruction() -> nn.Module:
    return Reconstruction()


@network((1, 28, 28))
def image_autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(12, 8, 3, 2, 1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 3, 2, 1, output_padding=1),
        nn.Sigmoid(),
    )


class OneClass(nn.Module):
    """Distance to a centre that training found (Ruff et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv1d(3, 12, 5, 2), conv1d(12, 16, 5, 2), nn.AdaptiveAvgPool1d(1), nn.Flatten()
        )
        self.register_buffer("centre", torch.rand(16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.vector_norm(self.body(x) - self.centre, dim=1, keepdim=True)


@network((3, 128))
def one_class() -> nn.Module:
    return OneClass()


@network((4, 128))
def vibration() -> nn.Module:
    """A wide first kernel over raw vibration (Zhang et al., 2017)."""
    return nn.Sequential(
        conv1d(4, 12, 33, 4),
        nn.MaxPool1d(2),
        conv1d(12, 16, 3),
        nn.MaxPool1d(2),
        conv1d(16, 24, 3),
        nn.Flatten(),
        nn.LazyLinear(4),
    )
