"""Is a firmware with one bit flipped ever called verified? Flips in every part of it, booted in the emulator.

The table of 200 is printed by benchmarks/bitflips.py.
"""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from flipping import Flip, Told, all_told, flips

from firmnet.artifact import Artifact

FLIPS = 40


@pytest.fixture(scope="module")
def chosen(small: Artifact) -> list[Flip]:
    return flips(small, FLIPS, seed=1)


@pytest.fixture(scope="module")
def results(small: Artifact, chosen: list[Flip]) -> list[Told]:
    return list(all_told(small, chosen))


def test_every_flipped_bit_is_named_or_the_firmware_is_refused(
    results: list[Told], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{FLIPS} flips: {dict(Counter(told.how for told in results))}")
    assert [told for told in results if told.how == "verified"] == []
    assert sum(told.how == "named" for told in results) > FLIPS / 2, "most images should at least boot"
    for told in results:
        if told.how == "named":
            assert told.flip.part in told.said, told
            assert told.flip.symbol in told.said


def test_flips_reach_every_part_of_the_firmware(small: Artifact, chosen: list[Flip]) -> None:
    parts = {flip.part for flip in chosen}
    layers = small.manifest.layers
    assert {f"a constant of layer {layer.name!r}" for layer in layers if layer.arrays} <= parts
    assert {f"the code of layer {layer.name!r}" for layer in layers} <= parts
    others = (
        "MicroPython",
        "the frozen Python modules",
        "firmnet's glue",
        "the C library or the board's core",
    )
    assert {f"of {other}" for other in others} <= parts


def test_a_flipped_constant_names_its_layer(results: list[Told]) -> None:
    constants = [told for told in results if told.flip.part.startswith("a constant of layer")]
    assert constants
    for told in constants:
        assert told.how == "named", told
        assert told.flip.part in told.said


def changed(artifact: Artifact, copy: Path, name: str) -> subprocess.CompletedProcess[str]:
    """What `firmnet verify --emulate` says of a copy of the artifact with another byte in that file."""
    shutil.copytree(artifact.path, copy, ignore=shutil.ignore_patterns(".pio", "lib"))
    path = copy / "firmware" / name
    content = np.fromfile(path, np.uint8)
    content[len(content) // 3] ^= 1
    content.tofile(path)
    command = [str(Path(sys.executable).with_name("firmnet")), "verify", str(copy), "--emulate"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_firmware_file_that_changed_since_its_build_is_refused(small: Artifact, tmp_path: Path) -> None:
    done = changed(small, tmp_path / "artifact", "firmware.elf")
    assert done.returncode == 1, done.stderr
    assert "firmware.elf was changed since it was built" in " ".join((done.stdout + done.stderr).split())
