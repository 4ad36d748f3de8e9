"""Which networks tell movements apart? Windows of accelerometers and gyroscopes."""

import torch
import torch.nn.functional as F
from torch import nn

from . import network
from .blocks import Joined, Residual, SqueezeExcite, conv1d, conv2d, mlp, pooled, pooled1d, separable1d


@network((6, 100), data="watch")
def activity_cnn() -> nn.Module:
    return nn.Sequential(
        conv1d(6, 16, 5),
        nn.MaxPool1d(2),
        conv1d(16, 24, 5),
        nn.MaxPool1d(2),
        conv1d(24, 32, 3),
        nn.AdaptiveMaxPool1d(1),
        nn.Flatten(),
        nn.Linear(32, 7),
    )


class CausalBlock(nn.Module):
    """Dilated, padded on the left, chomped on the right (Bai et al., 2018)."""

    def __init__(self, n_in: int, n_out: int, dilation: int) -> None:
        super().__init__()
        self.padding = 2 * dilation
        self.first = nn.Conv1d(n_in, n_out, 3, padding=self.padding, dilation=dilation)
        self.second = nn.Conv1d(n_out, n_out, 3, padding=self.padding, dilation=dilation)
        self.shortcut = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.first(x)[:, :, : -self.padding])
        y = F.relu(self.second(y)[:, :, : -self.padding])
        return F.relu(y + self.shortcut(x))


class Tcn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(CausalBlock(6, 12, 1), CausalBlock(12, 12, 2), CausalBlock(12, 12, 4))
        self.head = nn.Linear(12, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.blocks(x)[:, :, -1])
        return scores


@network((6, 64), data="watch")
def tcn() -> nn.Module:
    return Tcn()


class InceptionBlock(nn.Module):
    """Lines of three lengths and a pool, side by side (Ismail Fawaz et al., 2020)."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.narrow = nn.Conv1d(n_in, 8, 1, bias=False)
        self.lines = nn.ModuleList(nn.Conv1d(8, 8, k, padding="same", bias=False) for k in (5, 11, 21))
        self.pool = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(n_in, 8, 1, bias=False))
        self.norm = nn.BatchNorm1d(32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = self.narrow(x)
        return F.relu(self.norm(torch.cat([*(line(narrow) for line in self.lines), self.pool(x)], 1)))


@network((6, 100))
def inception_time() -> nn.Module:
    body = nn.Sequential(InceptionBlock(6), InceptionBlock(32))
    return nn.Sequential(Residual(body, conv1d(6, 32, 1, act=None), nn.ReLU()), pooled1d(32, 7))


@network((9, 64))
def fcn_baseline() -> nn.Module:
    """Fully convolutional (Wang et al., 2017)."""
    return nn.Sequential(conv1d(9, 16, 7), conv1d(16, 32, 5), conv1d(32, 16, 3), pooled1d(16, 6))


@network((1, 6, 64))
def activity_2d() -> nn.Module:
    """Channels as rows of an image: a convolution along time, one across all sensors."""
    return nn.Sequential(
        nn.Conv2d(1, 8, (1, 5), padding=(0, 2)),
        nn.ELU(),
        nn.Conv2d(8, 16, (6, 1)),
        nn.BatchNorm2d(16),
        nn.ELU(),
        nn.AvgPool2d((1, 4)),
        nn.Dropout(),
        nn.Conv2d(16, 16, (1, 8), padding="same"),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(256, 6),
    )


class SensorBranches(nn.Module):
    """Each sensor's axes in a branch of their own: split, then joined again."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(separable1d(3, 12, 5, 2), separable1d(12, 16, 5, 2)) for _ in "ag"
        )
        self.head = nn.Sequential(nn.Flatten(), nn.LazyLinear(24), nn.GELU(), nn.Linear(24, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = torch.split(x, 3, 1)
        scores: torch.Tensor = self.head(
            torch.cat([b(p) for b, p in zip(self.branches, parts, strict=True)], 1)
        )
        return scores


@network((6, 50))
def sensor_branches() -> nn.Module:
    return SensorBranches()


class TwoSensors(nn.Module):
    """A window of movement and a few numbers that do not change in it."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.rest = nn.Sequential(conv1d(3, 12, 5), nn.AdaptiveAvgPool1d(1)), mlp(4, 8, 8)
        self.head = nn.Linear(20, 4)

    def forward(self, window: torch.Tensor, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        y = torch.cat([self.line(window).squeeze(-1), self.rest(numbers)], 1)
        return {"activity": self.head(y), "embedding": F.normalize(y, dim=1)}


@network((3, 50), (4,))
def two_sensors() -> nn.Module:
    return TwoSensors()


@network((6, 64))
def gesture_excited() -> nn.Module:
    return nn.Sequential(
        conv1d(6, 16, 5, 2, act=nn.SiLU),
        SqueezeExcite(16, line=True),
        conv1d(16, 24, 5, 2, act=nn.Mish),
        Joined(nn.AdaptiveAvgPool1d(1), nn.AdaptiveMaxPool1d(1)),
        nn.Flatten(),
        nn.Linear(48, 8),
    )


@network((1, 16, 16))
def radar_gesture() -> nn.Module:
    """Range and Doppler of one frame of radar."""
    return nn.Sequential(conv2d(1, 8), nn.AvgPool2d(2), conv2d(8, 16), nn.AvgPool2d(2), pooled(16, 5))


class Skeleton(nn.Module):
    """Joints that pass on to their neighbours, by three kinds of edges, then time (Yan et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("edges", (torch.rand(3, 9, 9) < 0.3).float() / 3)
        self.importance = nn.Parameter(torch.ones(3, 9, 9))
        self.spread, self.time = nn.Conv2d(3, 18, 1), nn.Conv2d(6, 6, (5, 1), padding=(2, 0))
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.spread(x).view(1, 3, 6, *x.shape[2:])
        y = torch.einsum("nkctv,kvw->nctw", y, self.edges * self.importance)
        z: torch.Tensor = self.head(torch.relu(self.time(torch.relu(y))).mean((2, 3)))
        return z


@network((3, 20, 9))
def skeleton() -> nn.Module:
    return Skeleton()


class Orientation(nn.Module):
    """A quaternion of length 1 from directions and magnitudes, of the axes that a mask names, and a row."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("worn", torch.tensor([True, True, True, False, False, True]))
        self.body, self.turn = nn.Sequential(conv1d(5, 12, 7, 2), conv1d(12, 16, 7, 2)), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = x[:, self.worn]
        length = torch.linalg.norm(x, dim=1, keepdim=True)
        q = self.turn(self.body(torch.cat([x / length.clamp_min(1e-3), length - 1.0], 1)).mean(2))
        q = q / q.norm(dim=-1, keepdim=True)
        w, i, j, k = q.unbind(-1)
        rows = [1 - 2 * (j * j + k * k), 2 * (i * j - k * w), 2 * (i * k + j * w)]
        return q, torch.stack(rows, -1)


@network((6, 64))
def orientation() -> nn.Module:
    return Orientation()
