"""Which networks of windows become streams in the tests? One of each kind, small, with its window."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from firmnet.ir import Graph, Shape
from firmnet.passes import optimize
from firmnet.quantize import quantize


class Causal(nn.Module):
    """A convolution over older frames only: padding on the left."""

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.before = (kernel - 1) * dilation
        self.conv = nn.Conv1d(n_in, n_out, kernel, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(F.pad(x, (self.before, 0)))
        return y


class Tcn(nn.Module):
    """Residual blocks of dilated causal convolutions; the last step is the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(6, 8, 1)
        self.blocks = nn.ModuleList([Causal(8, 8, 3, 2**i) for i in range(3)])
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        for block in self.blocks:
            y = F.relu(y + block(y))
        scores: torch.Tensor = self.head(y[:, :, -1])
        return scores


class Wave(nn.Module):
    """Gates, residual and skip connections; the mean of the last four steps is the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 8, 1)
        self.filters = nn.ModuleList([Causal(8, 8, 2, 2**i) for i in range(3)])
        self.gates = nn.ModuleList([Causal(8, 8, 2, 2**i) for i in range(3)])
        self.mixed = nn.ModuleList([nn.Conv1d(8, 8, 1) for _ in range(3)])
        self.head = nn.Conv1d(8, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        skipped = torch.zeros(())
        for kept, gate, mix in zip(self.filters, self.gates, self.mixed, strict=True):
            z = mix(torch.tanh(kept(y)) * torch.sigmoid(gate(y)))
            y, skipped = y + z, skipped + z
        last: torch.Tensor = self.head(F.relu(skipped))[:, :, -4:].mean(-1)
        return last


class Branches(nn.Module):
    """Two branches that look back differently far, joined where their frames meet, then a stride."""

    def __init__(self) -> None:
        super().__init__()
        self.long, self.short = nn.Conv1d(3, 8, 9), nn.Conv1d(3, 8, 3)
        self.joined, self.head = nn.Conv1d(16, 12, 5, 2), nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        far, near = F.relu(self.long(x)), F.relu(self.short(x))[:, :, 3:-3]
        scores: torch.Tensor = self.head(F.relu(self.joined(torch.cat([far, near], 1))).amax(-1))
        return scores


class EveryStep(nn.Module):
    """One answer per pair of frames, channels last, with a norm over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv1d(4, 8, 4, 2), nn.LayerNorm(8)
        self.second, self.head = Causal(8, 8, 3), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(F.relu(self.first(F.pad(x.transpose(1, 2), (2, 0)))).transpose(1, 2))
        steps: torch.Tensor = self.head(F.relu(self.second(y.transpose(1, 2))).transpose(1, 2)).softmax(-1)
        return steps


class Heard(nn.Module):
    """Frames at half their rate through a causal convolution, then two recurrent layers; the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gru = nn.Conv1d(4, 8, 4, 2), nn.GRU(8, 6, 2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.first(F.pad(x.transpose(1, 2), (2, 0)))).transpose(1, 2)
        scores: torch.Tensor = self.head(self.gru(y)[0][:, -1])
        return scores


class Followed(nn.Module):
    """An LSTM whose every step goes on through a causal convolution, beside what it read."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.behind = nn.LSTM(4, 5, batch_first=True), Causal(9, 3, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, (_, cell) = self.lstm(x)
        steps: torch.Tensor = self.behind(torch.cat([y, x], 2).transpose(1, 2))
        return steps, cell


class BothWays(nn.Module):
    """Both directions, of which the last step is read: the way back has seen that step alone by then."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(4, 3, batch_first=True, bidirectional=True), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.gru(x)[0][:, -1])
        return scores


class Compressed(nn.Module):
    """All of the window in a row, and that in pieces through a recurrent layer: no state between runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.rnn = nn.Conv1d(4, 6, 3), nn.RNN(12, 3, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.first(x)).flatten(1)
        last: torch.Tensor = self.rnn(self.mixed(y).unflatten(1, (2, 12)))[0][:, -1]
        return last

    def mixed(self, y: torch.Tensor) -> torch.Tensor:
        return torch.tanh(y[:, :24])


def keywords() -> nn.Module:
    """Depthwise separable on a spectrogram (1, frames, frequencies), without padding along the frames."""
    layers: list[nn.Module] = [nn.Conv2d(1, 8, (6, 4), (2, 2), (0, 1)), nn.BatchNorm2d(8), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Conv2d(8, 8, 3, padding=(0, 1), groups=8), nn.BatchNorm2d(8), nn.ReLU()]
        layers += [nn.Conv2d(8, 8, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4), nn.Softmax(-1))


def pooled() -> nn.Module:
    """Strides and pools, then all that is left of the window at once."""
    return nn.Sequential(
        *(nn.Conv1d(6, 8, 5, 2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 12, 3), nn.ReLU()),
        *(nn.AvgPool1d(2), nn.Flatten(), nn.Linear(72, 5)),
    )


def spectrogram() -> nn.Module:
    """Frames along the last axis, as torchaudio gives them; pools along frequencies and frames."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=(1, 0)), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, (2, 1))),
        *(nn.ReLU(), nn.AvgPool2d((1, 2)), nn.Flatten(), nn.Linear(8 * 2 * 6, 4)),
    )


def frames_of_sound() -> nn.Module:
    """Raw samples in frames of eight, each made features, then a causal view over them."""
    return nn.Sequential(
        *(nn.Unflatten(1, (12, 8)), nn.Linear(8, 6), nn.Tanh(), nn.Flatten(), nn.Linear(72, 3)),
    )


@dataclass(frozen=True)
class Window:
    """A network, its input without the batch, the axis of time (with it), and hops that are tried."""

    build: Callable[[], nn.Module]
    shape: Shape
    axis: int
    hops: tuple[int, ...]


NETWORKS = {
    "keywords": Window(keywords, (1, 24, 10), 2, (2, 6)),
    "tcn": Window(Tcn, (6, 20), 2, (1, 3)),
    "pooled": Window(pooled, (6, 64), 2, (8,)),
    "wave": Window(Wave, (4, 16), 2, (1, 4)),
    "branches": Window(Branches, (3, 32), 2, (2, 4)),
    "spectrogram": Window(spectrogram, (1, 12, 30), 3, (4,)),
    "every_step": Window(EveryStep, (24, 4), 1, (2, 8)),
    "heard": Window(Heard, (12, 4), 1, (2, 6)),
    "followed": Window(Followed, (10, 4), 1, (1, 5)),
    "both_ways": Window(BothWays, (8, 4), 1, (2,)),
    "compressed": Window(Compressed, (4, 10), 2, (2,)),
    "frames_of_sound": Window(frames_of_sound, (96,), 1, (8, 24)),
}


def integer(module: nn.Module, shape: Shape, name: str = "network", **options: object) -> Graph:
    """The quantized graph of a network that is given windows of this shape, weights and samples seeded."""
    from firmnet.api import load_model

    x = torch.randn(8, *shape, generator=torch.Generator().manual_seed(1)).numpy()
    graph = optimize(load_model(module.eval(), name=name, example=x[:1], calibration=x).graph)
    return quantize(graph, x, "minmax", **options).graph


def seeded(window: Window, name: str) -> Graph:
    torch.manual_seed(0)
    return integer(window.build(), window.shape, name)
