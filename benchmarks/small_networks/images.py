"""Which networks give an image back? Segmented, sharpened, cleaned."""

import torch
import torch.nn.functional as F
from torch import nn

from . import network
from .blocks import conv2d, separable


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.middle = conv2d(1, 8), conv2d(8, 12), conv2d(12, 16)
        self.up2, self.up1 = nn.ConvTranspose2d(16, 12, 2, 2), nn.Upsample(scale_factor=2, mode="nearest")
        self.join2, self.join1, self.head = conv2d(24, 12), conv2d(20, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.one(x)
        two = self.two(F.max_pool2d(one, 2))
        y = self.join2(torch.cat([self.up2(self.middle(F.max_pool2d(two, 2))), two], 1))
        return torch.sigmoid(self.head(self.join1(torch.cat([self.up1(y), one], 1))))


@network((1, 24, 24))
def unet() -> nn.Module:
    return UNet()


class LRaspp(nn.Module):
    """A segmentation head over two strides, joined bilinearly (Howard et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = conv2d(3, 12, 3, 2, act=nn.Hardswish), separable(12, 24, 3, 2, nn.Hardswish)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(24, 12, 1), nn.Sigmoid())
        self.point, self.fine, self.coarse = conv2d(24, 12, 1), nn.Conv2d(12, 3, 1), nn.Conv2d(12, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = self.low(x)
        high = self.high(low)
        y = self.point(high) * self.gate(high)
        y = F.interpolate(y, size=low.shape[-2:], mode="bilinear", align_corners=False)
        labels = self.fine(low) + self.coarse(y)
        return F.interpolate(labels, scale_factor=2.0, mode="bilinear", align_corners=True)


@network((3, 32, 32))
def lraspp() -> nn.Module:
    return LRaspp()


@network((1, 16, 16))
def espcn() -> nn.Module:
    """Twice as sharp, by channels that become pixels (Shi et al., 2016)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2, padding_mode="replicate"),
        nn.Tanh(),
        nn.Conv2d(16, 8, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(8, 4, 3, padding=1),
        nn.PixelShuffle(2),
        nn.Sigmoid(),
    )


class DnCnn(nn.Module):
    """Estimates the noise and takes it away (Zhang et al., 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1, padding_mode="reflect"),
            nn.ReLU(),
            conv2d(12, 12),
            nn.Conv2d(12, 1, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.clamp(x - self.noise(x), 0, 1)


@network((1, 24, 24))
def dncnn() -> nn.Module:
    return DnCnn()


@network((1, 16, 16))
def fsrcnn() -> nn.Module:
    """With parametric rectifiers, enlarged by a transposed convolution at the end (Dong et al., 2016)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2),
        nn.PReLU(16),
        nn.Conv2d(16, 6, 1),
        nn.PReLU(6),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.PReLU(6),
        nn.Conv2d(6, 16, 1),
        nn.PReLU(16),
        nn.ConvTranspose2d(16, 1, 9, 2, 4, output_padding=1),
    )


class BicubicSkip(nn.Module):
    """Adds what is missing to a bicubic enlargement (Dong et al., 2016, with sub-pixels)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv2d(1, 8, 5), conv2d(8, 8), nn.Conv2d(8, 4, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sharp: torch.Tensor = F.pixel_shuffle(self.body(x), 2)
        return sharp + F.interpolate(x, scale_factor=2, mode="bicubic")


@network((1, 16, 16))
def bicubic_skip() -> nn.Module:
    return BicubicSkip()


class VolumeUNet(nn.Module):
    """A volume segmented (Cicek et al., 2016): up by a transposed convolution, beside it between values."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 8, 3, 2, 1)
        self.norm, self.up = nn.InstanceNorm3d(4, affine=True), nn.ConvTranspose3d(8, 4, 2, 2)
        self.beside = nn.Upsample(scale_factor=2, mode="trilinear")
        self.head, self.coarse = nn.Conv3d(8, 2, 1), nn.Conv3d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = F.leaky_relu(self.norm(self.one(x)))
        two = F.leaky_relu(self.two(one))
        coarse: torch.Tensor = self.beside(self.coarse(two))
        return coarse + self.head(torch.cat([one, self.up(two)], 1))


@network((1, 6, 10, 10))
def volume_unet() -> nn.Module:
    return VolumeUNet()


class Undistorted(nn.Module):
    """A lens corrected by a grid that is measured once, then edges."""

    def __init__(self) -> None:
        super().__init__()
        place = torch.linspace(-1, 1, 20)
        y, x = torch.meshgrid(place, place, indexing="ij")
        grow = 1 + 0.15 * (x * x + y * y)
        self.register_buffer("grid", torch.stack([x * grow, y * grow], -1)[None])
        self.body = nn.Sequential(conv2d(1, 6), nn.Conv2d(6, 1, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.body(F.grid_sample(x, self.grid, align_corners=True))
        return y


@network((1, 20, 20))
def undistorted() -> nn.Module:
    return Undistorted()
