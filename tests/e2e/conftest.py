"""Which firmware do the end-to-end tests run? Two small networks, each generated and built once."""

import numpy as np
import pytest
import torch
from torch import nn

import firmnet
from firmnet.artifact import Artifact


def built(model: nn.Module, shape: tuple[int, ...], name: str, folder: str) -> Artifact:
    """A deployment for the emulated board, with seeded calibration noise, compiled."""
    calibration = np.random.default_rng(0).normal(size=(24, *shape)).astype(np.float32)
    deployment = firmnet.compile(model.eval(), calibration, board="netduinoplus2", name=name)
    deployment.build(folder)
    assert deployment.artifact is not None
    return deployment.artifact


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Convolutions with and without batch norm, strided and depthwise, pooling and linear layers."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.ReLU6(),
        nn.Conv2d(6, 8, 1, stride=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 12),
        nn.ReLU(),
        nn.Linear(12, 5),
    )
    return built(model, (1, 8, 8), "small", str(tmp_path_factory.mktemp("small") / "artifact"))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A firmware that is not `small`, though its input and output have the same sizes."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    return built(model, (1, 8, 8), "other", str(tmp_path_factory.mktemp("other") / "artifact"))
