"""Motion: a small network that tells still, shaken and turned apart in 32 readings of an accelerometer.

    firmnet deploy examples/accelerometer/model.py:model --board BOARD --app examples/accelerometer/app.py

trains it on motions that are made up here, and puts it on the board with the program that reads the sensor,
26 times a second. With recordings of your own instead of `motions()` it learns yours.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

LABELS = ["still", "shaken", "turned"]
READINGS, RATE_HZ = 32, 26.0
TRAINED, HELD_OUT = 1200, 300
EPOCHS, BATCH = 20, 40


class Motion(nn.Module):
    """(1, 3, 32) readings of x, y and z in g → (1, 3) probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(3, 8, 5, padding=2)
        self.conv2 = nn.Conv1d(8, 8, 5, padding=2)
        self.pool = nn.MaxPool1d(4)
        self.fc = nn.Linear(8 * 2, len(LABELS))

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc(x.flatten(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.logits(x), dim=1)


def directions(generator: np.random.Generator, count: int) -> np.ndarray:
    """Unit vectors, (count, 3, 1)."""
    v = generator.normal(size=(count, 3, 1))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def motions(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Readings in g, float32 (count, 3, 32), and labels: gravity, and what moves."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(LABELS), count)
    t = np.arange(READINGS) / RATE_HZ
    down = directions(generator, count)
    aside = np.cross(down, directions(generator, count), axis=1)
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    frequency, strength, phase, angle = (
        generator.uniform(low, high, (count, 1, 1))
        for low, high in ((2, 6), (0.4, 1.5), (0, 6.28), (1.2, 3.1))
    )
    shaken = down + strength * directions(generator, count) * np.sin(6.28 * frequency * t + phase)
    turn = angle * np.clip((t - 0.1) / 1.0, 0, 1)
    turned = down * np.cos(turn) + aside * np.sin(turn)
    kind = labels[:, None, None]
    moved = np.where(kind == 1, shaken, np.where(kind == 2, turned, down + 0 * t))
    noise = generator.normal(scale=0.015, size=moved.shape)
    return (moved + noise).astype(np.float32), labels


def train(readings: np.ndarray, labels: np.ndarray) -> Motion:
    """In eval mode; about a second."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x, y = torch.from_numpy(readings), torch.from_numpy(labels)
    net = Motion()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net.logits(x[rows]), y[rows]).backward()
            optimizer.step()
    return net.eval()


def model() -> dict[str, Any]:
    """What firmnet asks of a model file."""
    readings, labels = motions(TRAINED, seed=0)
    return {
        "name": "motion",
        "module": train(readings, labels),
        "example": readings[:1],
        "calibration": readings[:256],
        "labels": LABELS,
        "test": motions(HELD_OUT, seed=1),
    }
