"""What does a Python program see of compile() and what it returns?"""

import warnings
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import firmnet
from firmnet.errors import QualityWarning, UserError


def deployment(depth: int) -> firmnet.Deployment:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(40, 40), nn.Hardtanh())]
    samples = np.random.default_rng(0).normal(size=(8, 40)).astype(np.float32)
    return firmnet.compile(nn.Sequential(*layers).eval(), samples, board="nucleo_f446re", name="net")


@pytest.mark.parametrize("depth", [1, 40])
def test_a_deployment_shows_itself_on_one_screen(depth: int) -> None:
    made = deployment(depth)
    shown = repr(made).splitlines()
    assert len(shown) <= 24
    assert max(map(len, shown)) <= 110
    assert "net for ST Nucleo-F446RE (nucleo_f446re)" in shown[0]
    assert f"{made.firmware.manifest.arena_bytes:,} B of arena" in repr(made)
    assert ("and 28 more" in repr(made)) == (depth == 40)
    assert "not saved yet" in shown[-1]


def test_calibration_that_is_missing_is_called_by_its_name() -> None:
    with pytest.raises(UserError, match="the argument `calibration` is missing"):
        firmnet.compile(nn.Linear(3, 2), board="nucleo_f446re")


def rare(hidden: bool) -> tuple[nn.Module, np.ndarray]:
    """A network that passes on its input, and one event of 1 in faint noise."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), *[nn.Conv2d(1, 1, 1, bias=False)] * hidden)
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    samples = np.random.default_rng(0).random((300, 1, 32, 32), np.float32) * np.float32(0.02)
    samples[7, 0, 20, 20] = 1.0
    return net.eval(), samples


def test_a_lost_event_is_a_warning_in_python_too() -> None:
    net, samples = rare(hidden=True)
    with pytest.warns(QualityWarning, match=r"calibration sample 7 has an output of 1 .*--ranges minmax"):
        made = firmnet.compile(net, samples, board="nucleo_f446re", name="rare", ranges="mse")
    assert len(made.warnings) == 1
    assert made.warnings[0] in repr(made)


@pytest.mark.parametrize("hidden", [False, True])
def test_an_event_is_kept(hidden: bool) -> None:
    net, samples = rare(hidden)
    with warnings.catch_warnings():
        warnings.simplefilter("error", QualityWarning)
        made = firmnet.compile(net, samples, board="nucleo_f446re", name="rare")
    assert made.quality[0].high == pytest.approx(1.0, rel=0.01)


def test_results_that_nearly_fill_the_heap_are_checked_too(tmp_path: Path) -> None:
    """20,480 bytes of float32 results fit into a heap of 45 KB only before samples cut it into pieces."""
    example = Path(__file__).parents[2] / "examples" / "simplenet.py"
    made = firmnet.compile(f"{example}:model", board="netduinoplus2")
    verdict = made.deploy(tmp_path / "simplenet", emulate=True)
    for _ in range(2):  # what is asked twice, for the emulator was late, may lie in the middle of the room
        if "no room" not in verdict.sentence():
            break
        verdict = made.verify(device="qemu")
    assert "predict() right for 3 " in verdict.sentence(), verdict.sentence()


@pytest.mark.parametrize("given", ["core", "host", "/dev/ttyACM0", "socket://localhost:5331", "COM7"])
def test_a_device_where_input_data_belongs_is_called_that(tmp_path: Path, given: str) -> None:
    data = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    made = firmnet.compile(nn.Linear(3, 2).eval(), data, board="netduinoplus2", name="net")
    made.save(tmp_path / "net")
    with pytest.raises(UserError, match=rf"'{given}' is a device, not a file of input data: write verify\("):
        made.verify(given)
