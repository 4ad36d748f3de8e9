"""The four networks of MLPerf Tiny, layer by layer, with seeded random weights: for measuring, not for use.

`firmnet deploy examples/mlperf_tiny.py:vww --board netduinoplus2 --emulate`; likewise `ad`, `kws` and `ic`.
Cycles and RAM depend on shapes, so that untrained weights tell as much as trained ones. Of the flash the code
does not quite: layers share it only where their requantization shifts are equal, and these depend on weights
(keyword spotting: 41,184 bytes with trained ones where it was 38,040).
Batch norms carry the statistics of the seeded inputs, and every layer has a sane range.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

SAMPLES = 16
VWW_BLOCKS = (
    (1, 16), (2, 32), (1, 32), (2, 64), (1, 64), (2, 128), *[(1, 128)] * 5, (2, 256), (1, 256),
)  # fmt: skip
"""(stride of the depthwise convolution, output channels of the 1x1 convolution)"""


class Conv(nn.Module):
    """Convolution, batch norm and perhaps ReLU; TensorFlow's "same" padding: odd rows and columns behind."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: tuple[int, int],
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (top, bottom), (left, right) = (self.around(axis, x.shape[2 + axis]) for axis in (0, 1))
        x = self.norm(self.conv(F.pad(x, (left, right, top, bottom))))
        return torch.relu(x) if self.relu else x

    def around(self, axis: int, size: int) -> tuple[int, int]:
        """Zeros before and after the rows (axis 0) or columns (1) of an image."""
        kernel, stride = self.conv.kernel_size[axis], self.conv.stride[axis]
        total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        return total // 2, total - total // 2


class Separable(nn.Sequential):
    """Depthwise 3x3, then 1x1."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = Conv(n_in, n_in, (3, 3), stride, groups=n_in)
        self.pointwise = Conv(n_in, n_out, (1, 1))


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input is added, through a 1x1 convolution where shapes change."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = Conv(n_in, n_out, (3, 3), stride)
        self.second = Conv(n_out, n_out, (3, 3), relu=False)
        self.shortcut = Conv(n_in, n_out, (1, 1), stride, relu=False) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class Autoencoder(nn.Sequential):
    """Anomaly detection: (1, 640) spectrogram values → the same, as the network would expect them."""

    def __init__(self) -> None:
        super().__init__()
        widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128)
        for i, (n_in, n_out) in enumerate(pairwise(widths), 1):
            self.add_module(f"fc{i}", nn.Linear(n_in, n_out, bias=False))
            self.add_module(f"norm{i}", nn.BatchNorm1d(n_out))
            self.add_module(f"relu{i}", nn.ReLU())
        self.add_module("fc10", nn.Linear(128, 640))


class Classifier(nn.Sequential):
    """A stem and blocks that end in `n` channels of the given size → average → class probabilities."""

    def __init__(
        self, stem: Conv, blocks: Sequence[nn.Module], size: tuple[int, int], n: int, classes: int
    ) -> None:
        super().__init__()
        self.stem = stem
        for i, block in enumerate(blocks, 1):
            self.add_module(f"block{i}", block)
        self.average = nn.AvgPool2d(size)
        self.flat = nn.Flatten()
        self.classify = nn.Linear(n, classes)
        self.softmax = nn.Softmax(1)


def ad() -> dict[str, Any]:
    """Anomaly detection: ten fully connected layers, 264,192 multiply-accumulates."""
    torch.manual_seed(0)
    return _model("ad", Autoencoder(), torch.randn(SAMPLES, 640))


def kws() -> dict[str, Any]:
    """Keyword spotting, DS-CNN: (1, 1, 49, 10) spectrogram → (1, 12), 2,656,768 multiply-accumulates."""
    torch.manual_seed(0)
    blocks = [Separable(64, 64) for _ in range(4)]
    net = Classifier(Conv(1, 64, (10, 4), 2), blocks, (25, 5), 64, 12)
    return _model("kws", net, torch.randn(SAMPLES, 1, 49, 10))


def ic() -> dict[str, Any]:
    """Image classification, ResNet-8: (1, 3, 32, 32) → (1, 10), 12,501,632 multiply-accumulates."""
    torch.manual_seed(0)
    blocks = [Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)]
    net = Classifier(Conv(3, 16, (3, 3)), blocks, (8, 8), 64, 10)
    return _model("ic", net, torch.rand(SAMPLES, 3, 32, 32))


def vww() -> dict[str, Any]:
    """Visual wake words, MobileNetV1 0.25: (1, 3, 96, 96) → (1, 2), 7,489,664 multiply-accumulates."""
    torch.manual_seed(0)
    widths = [8, *(width for _, width in VWW_BLOCKS)]
    strides = [stride for stride, _ in VWW_BLOCKS]
    blocks = [Separable(n_in, n_out, s) for (n_in, n_out), s in zip(pairwise(widths), strides, strict=True)]
    net = Classifier(Conv(3, 8, (3, 3), 2), blocks, (3, 3), 256, 2)
    return _model("vww", net, torch.rand(SAMPLES, 3, 96, 96))


def _model(name: str, net: nn.Module, samples: torch.Tensor) -> dict[str, Any]:
    """What firmnet asks of a model file; batch norms first see the samples once."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = None  # the plain average of what it sees
            nn.init.uniform_(layer.weight, 0.8, 1.2)
            nn.init.normal_(layer.bias, 0.5, 0.3)
    with torch.no_grad():
        net.train()(samples)
    return {"module": net.eval(), "example": samples[:1], "calibration": samples.numpy(), "name": name}
