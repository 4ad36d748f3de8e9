"""Which networks tell images apart?"""

import torch
import torch.nn.functional as F
from torch import nn

from . import network
from .blocks import (
    Apply,
    Inverted,
    Joined,
    LayerNorm2d,
    Residual,
    SqueezeExcite,
    conv2d,
    mlp,
    pooled,
    separable,
)


@network((1, 8, 8), data="digits")
def lenet() -> nn.Module:
    """Tanh and average pools, as in 1998."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(64, 32),
        nn.Tanh(),
        nn.Linear(32, 10),
    )


@network((64,), data="digits")
def perceptron() -> nn.Module:
    return mlp(64, 48, 24, 10, act=nn.SiLU)


@network((1, 8, 8), data="digits")
def digits_mobile() -> nn.Module:
    """Inverted residuals with hard swish and squeeze-and-excitation (MobileNet v3's parts)."""
    return nn.Sequential(
        conv2d(1, 12, act=nn.Hardswish),
        Inverted(12, 12, act=nn.Hardswish, excite=nn.Hardsigmoid),
        Inverted(12, 20, 2, act=nn.Hardswish, excite=nn.Hardsigmoid),
        pooled(20, 10),
    )


@network((3, 32, 32))
def resnet8() -> nn.Module:
    def block(a: int, b: int, stride: int) -> nn.Module:
        body = nn.Sequential(conv2d(a, b, 3, stride), conv2d(b, b, act=None))
        return Residual(body, conv2d(a, b, 1, stride, act=None) if stride > 1 else None, nn.ReLU())

    return nn.Sequential(conv2d(3, 16), block(16, 16, 1), block(16, 32, 2), block(32, 64, 2), pooled(64, 10))


@network((3, 48, 48))
def mobilenet_v1() -> nn.Module:
    return nn.Sequential(
        conv2d(3, 8, 3, 2),
        separable(8, 16),
        separable(16, 32, 3, 2),
        separable(32, 32),
        separable(32, 64, 3, 2),
        separable(64, 64),
        pooled(64, 2),
    )


@network((3, 32, 32))
def mobilenet_v2() -> nn.Module:
    return nn.Sequential(
        conv2d(3, 8, 3, 2, act=nn.ReLU6),
        Inverted(8, 8),
        Inverted(8, 16, 2),
        Inverted(16, 16),
        Inverted(16, 24, 2),
        conv2d(24, 48, 1, act=nn.ReLU6),
        pooled(48, 10),
    )


@network((3, 32, 32))
def efficientnet_small() -> nn.Module:
    return nn.Sequential(
        conv2d(3, 8, 3, 2, act=nn.SiLU),
        Inverted(8, 12, 1, 2, nn.SiLU, nn.Sigmoid),
        Inverted(12, 16, 2, 4, nn.SiLU, nn.Sigmoid, 5),
        conv2d(16, 32, 1, act=nn.SiLU),
        pooled(32, 10),
    )


class Fire(nn.Module):
    """Squeezed, then expanded two ways (Iandola et al., 2016)."""

    def __init__(self, n_in: int, few: int, n_out: int) -> None:
        super().__init__()
        self.squeeze = conv2d(n_in, few, 1)
        self.expand = Joined(conv2d(few, n_out // 2, 1), conv2d(few, n_out // 2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.expand(self.squeeze(x))
        return y


@network((3, 32, 32))
def squeezenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        Fire(12, 8, 24),
        Fire(24, 8, 24),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        Fire(24, 12, 32),
        nn.Conv2d(32, 10, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
    )


class ShuffleUnit(nn.Module):
    """Half of the channels go by, then all are shuffled (Ma et al., 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(
            conv2d(half, half, 1), conv2d(half, half, 3, 1, half, None), conv2d(half, half, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept, worked = x.chunk(2, 1)
        y = torch.cat([kept, self.body(worked)], 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


@network((3, 24, 24))
def shufflenet_v2() -> nn.Module:
    return nn.Sequential(
        conv2d(3, 24, 3, 2), ShuffleUnit(24), ShuffleUnit(24), conv2d(24, 32, 1), pooled(32, 10)
    )


class Dense(nn.Module):
    def __init__(self, n_in: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(n_in), nn.ReLU(), nn.Conv2d(n_in, growth, 3, padding=1, bias=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.body(x)], 1)


@network((3, 24, 24))
def densenet() -> nn.Module:
    """Batch norm and ReLU before each convolution (Huang et al., 2017)."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        Dense(12, 8),
        Dense(20, 8),
        nn.BatchNorm2d(28),
        nn.ReLU(),
        nn.Conv2d(28, 14, 1),
        nn.AvgPool2d(2),
        Dense(14, 8),
        nn.BatchNorm2d(22),
        nn.ReLU(),
        pooled(22, 10),
    )


@network((3, 24, 24))
def convnext_small() -> nn.Module:
    def block(channels: int) -> nn.Module:
        return Residual(
            nn.Sequential(
                nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
                LayerNorm2d(channels),
                nn.Conv2d(channels, 3 * channels, 1),
                nn.GELU(),
                nn.Conv2d(3 * channels, channels, 1),
            )
        )

    return nn.Sequential(
        nn.Conv2d(3, 12, 4, 4),
        LayerNorm2d(12),
        block(12),
        block(12),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LayerNorm(12),
        nn.Linear(12, 10),
    )


@network((3, 24, 24))
def convmixer() -> nn.Module:
    """Patches mixed over space, then over channels (Trockman and Kolter, 2022)."""

    def block(channels: int) -> nn.Module:
        space = nn.Sequential(
            nn.Conv2d(channels, channels, 5, groups=channels, padding="same"),
            nn.GELU(),
            nn.BatchNorm2d(channels),
        )
        return nn.Sequential(
            Residual(space), nn.Conv2d(channels, channels, 1), nn.GELU(), nn.BatchNorm2d(channels)
        )

    first = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.GELU(), nn.BatchNorm2d(16))
    return nn.Sequential(first, block(16), block(16), pooled(16, 10))


class Mixer(nn.Module):
    """Tokens and channels mixed by linear layers (Tolstikhin et al., 2021)."""

    def __init__(self, tokens: int, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.tokens, self.channels = (
            nn.Sequential(nn.Linear(n, 2 * n), nn.GELU(), nn.Linear(2 * n, n)) for n in (tokens, channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        y: torch.Tensor = x + self.channels(self.norm2(x))
        return y


@network((3, 24, 24))
def mlp_mixer() -> nn.Module:
    tokens = Apply(lambda y: y.flatten(2).transpose(1, 2))
    mean = Apply(lambda y: y.mean(1))
    return nn.Sequential(
        nn.Conv2d(3, 16, 6, 6),
        tokens,
        Mixer(16, 16),
        Mixer(16, 16),
        nn.LayerNorm(16),
        mean,
        nn.Linear(16, 10),
    )


class Ghost(nn.Module):
    """Half of the channels are cheap relatives of the others (Han et al., 2020)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first, self.cheap = conv2d(n_in, n_out // 2, 1), conv2d(n_out // 2, n_out // 2, 3, 1, n_out // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return torch.cat([y, self.cheap(y)], 1)


@network((3, 24, 24))
def ghostnet() -> nn.Module:
    return nn.Sequential(conv2d(3, 12, 3, 2), Ghost(12, 24), SqueezeExcite(24), Ghost(24, 32), pooled(32, 10))


class RepVgg(nn.Module):
    """Three branches that training has and inference could merge (Ding et al., 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide, self.point = conv2d(channels, channels, act=None), conv2d(channels, channels, 1, act=None)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.wide(x) + self.point(x) + self.norm(x))


@network((3, 24, 24))
def repvgg() -> nn.Module:
    return nn.Sequential(conv2d(3, 16, 3, 2), RepVgg(16), RepVgg(16), pooled(16, 10))


class CoordinateConv(nn.Module):
    """Two channels say where a pixel lies (Liu et al., 2018)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        line = torch.linspace(-1, 1, size)
        self.register_buffer("places", torch.stack(torch.meshgrid(line, line, indexing="ij"))[None])
        self.conv = conv2d(5, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(torch.cat([x, self.places], 1))
        return y


@network((3, 16, 16))
def coordinate_conv() -> nn.Module:
    return nn.Sequential(CoordinateConv(16), nn.MaxPool2d(2), conv2d(12, 16), pooled(16, 10))


class Siamese(nn.Module):
    """Are two images of the same? The cosine between their embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv2d(1, 8, 3, 2), conv2d(8, 16, 3, 2), nn.Flatten(), nn.Linear(256, 16))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        a, b = F.normalize(self.body(x), dim=1), F.normalize(self.body(y), dim=1)
        return (a * b).sum(1, keepdim=True)


@network((1, 16, 16), (1, 16, 16))
def siamese() -> nn.Module:
    return Siamese()


class Capsules(nn.Module):
    """Votes of small capsules for ten digits, routed twice by how they agree (Sabour et al., 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.primary = nn.Conv2d(1, 12, 3), nn.Conv2d(12, 16, 3, 2)
        self.votes = nn.Parameter(torch.randn(1, 16, 10, 6, 4) / 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = self.squashed(self.primary(torch.relu(self.conv(x))).view(1, 16, 4))
        votes = (self.votes @ low[:, :, None, :, None]).squeeze(-1)
        logits = torch.zeros(1, 16, 10)
        for _ in range(2):
            high = self.squashed((votes * logits.softmax(2).unsqueeze(-1)).sum(1))
            logits = logits + (votes * high.unsqueeze(1)).sum(-1)
        return high.norm(dim=-1)

    @staticmethod
    def squashed(x: torch.Tensor) -> torch.Tensor:
        size = x.square().sum(-1, keepdim=True)
        return x * size.sqrt() / (1 + size)


@network((1, 8, 8))
def capsules() -> nn.Module:
    return Capsules()


class Conditional(nn.Module):
    """Filters mixed for each image from two sets (Yang et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.routing, self.head = conv2d(3, 6, 3, 2), nn.Linear(6, 2), nn.Linear(8, 4)
        self.experts = nn.Parameter(torch.randn(2, 8 * 6 * 9) / 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        filters = torch.sigmoid(self.routing(x.mean((2, 3)))) @ self.experts
        x = torch.relu(F.conv2d(x, filters.view(8, 6, 3, 3), padding=1))
        y: torch.Tensor = self.head(x.mean((2, 3)))
        return y


@network((3, 20, 20))
def conditional() -> nn.Module:
    return Conditional()


class Prototypes(nn.Module):
    """Classes by the distance to one point for each (Snell et al., 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv2d(1, 8), nn.MaxPool2d(2), conv2d(8, 8), nn.MaxPool2d(2), nn.Flatten())
        self.register_buffer("points", torch.rand(5, 32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(-torch.cdist(self.body(x), self.points).square(), 1)


@network((1, 8, 8))
def prototypes() -> nn.Module:
    return Prototypes()
