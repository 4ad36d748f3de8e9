"""Handwritten digits: a small CNN trained on scikit-learn's 1,797 real 8x8 scans, a third of them held out.

`firmnet deploy examples/digits.py:model --board netduinoplus2 --emulate` trains and deploys it;
`firmnet demo` does the same and compares the board's answers with all 599 held-out images.
"""

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

HELD_OUT = 599
EPOCHS = 30
BATCH = 64


class Digits(nn.Module):
    """(1, 1, 8, 8) pixels in 0..1 → (1, 10) probabilities; 15,418 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(32 * 2 * 2, 10)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.pool(torch.relu(self.bn2(self.conv2(x))))
        x = self.pool(torch.relu(self.bn3(self.conv3(x))))
        return self.fc(self.dropout(x.flatten(1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.logits(x), dim=1)


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images and labels, held-out images and labels; images are float32 (N, 1, 8, 8) in 0..1."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    images = (digits.images[order] / 16).astype(np.float32)[:, None]
    labels = digits.target[order]
    return images[HELD_OUT:], labels[HELD_OUT:], images[:HELD_OUT], labels[:HELD_OUT]


def train(images: np.ndarray, labels: np.ndarray) -> Digits:
    """A Digits network in eval mode, trained with Adam and one-cycle learning rate; about 5 s."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # batches this small gain nothing from more, and lose much on a busy machine
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    net = Digits()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net.logits(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def model() -> dict[str, Any]:
    """What firmnet asks of a model file: module and example; with it calibration, labels and a test set."""
    train_images, train_labels, test_images, test_labels = data()
    return {
        "module": train(train_images, train_labels),
        "example": train_images[:1],
        "calibration": train_images[:256],
        "labels": [str(digit) for digit in range(10)],
        "test": (test_images, test_labels),
    }
