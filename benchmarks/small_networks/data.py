"""On which data sets that ship in a package are some networks trained, and how?"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from . import SmallNetwork

Array = np.ndarray[Any, np.dtype[Any]]
STEPS, BATCH = 400, 64
MOST_STEPS, HIGHEST_RATE, DECAY, LARGEST_GRADIENT = 1500, 5e-3, 0.05, 1.0
LOW_LOSS, FORGOTTEN = 0.05, 0.02
"""Training ends with such a loss; of its running mean so much is forgotten in a step."""
STEP, WATCH_STRIDE = 2, 50


@dataclass(frozen=True)
class Split:
    """Samples (N, …) float32 with class numbers (N,), to train on and held out."""

    x: Array
    y: Array
    held_out: Array
    of_held_out: Array


@cache
def split(name: str, shape: tuple[int, ...]) -> Split | None:
    """A data set in samples of this shape; None where the package that holds it is not installed."""
    if name == "watch":
        return _watch(shape[-1]) if find_spec("seglearn") else None
    from sklearn import datasets

    loaded = {
        "digits": datasets.load_digits,
        "wine": datasets.load_wine,
        "tumours": datasets.load_breast_cancer,
    }
    x, y = loaded[name](return_X_y=True)
    x = x / 16 if name == "digits" else (x - x.mean(0)) / x.std(0)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].reshape(-1, *shape).astype(np.float32), y[order]
    cut = len(x) * 3 // 4
    return Split(x[:cut], y[:cut], x[cut:], y[cut:])


def _watch(length: int) -> Split:
    """Windows of seven exercises; the last three of ten persons are held out."""
    spec = find_spec("seglearn")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "data" / "watch_dataset.npy"
    held = np.load(path, allow_pickle=True).item()
    persons, windows, classes = np.asarray(held["subject"]), [], []
    of_person = []
    for person, recording, kind in zip(persons, held["X"], held["y"], strict=True):
        line = np.asarray(recording, np.float32)[::STEP, :6].T
        for begin in range(0, line.shape[1] - length, WATCH_STRIDE):
            windows.append(line[:, begin : begin + length])
            classes.append(int(kind))
            of_person.append(person)
    x, y, owner = np.stack(windows), np.array(classes), np.array(of_person)
    new = np.isin(owner, np.unique(persons)[-3:])
    mean, spread = x[~new].mean((0, 2))[:, None], x[~new].std((0, 2))[:, None]
    x = ((x - mean) / spread).astype(np.float32)
    return Split(x[~new], y[~new], x[new], y[new])


def train(module: nn.Module, data: Split) -> None:
    """A few hundred seeded steps of Adam: enough for an accuracy that a wrong integer would spoil."""
    torch.manual_seed(0)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    optimizer = torch.optim.Adam(module.parameters(), 2e-3)
    module.train()
    for _ in range(STEPS):
        batch = torch.randint(len(x), (BATCH,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()
        optimizer.step()
    module.eval()


def train_long(module: nn.Module, data: Split) -> None:
    """Seeded steps of AdamW until the loss is low: scores are then near to each other where samples are hard,
    and not because the training ended early.
    """
    torch.manual_seed(0)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, HIGHEST_RATE, total_steps=MOST_STEPS, pct_start=0.1
    )
    module.train()
    running = None
    for _ in range(MOST_STEPS):
        batch = torch.randint(len(x), (BATCH,))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x[batch]), y[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        rates.step()
        running = loss.item() if running is None else (1 - FORGOTTEN) * running + FORGOTTEN * loss.item()
        if running < LOW_LOSS:
            break
    module.eval()


def settled(network: SmallNetwork) -> nn.Module:
    """The module in eval mode, its batch norms as if they had been trained: as drawn they do nothing."""
    torch.manual_seed(0)
    module = network.module().eval()
    with torch.no_grad():
        module(*(torch.randn(1, *shape) for shape in network.shapes))  # lazy layers take their sizes
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            assert part.running_mean is not None
            assert part.running_var is not None
            nn.init.normal_(part.running_mean, std=0.3)
            nn.init.uniform_(part.running_var, 0.3, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.3)
    return module
