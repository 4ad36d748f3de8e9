"""Which networks say where something is?"""

import torch
import torch.nn.functional as F
from torch import nn

from . import network
from .blocks import conv2d, mlp, separable


class Ssd(nn.Module):
    """Boxes and scores over two maps (Liu et al., 2016), scores as a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (
            nn.Sequential(conv2d(3, 12, 3, 2), separable(12, 24, 3, 2)),
            separable(24, 32, 3, 2),
        )
        self.boxes = nn.ModuleList(nn.Conv2d(c, 3 * 4, 3, padding=1) for c in (24, 32))
        self.scores = nn.ModuleList(nn.Conv2d(c, 3 * 5, 3, padding=1) for c in (24, 32))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        one = self.one(x)
        maps = one, self.two(one)
        boxes = [
            head(m).permute(0, 2, 3, 1).reshape(1, -1, 4) for head, m in zip(self.boxes, maps, strict=True)
        ]
        scores = [
            head(m).permute(0, 2, 3, 1).reshape(1, -1, 5) for head, m in zip(self.scores, maps, strict=True)
        ]
        return torch.cat(boxes, 1), F.softmax(torch.cat(scores, 1), -1)


@network((3, 32, 32))
def ssd() -> nn.Module:
    return Ssd()


class CentreNet(nn.Module):
    """A heat map whose peaks are centres, offsets and sizes (Zhou et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv2d(1, 8, 3, 2), conv2d(8, 16, 3, 2), nn.ConvTranspose2d(16, 12, 4, 2, 1), nn.ReLU()
        )
        self.heat, self.offset, self.size = (nn.Conv2d(12, n, 1) for n in (2, 2, 2))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.body(x)
        return {
            "heat": torch.sigmoid(self.heat(y)),
            "offset": torch.tanh(self.offset(y)) * 0.5,
            "size": torch.exp(self.size(y).clamp(max=3)),
        }


@network((1, 32, 32))
def centrenet() -> nn.Module:
    return CentreNet()


class YoloSmall(nn.Module):
    """Leaky rectifiers, two scales, the coarser enlarged and joined (Redmon and Farhadi, 2018)."""

    def __init__(self) -> None:
        super().__init__()

        def conv(a: int, b: int, kernel: int = 3, stride: int = 1) -> nn.Module:
            return conv2d(a, b, kernel, stride, act=lambda: nn.LeakyReLU(0.1))

        self.fine = nn.Sequential(conv(3, 8), nn.MaxPool2d(2), conv(8, 16), nn.MaxPool2d(2), conv(16, 24))
        self.coarse = nn.Sequential(nn.MaxPool2d(2), conv(24, 32))
        self.lateral, self.heads = conv(32, 12, 1), nn.ModuleList(nn.Conv2d(c, 3 * 6, 1) for c in (32, 36))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        fine = self.fine(x)
        coarse = self.coarse(fine)
        y = torch.cat([F.interpolate(self.lateral(coarse), scale_factor=2, mode="nearest"), fine], 1)
        return [head(m) for head, m in zip(self.heads, (coarse, y), strict=True)]


@network((3, 32, 32))
def yolo_small() -> nn.Module:
    return YoloSmall()


class BlazeFace(nn.Module):
    """Blocks whose shortcut is pooled and padded with empty channels (Bazarevsky et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 12, 5, 2, 2)
        self.body1 = nn.Sequential(nn.Conv2d(12, 12, 5, padding=2, groups=12), nn.Conv2d(12, 12, 1))
        self.body2 = nn.Sequential(nn.Conv2d(12, 12, 5, 2, 2, groups=12), nn.Conv2d(12, 20, 1))
        self.face, self.points = nn.Conv2d(20, 2, 1), nn.Conv2d(20, 12, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = F.relu(self.first(x))
        y = F.relu(self.body1(y) + y)
        shortcut = F.pad(F.max_pool2d(y, 2), (0, 0, 0, 0, 0, 8))
        y = F.relu(self.body2(y) + shortcut)
        return torch.sigmoid(self.face(y)).flatten(1), self.points(y).flatten(1)


@network((3, 32, 32))
def blazeface() -> nn.Module:
    return BlazeFace()


class Localiser(nn.Module):
    """Where is the brightest? The expectation of a softmax over all pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv2d(1, 8), nn.Conv2d(8, 1, 1))
        line = torch.linspace(-1, 1, 12)
        self.register_buffer(
            "places", torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(144, 2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        share = F.softmax(self.body(x).flatten(1), 1)
        return share @ self.places


@network((1, 12, 12))
def localiser() -> nn.Module:
    return Localiser()


class Classified(nn.Module):
    """A class and a box from one body, the class as its number."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv2d(3, 12, 3, 2), conv2d(12, 16, 3, 2), nn.Flatten())
        self.kind, self.box = (
            nn.LazyLinear(6),
            nn.Sequential(nn.LazyLinear(16), nn.ReLU(), mlp(16, 4), nn.Sigmoid()),
        )

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.body(x)
        return {"scores": self.kind(y), "box": self.box(y) * 24}


@network((3, 24, 24))
def box_and_class() -> nn.Module:
    return Classified()


class Distances(nn.Module):
    """Boxes by shares of eight distances to each side, decoded to pixels, and scores (YOLO v8)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(conv2d(a, b, 3, 2, act=nn.SiLU) for a, b in ((3, 12), (12, 16), (16, 24)))
        )
        self.sides, self.scores = nn.Conv2d(24, 32, 1), nn.Conv2d(24, 3, 1)
        line = torch.arange(6) + 0.5
        places = torch.stack(torch.meshgrid(line, line, indexing="xy")).flatten(1)
        self.register_buffer("places", places[None])
        self.register_buffer("steps", torch.arange(8.0))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.body(x)
        shares = self.sides(y).view(1, 4, 8, -1).softmax(2)
        before, behind = (shares * self.steps[:, None]).sum(2).chunk(2, 1)
        first, last = self.places - before, self.places + behind
        boxes = torch.cat([(first + last) / 2, last - first], 1) * 8
        return boxes, self.scores(y).flatten(2).sigmoid()


@network((3, 48, 48))
def distance_boxes() -> nn.Module:
    return Distances()
