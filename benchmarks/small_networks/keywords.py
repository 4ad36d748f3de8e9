"""Which networks hear spoken words? Spectrograms of 49 frames, or raw samples."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from . import network
from .blocks import Residual, SqueezeExcite, conv1d, conv2d, mlp, pooled, pooled1d, separable


@network((1, 49, 10))
def ds_cnn() -> nn.Module:
    """Depthwise-separable, "Hello Edge" (Zhang et al., 2017)."""
    blocks = [separable(64, 64) for _ in range(4)]
    return nn.Sequential(
        nn.ZeroPad2d((1, 1, 4, 5)),
        nn.Conv2d(1, 64, (10, 4), 2),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        *blocks,
        nn.Dropout(0.2),
        pooled(64, 12),
        nn.Softmax(-1),
    )


class TcResNet8(nn.Module):
    """Frequencies as channels, time as the line (Choi et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        widths = [16, 24, 32, 48]
        self.first = nn.Conv1d(40, 16, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(
            *(
                Residual(
                    nn.Sequential(conv1d(a, b, 9, 2), conv1d(b, b, 9, act=None)),
                    conv1d(a, b, 1, 2),
                    nn.ReLU(),
                )
                for a, b in pairwise(widths)
            )
        )
        self.head = nn.Linear(48, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.blocks(self.first(x.squeeze(1).transpose(1, 2)))
        scores: torch.Tensor = self.head(y.mean(-1))
        return scores


@network((1, 98, 40))
def tc_resnet8() -> nn.Module:
    return TcResNet8()


class MatchboxBlock(nn.Module):
    """Time-channel separable convolutions beside a pointwise shortcut (Majumdar and Ginsburg, 2020)."""

    def __init__(self, n_in: int, n_out: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(n_in, n_in, kernel, padding="same", groups=n_in),
            conv1d(n_in, n_out, 1),
            nn.Conv1d(n_out, n_out, kernel, padding="same", groups=n_out),
            conv1d(n_out, n_out, 1, act=None),
        )
        self.shortcut = conv1d(n_in, n_out, 1, act=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


@network((32, 96))
def matchboxnet() -> nn.Module:
    return nn.Sequential(
        conv1d(32, 48, 11, 2),
        MatchboxBlock(48, 32, 13),
        MatchboxBlock(32, 32, 15),
        conv1d(32, 48, 29, dilation=2),
        conv1d(48, 48, 1),
        nn.Conv1d(48, 12, 1),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.LogSoftmax(1),
    )


class BcResBlock(nn.Module):
    """A 2-D part over frequencies, and a 1-D part over its mean, broadcast back (Kim et al., 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequency = nn.Sequential(
            nn.Conv2d(channels, channels, (3, 1), padding=(1, 0), groups=channels), nn.BatchNorm2d(channels)
        )
        self.time = nn.Sequential(
            nn.Conv2d(channels, channels, (1, 3), padding=(0, 1), groups=channels),
            nn.BatchNorm2d(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.frequency(x)
        return F.relu(x + y + self.time(y.mean(2, keepdim=True)))


@network((1, 40, 50))
def bc_resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, (2, 1), 2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        BcResBlock(16),
        BcResBlock(16),
        nn.Conv2d(16, 24, (5, 5), padding=(0, 2), groups=8),
        BcResBlock(24),
        pooled(24, 12),
    )


@network((1, 4000))
def m5() -> nn.Module:
    """Raw samples (Dai et al., 2017), in log-probabilities as its tutorial has them."""
    return nn.Sequential(
        conv1d(1, 16, 79, 8),
        nn.MaxPool1d(4),
        conv1d(16, 16, 3),
        nn.MaxPool1d(4),
        conv1d(16, 32, 3),
        nn.MaxPool1d(4),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(1),
        nn.Linear(32, 10),
        nn.LogSoftmax(-1),
    )


@network((1, 32, 40))
def cnn_trad_fpool() -> nn.Module:
    """Convolutions pooled over frequency, low-rank linear layers (Sainath and Parada, 2015)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, (12, 8), padding=(2, 3)),
        nn.ReLU(),
        nn.MaxPool2d((1, 3), ceil_mode=True),
        nn.Conv2d(16, 16, (5, 4)),
        nn.ReLU(),
        nn.Dropout(),
        nn.Flatten(),
        nn.LazyLinear(32),
        mlp(32, 64, 12),
    )


@network((40, 49))
def keyword_excited() -> nn.Module:
    """Separable lines with squeeze and excitation and hard swish, in the manner of later entries."""
    return nn.Sequential(
        conv1d(40, 32, 5, act=nn.Hardswish),
        conv1d(32, 32, 9, groups=32, act=nn.Hardswish),
        SqueezeExcite(32, gate=nn.Hardsigmoid, line=True),
        conv1d(32, 48, 1, act=nn.Hardswish),
        pooled1d(48, 12),
    )


class NormalisedCnn(nn.Module):
    """Features normalised in forward, from statistics of the training set, one for each band."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(1, 1, 1, 20))
        self.register_buffer("std", torch.rand(1, 1, 1, 20) + 0.5)
        self.body = nn.Sequential(
            conv2d(1, 12), nn.MaxPool2d(2), conv2d(12, 16), nn.MaxPool2d(2), pooled(16, 6)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.body((x - self.mean) / self.std)
        return scores


@network((1, 30, 20))
def normalised_cnn() -> nn.Module:
    return NormalisedCnn()
