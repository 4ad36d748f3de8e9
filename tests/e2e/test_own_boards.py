"""Does a board of the user's own go all the way, and its artifact to where the board's file is not?"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from firmnet import cli
from firmnet.artifact import Artifact
from firmnet.provenance import edits, fingerprint_on_disk

GREENHOUSE = """
name = "Greenhouse"

[chip] # a Cortex-M3 whose flash does not begin where the machine looks for its vectors
mcu = "atsam3x8e"
core = "cortex-m3"
clock_hz = 84_000_000
flash_origin = 0x0008_0000
flash_bytes = 524_288
ram_origin = 0x2007_0000
ram_bytes = 98_304

[baremetal]
glue = "cmsdk_uart"
clock_hz = 25_000_000
uart_irq = 0

[link]
transport = "uart"

[micropython]
heap_bytes = 24_576
stack_bytes = 16_384

[emulator]
kind = "qemu"
machine = "mps2-an385"
"""


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated for a board "greenhouse" whose file is gone since."""
    place = tmp_path_factory.mktemp("own")
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 3)).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(1, 6),)), place / "net.pt2")
    np.save(place / "data.npy", np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32))
    folder = place / "boards"
    folder.mkdir()
    (folder / "greenhouse.toml").write_text(GREENHOUSE)
    (folder / "broken.toml").write_text("[")
    arguments = ("--board", "greenhouse", "--boards", folder, "--calib", place / "data.npy")
    assert run("generate", place / "net.pt2", *arguments, "--out", place / "made") == 0
    shutil.rmtree(folder)
    return place / "made"


def test_it_is_built_and_verified_without_its_file(artifact: Path) -> None:
    assert run("build", artifact, "--emulate") == 0
    assert run("verify", artifact, "--emulate", "--layers") == 0
    assert run("profile", artifact) == 0


def test_a_board_that_was_damaged_is_named(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(artifact, tmp_path / "made"))
    path = copy / "firmware" / "board.json"
    for edit, complaint in (
        ({"id": "other"}, "it is of 'other', the manifest of 'greenhouse'"),
        ({"platformio": {"platform": "symlink:///tmp"}}, "platformio.platform"),
        ({"more": 1}, "more"),
    ):
        path.write_text(json.dumps({**json.loads((artifact / "firmware/board.json").read_text()), **edit}))
        assert run("build", copy, "--emulate") == 2
        said = capsys.readouterr().err
        assert "the firmware/board.json in" in said
        assert complaint in said
    path.unlink()
    assert run("profile", copy) == 2
    assert "generate it again" in capsys.readouterr().err


def test_a_board_that_was_edited_is_another_firmware(artifact: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(artifact, tmp_path / "made"))
    path = copy / "firmware" / "board.json"
    path.write_text(path.read_text().replace("84000000", "85000000"))
    edited = Artifact.open(copy)
    assert edited.board.chip.clock_hz == 85_000_000
    assert edits(edited) == ("board.json (edited)",)
    assert fingerprint_on_disk(edited).hex() != edited.manifest.fingerprint
