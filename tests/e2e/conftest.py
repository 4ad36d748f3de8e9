"""Which firmware do the end-to-end tests run? Small networks, each generated and built once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import firmnet
from firmnet.artifact import Artifact
from firmnet.emulators import emulator_for
from firmnet.errors import UserError


def built(
    model: nn.Module,
    shape: tuple[int, ...],
    name: str,
    folder: str,
    app: Path | None = None,
    board: str = "netduinoplus2",
) -> Artifact:
    """A deployment for an emulated board, with seeded calibration noise, compiled."""
    calibration = np.random.default_rng(0).normal(size=(24, *shape)).astype(np.float32)
    deployment = firmnet.compile(model.eval(), calibration, board=board, name=name, app=app)
    deployment.build(folder, emulate=True)
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
def small_l475(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A firmware for the board whose pins are emulated; skipped where its QEMU is not to be had."""
    try:
        emulator_for("b-l475e-iot01a")
    except UserError as error:
        pytest.skip(str(error))
    torch.manual_seed(2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    folder = str(tmp_path_factory.mktemp("small_l475") / "artifact")
    return built(model, (1, 8, 8), "small", folder, board="b_l475e_iot01a")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A firmware that is not `small`, though its input and output have the same sizes."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    return built(model, (1, 8, 8), "other", str(tmp_path_factory.mktemp("other") / "artifact"))


APP = """
import time

import micropython
from machine import Timer
from sensors.words import GREETING

import inhabited


@micropython.viper
def add(a: int, b: int) -> int:
    return a + b


print("app", GREETING, add(2, 3))
count, wish = 0, inhabited.input[0]  # which a soft reset leaves as it is
if wish == 1:
    raise ValueError("as wished")
if wish == 4:
    micropython.kbd_intr(-1)
if wish == 5:
    timer = Timer(period=20, callback=lambda timer: print("tick"))
while True:
    try:
        print("looping")
        while True:
            count += 1
            time.sleep_ms(20)
            if wish == 3:
                print("talking", count)
    except:  # noqa: E722
        if wish != 2:
            raise
        print("caught")
"""


@pytest.fixture(scope="session")
def inhabited(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A board with a program of the user's, in a folder, that does as the model's first input wishes."""
    folder = tmp_path_factory.mktemp("inhabited")
    (folder / "app" / "sensors").mkdir(parents=True)
    (folder / "app" / "main.py").write_text(APP)
    (folder / "app" / "sensors" / "__init__.py").write_text("")
    (folder / "app" / "sensors" / "words.py").write_text('GREETING = "hello"\n')
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    return built(model, (1, 4, 4), "inhabited", str(folder / "artifact"), folder / "app")
