"""Which networks read the heart? Lines of an ECG or of a pulse."""

import torch
from torch import nn

from . import network
from .blocks import Residual, SqueezeExcite, conv1d, mlp, pooled1d


@network((1, 180))
def beat_cnn() -> nn.Module:
    """A beat's class from one lead."""
    return nn.Sequential(
        nn.Conv1d(1, 8, 7),
        nn.LeakyReLU(0.1),
        nn.MaxPool1d(2),
        nn.Conv1d(8, 16, 5),
        nn.LeakyReLU(0.1),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 16, 3),
        nn.LeakyReLU(0.1),
        nn.AvgPool1d(4),
        nn.Flatten(),
        nn.LazyLinear(32),
        nn.LeakyReLU(0.1),
        nn.Dropout(),
        nn.Linear(32, 5),
        nn.Softmax(1),
    )


@network((12, 128))
def ecg_resnet() -> nn.Module:
    """Twelve leads, residual blocks with squeeze and excitation."""

    def block(a: int, b: int) -> nn.Module:
        body = nn.Sequential(conv1d(a, b, 7, 2), conv1d(b, b, 7, act=None), SqueezeExcite(b, line=True))
        return Residual(body, conv1d(a, b, 1, 2, act=None), nn.ReLU())

    return nn.Sequential(conv1d(12, 16, 7, 2), block(16, 24), block(24, 32), pooled1d(32, 5), nn.Sigmoid())


class UNet1d(nn.Module):
    """Where in the line are P, QRS and T? A label for every sample."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.middle = conv1d(1, 8, 9), conv1d(8, 16, 9), conv1d(16, 24, 9)
        self.up2, self.up1 = nn.ConvTranspose1d(24, 16, 2, 2), nn.ConvTranspose1d(16, 8, 2, 2)
        self.join2, self.join1, self.head = conv1d(32, 16, 9), conv1d(16, 8, 9), nn.Conv1d(8, 4, 1)
        self.pool = nn.MaxPool1d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.down1(x)
        two = self.down2(self.pool(one))
        y = self.join2(torch.cat([self.up2(self.middle(self.pool(two))), two], 1))
        labels: torch.Tensor = self.head(self.join1(torch.cat([self.up1(y), one], 1)))
        return labels


@network((1, 128))
def ecg_unet() -> nn.Module:
    return UNet1d()


class PulseRate(nn.Module):
    """Heart rate from a pulse and three axes of movement, normalised window by window."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm1d(4)
        self.body = nn.Sequential(conv1d(4, 16, 9, 2), conv1d(16, 16, 9, 2), conv1d(16, 24, 5, 2))
        self.head = mlp(24, 16, 1, last=nn.Softplus())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rate: torch.Tensor = self.head(self.body(self.norm(x)).amax(-1))
        return rate * 60 + 30


@network((4, 128))
def pulse_rate() -> nn.Module:
    return PulseRate()


@network((1, 100))
def ecg_autoencoder() -> nn.Module:
    """What it cannot draw again is no usual beat."""
    return nn.Sequential(
        nn.Conv1d(1, 8, 7, 2, 3),
        nn.ReLU(),
        nn.Conv1d(8, 12, 7, 2, 3),
        nn.ReLU(),
        nn.ConvTranspose1d(12, 8, 7, 2, 3, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose1d(8, 1, 7, 2, 3, output_padding=1),
        nn.Tanh(),
    )


class Scaled(nn.Module):
    """Each window less its median, over the median deviation, which one artefact does not move."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv1d(1, 8, 5, 2), conv1d(8, 12, 5, 2))
        self.head = nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        away = x - x.median(dim=-1, keepdim=True).values
        y = self.body(away / (1.4826 * away.abs().median(dim=-1, keepdim=True).values + 1e-3))
        scores: torch.Tensor = self.head(torch.cat([y.mean(-1), y.topk(3, -1)[0].mean(-1)], 1))
        return scores


@network((1, 90))
def scaled_by_medians() -> nn.Module:
    return Scaled()
