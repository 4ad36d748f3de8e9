"""Which networks listen to all else? Events, noise, voices."""

import torch
import torch.nn.functional as F
from torch import nn

from . import network
from .blocks import Apply, conv1d, conv2d, mlp, pooled, separable


@network((1, 48, 32))
def yamnet_small() -> nn.Module:
    """MobileNet v1 over a mel spectrogram, a sigmoid for each of many events."""
    return nn.Sequential(
        conv2d(1, 8, 3, 2),
        separable(8, 16),
        separable(16, 24, 3, 2),
        separable(24, 24),
        separable(24, 48, 3, 2),
        pooled(48, 20),
        nn.Sigmoid(),
    )


class Denoiser(nn.Module):
    """A mask over the spectrum's bands from a window of frames (as small speech enhancement does)."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(conv1d(32, 24, 3, act=nn.PReLU), conv1d(24, 16, 3, act=nn.PReLU))
        self.decode = nn.Sequential(
            conv1d(16, 24, 3, act=nn.PReLU), nn.Conv1d(24, 32, 3, padding=1), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask: torch.Tensor = self.decode(self.encode(x))
        return x * mask


@network((32, 24))
def denoiser() -> nn.Module:
    return Denoiser()


class TasNet(nn.Module):
    """Dilated blocks make masks, a transposed convolution samples again (Luo and Mesgarani, 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv1d(1, 24, 16, 8, bias=False)
        self.norm = nn.GroupNorm(1, 24)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(24, 32, 1),
                nn.PReLU(),
                nn.Conv1d(32, 32, 3, padding=d, dilation=d, groups=32),
                nn.PReLU(),
                nn.Conv1d(32, 24, 1),
            )
            for d in (1, 2, 4)
        )
        self.masks = nn.Conv1d(24, 48, 1)
        self.decoder = nn.ConvTranspose1d(24, 1, 16, 8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = F.relu(self.encoder(x))
        y = self.norm(w)
        for block in self.blocks:
            y = y + block(y)
        first, second = torch.chunk(torch.sigmoid(self.masks(y)), 2, 1)
        return torch.cat([self.decoder(w * first), self.decoder(w * second)], 1)


@network((1, 512))
def conv_tasnet() -> nn.Module:
    return TasNet()


@network((64, 40))
def wavenet_vad() -> nn.Module:
    """Gated dilated convolutions with skips: is there a voice?"""
    return GatedTower()


class GatedTower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(64, 16, 1)
        self.filters = nn.ModuleList(nn.Conv1d(16, 16, 3, padding=d, dilation=d) for d in (1, 2, 4))
        self.gates = nn.ModuleList(nn.Conv1d(16, 16, 3, padding=d, dilation=d) for d in (1, 2, 4))
        self.skips = nn.ModuleList(nn.Conv1d(16, 16, 1) for _ in range(3))
        self.head = mlp(16, 8, 1, last=nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, total = self.first(x), torch.zeros(())
        for filtered, gate, skip in zip(self.filters, self.gates, self.skips, strict=True):
            z = torch.tanh(filtered(y)) * torch.sigmoid(gate(y))
            y, total = y + z, total + skip(z)
        voice: torch.Tensor = self.head(F.relu(total).mean(2))
        return voice


@network((1, 40, 40))
def alex_audio() -> nn.Module:
    """With local response normalisation, as an older generation had it."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 5, 2),
        nn.ReLU(),
        nn.LocalResponseNorm(5),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(12, 16, 3),
        nn.ReLU(),
        nn.LocalResponseNorm(3),
        nn.Flatten(),
        nn.LazyLinear(10),
    )


@network((1, 32, 32))
def pooled_statistics() -> nn.Module:
    """A speaker's embedding: mean and deviation over time, then of length 1 (x-vectors in small)."""

    def statistics(y: torch.Tensor) -> torch.Tensor:
        frames = y.flatten(1, 2)
        return torch.cat([frames.mean(2), torch.sqrt(frames.var(2, unbiased=False) + 1e-3)], 1)

    return nn.Sequential(
        conv2d(1, 8, 3, 2),
        conv2d(8, 8, 3, (2, 1)),
        Apply(statistics),
        nn.Linear(128, 16),
        Apply(F.normalize),  # type: ignore[arg-type]
    )


def over_all(y: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """A layer norm of a whole line, written by hand."""
    mean = y.mean(dim=1, keepdim=True).mean(dim=2, keepdim=True)
    variance = torch.pow(y - mean, 2).mean(dim=1, keepdim=True).mean(dim=2, keepdim=True)
    return gain * (y - mean) / torch.pow(variance + 1e-8, 0.5) + shift


class Separated(nn.Module):
    """One block of a separator, its norm by hand, as published code has it (Luo and Mesgarani, 2019)."""

    def __init__(self, channels: int, hidden: int, dilation: int) -> None:
        super().__init__()
        self.wide, self.act = nn.Conv1d(channels, hidden, 1, bias=False), nn.PReLU()
        self.gain = nn.Parameter(torch.rand(1, hidden, 1) + 0.5)
        self.shift = nn.Parameter(torch.randn(1, hidden, 1) / 4)
        self.deep = nn.Conv1d(hidden, hidden, 3, padding=dilation, dilation=dilation, groups=hidden)
        self.narrow = nn.Conv1d(hidden, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = over_all(self.act(self.wide(x)), self.gain, self.shift)
        z: torch.Tensor = x + self.narrow(torch.relu(self.deep(y)))
        return z


@network((16, 60))
def separator() -> nn.Module:
    return nn.Sequential(Separated(16, 24, 1), Separated(16, 24, 2), nn.Conv1d(16, 16, 1), nn.Sigmoid())


class SincNet(nn.Module):
    """Band filters of two numbers each, computed in forward (Ravanelli and Bengio, 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Parameter(torch.linspace(0.01, 0.3, 12)[:, None])
        self.band = nn.Parameter(torch.full((12, 1), 0.05))
        self.register_buffer("window", torch.hamming_window(33, periodic=False))
        self.register_buffer("times", torch.arange(-16, 17).float() + 1e-3)
        self.body, self.head = conv1d(12, 16, 5, 2), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)
        low, high = self.low.abs(), self.low.abs() + self.band.abs()
        waves = torch.sin(6.2832 * high * self.times) - torch.sin(6.2832 * low * self.times)
        filters = waves / (3.1416 * self.times) * self.window
        y = F.max_pool1d(F.conv1d(x, filters[:, None], stride=4).abs(), 3)
        scores: torch.Tensor = self.head(self.body(y).mean(-1))
        return F.log_softmax(scores, 1)


@network((1, 800))
def sincnet() -> nn.Module:
    return SincNet()
