"""Seven exercises of the shoulder, told apart by a watch: a GRU and a small transformer, on real data.

    firmnet deploy examples/exercises.py:gru --board BOARD
    firmnet deploy examples/exercises.py:transformer --board BOARD

The recordings ship in the package seglearn: `pip install seglearn` (BSD). Ten people did the exercises with a
watch on their wrist; seven are trained on, and the accuracy is that on the three whom the network never met.
Windows that overlap would look alike in both halves of any other split, and promise too much.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

NEW_PEOPLE = 3
EVERY = 2  # of the 50 readings a second of the recordings
WINDOW, HOP = 100, 40  # readings: four seconds, begun every 1.6 s
CHANNELS, PATCH = 6, 4
TILT_RAD, GAIN = 0.25, 0.1
EPOCHS, BATCH, RATE = 15, 128, 1e-2


class Gru(nn.Module):
    """(1, 100, 6) readings of acceleration and rotation → (1, 7) scores of the exercises."""

    def __init__(self, spread: np.ndarray, classes: int, units: int = 32) -> None:
        super().__init__()
        self.register_buffer("spread", torch.from_numpy(spread))
        self.gru = nn.GRU(CHANNELS, units, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(units, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        each_step, _ = self.gru(x / self.spread)
        return self.fc(self.dropout(each_step.mean(1)))


class Transformer(nn.Module):
    """(1, 100, 6) → (1, 7), as Gru; four readings are a token, the first of 26 gathers what is asked for."""

    def __init__(self, spread: np.ndarray, classes: int, width: int = 32) -> None:
        super().__init__()
        self.register_buffer("spread", torch.from_numpy(spread))
        self.embed = nn.Conv1d(CHANNELS, width, PATCH, stride=PATCH)
        self.gathers = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 1 + WINDOW // PATCH, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.2, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embed((x / self.spread).transpose(1, 2)).transpose(1, 2)
        tokens = torch.cat([self.gathers.expand(len(x), -1, -1), tokens], dim=1) + self.places
        return self.fc(self.norm(self.encoder(tokens)[:, 0]))


def recordings() -> dict[str, Any]:
    """140 of them: `X` (readings, 6), `y` the number of an exercise in `y_labels`, `subject` who did it."""
    found = find_spec("seglearn")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the recordings are in the package seglearn: pip install seglearn")
    return np.load(Path(found.origin).parent / "data" / "watch_dataset.npy", allow_pickle=True).item()


def windows(held: dict[str, Any], people: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Of these people: readings, float32 (N, 100, 6), and the exercises (N,)."""
    readings, exercises = [], []
    for person, recording, exercise in zip(held["subject"], held["X"], held["y"], strict=True):
        if person in people:
            line = np.asarray(recording, np.float32)[::EVERY]
            begins = range(0, len(line) - WINDOW, HOP)
            readings += [line[begin : begin + WINDOW] for begin in begins]
            exercises += [int(exercise)] * len(begins)
    return np.stack(readings), np.array(exercises)


def worn_otherwise(x: torch.Tensor) -> torch.Tensor:
    """The same windows from watches that sit a little turned, and measure a little more or less."""
    turns = torch.matrix_exp(TILT_RAD * _about_axes(torch.randn(len(x), 3)))
    turned = torch.cat([x[..., :3] @ turns, x[..., 3:] @ turns], dim=2)
    return turned * (1 + GAIN * torch.randn(len(x), 1, 1))


def _about_axes(angles: torch.Tensor) -> torch.Tensor:
    """(N, 3) → (N, 3, 3): whose exponential turns by so much."""
    a, b, c = angles.T
    zero = torch.zeros_like(a)
    return torch.stack([zero, -c, b, c, zero, -a, -b, a, zero], dim=1).view(-1, 3, 3)


def train(net: nn.Module, readings: np.ndarray, exercises: np.ndarray) -> nn.Module:
    """The network in eval mode; about 15 s."""
    torch.set_num_threads(1)  # batches this small gain nothing from more
    x, y = torch.from_numpy(readings), torch.from_numpy(exercises)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            scores = net(worn_otherwise(x[rows]))
            nn.functional.cross_entropy(scores, y[rows], label_smoothing=0.1).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return net.eval()


def deployed(kind: type[nn.Module]) -> dict[str, Any]:
    """What firmnet asks of a model file."""
    torch.manual_seed(0)
    held = recordings()
    people = sorted(set(held["subject"]))
    known, new = set(people[:-NEW_PEOPLE]), set(people[-NEW_PEOPLE:])
    readings, exercises = windows(held, known)
    acceleration, rotation = readings[..., :3].std(), readings[..., 3:].std()
    spread = np.repeat(np.float32([acceleration, rotation]), 3)
    return {
        "module": train(kind(spread, len(held["y_labels"])), readings, exercises),
        "example": readings[:1],
        "calibration": readings[::8],
        "labels": [str(label) for label in held["y_labels"]],
        "test": windows(held, new),
    }


def gru() -> dict[str, Any]:
    return deployed(Gru)


def transformer() -> dict[str, Any]:
    return deployed(Transformer)
