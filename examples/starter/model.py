"""Is a wrist still, shaking or tapping? One second of an accelerometer's x axis, 64 values in g, tells.

The windows are made up here, so that the project has all it needs; put your own recordings in their place.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

CLASSES = ("still", "shake", "tap")
LENGTH = 64


class Motion(nn.Module):
    """(1, 1, 64) values in g → (1, 3) scores; 603 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, 8, 5, stride=2, padding=2)
        self.conv2 = nn.Conv1d(8, 8, 5, stride=2, padding=2)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        return self.fc(x.amax(dim=2))


def windows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Seeded windows float32 (count, 1, 64) and their classes (count,)."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, len(CLASSES), count)
    time = np.arange(LENGTH) / LENGTH
    made = rng.normal(0, 0.05, (count, 1, LENGTH))
    for window, kind in zip(made[:, 0], classes, strict=True):
        if CLASSES[kind] == "shake":
            window += rng.uniform(0.5, 1.5) * np.sin(2 * np.pi * (rng.uniform(4, 8) * time + rng.random()))
        elif CLASSES[kind] == "tap":
            window[rng.integers(8, LENGTH - 8) :][:3] += rng.uniform(1.0, 2.0) * np.array([1.0, -0.7, 0.3])
    return made.astype(np.float32), classes


def train(samples: np.ndarray, classes: np.ndarray) -> Motion:
    """A trained network in eval mode; a second or two."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x, y = torch.from_numpy(samples), torch.from_numpy(classes)
    net = Motion()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval()


def model() -> dict[str, Any]:
    """What firmnet asks of a model file: module and example; with it calibration, labels and a test set."""
    samples, classes = windows(300, seed=0)
    return {
        "module": train(samples, classes),
        "example": samples[:1],
        "calibration": samples[:100],
        "labels": list(CLASSES),
        "test": windows(100, seed=1),
    }
