"""The smallest interesting network: one convolution, one linear layer along the width of its images.

`firmnet deploy examples/simplenet.py:model --board netduinoplus2 --emulate`
"""

import torch
from torch import nn


class SimpleNet(nn.Module):
    """(1, 3, 10, 66) → (1, 64, 8, 10): the linear layer acts on the last axis, the width, not channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 64, kernel_size=3)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.conv(x)))


def model() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """The module, an example input, and samples to calibrate with: untrained, on seeded noise."""
    torch.manual_seed(0)
    net, samples = SimpleNet().eval(), torch.randn(32, 3, 10, 66)
    return net, samples[:1], samples
