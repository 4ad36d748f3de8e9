"""Is every layer's every constant covered by verify? Flip bits in the built firmware and read the verdict.

Flips go into the ELF that the emulator boots. Checked with all layers: any layer that differs is a failure,
even where the final output happens to be right.
"""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from board_checks import random_inputs
from elftools.elf.elffile import ELFFile

from firmnet.artifact import Artifact, LayerEntry
from firmnet.devices import qemu
from firmnet.ops import OPS
from firmnet.verify import Verdict, verify

WEIGHT_FLIPS = 4
"""Per layer; its bias and multipliers get one each."""
INPUTS = 10


@dataclass(frozen=True)
class Flip:
    """One bit of one constant array in the firmware file."""

    layer: str
    symbol: str
    offset: int
    bit: int


def flips(artifact: Artifact, seed: int) -> Iterator[Flip]:
    """Seeded positions in every constant of every layer that has weights."""
    chance = random.Random(seed)
    with (artifact.firmware / "firmware.elf").open("rb") as file:
        elf = ELFFile(file)
        symbols = {symbol.name: symbol for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
        for layer in weighted(artifact):
            for name in layer.arrays:
                symbol = symbols[name]
                section = elf.get_section(symbol["st_shndx"])
                start = symbol["st_value"] - section["sh_addr"] + section["sh_offset"]
                for _ in range(WEIGHT_FLIPS if name.endswith("_weight") else 1):
                    yield Flip(
                        layer.name, name, start + chance.randrange(symbol["st_size"]), chance.randrange(8)
                    )


def flipped(artifact: Artifact, flip: Flip, path: Path) -> Path:
    """A copy of the firmware with that bit flipped."""
    image = bytearray((artifact.firmware / "firmware.elf").read_bytes())
    image[flip.offset] ^= 1 << flip.bit
    path.write_bytes(image)
    return path


def verdict_on(artifact: Artifact, elf: Path, layers: bool) -> Verdict:
    inputs = np.concatenate([artifact.samples[-2:], random_inputs(artifact, INPUTS - 2)])
    with qemu.QemuDevice(artifact, 15, elf) as device:
        return verify(artifact, device, inputs, layers=layers)


def weighted(artifact: Artifact) -> list[LayerEntry]:
    """The layers that have weights; a flip in another's index table could send its kernel anywhere."""
    return [layer for layer in artifact.manifest.layers if OPS[layer.op].weighted]


def test_every_flipped_bit_is_traced_to_its_layer(
    small: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, int] = dict.fromkeys((layer.name for layer in weighted(small)), 0)
    unseen, named, output_unchanged = [], 0, 0
    for flip in flips(small, seed=0):
        verdict = verdict_on(small, flipped(small, flip, tmp_path / "flipped.elf"), layers=True)
        if verdict.ok:
            unseen.append(flip)
            continue
        assert verdict.layer is not None, verdict.sentence()
        assert verdict.layer.name == flip.layer, (flip, verdict.sentence())
        assert flip.layer in verdict.sentence()
        found[flip.layer] += flip.symbol.endswith("_weight")
        named += 1
        output_unchanged += verdict.exact == verdict.total
    with capsys.disabled():
        print(
            f"\n{named} flips named their layer, {output_unchanged} behind right outputs; "
            f"{len(unseen)} changed nothing for {INPUTS} inputs: {[flip.symbol for flip in unseen]}"
        )
    assert len(found) >= 5
    assert all(found.values()), (
        f"no weight flip of these layers was seen: {[name for name in found if not found[name]]}"
    )
    assert len(unseen) <= named, "most flips changed nothing: choose inputs that reach more weights"


def test_a_firmware_file_that_changed_since_its_build_is_refused(small: Artifact, tmp_path: Path) -> None:
    layer = weighted(small)[0]
    flip = next(f for f in flips(small, seed=0) if f.layer == layer.name and f.symbol.endswith("weight"))
    copy = tmp_path / "artifact"
    shutil.copytree(small.path, copy, ignore=shutil.ignore_patterns(".pio", "lib"))
    flipped(small, Flip(flip.layer, flip.symbol, flip.offset, 6), copy / "firmware" / "firmware.elf")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("firmnet")), "verify", str(copy), "--emulate"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert "firmware.elf was changed since it was built" in " ".join((done.stdout + done.stderr).split())
