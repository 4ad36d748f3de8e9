"""What do tests flash without building it? A small network, with firmware files that are made up."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from board_twin import elf, inputs, two_layers

from firmnet.artifact import Artifact, save
from firmnet.build import BuildReport, FirmwareSizes
from firmnet.codegen.firmware import firmware
from firmnet.provenance import file_digest
from firmnet.targets import Board, load_board
from firmnet.targets.board import Chip, Connection, Flashing, MicroPython, PlatformIO

PICO = Board(
    id="pico",
    name="Raspberry Pi Pico",
    chip=Chip("rp2040", "cortex-m0plus", 125_000_000, 0x1000_0000, 2**21, 0x2000_0000, 2**18),
    link=Connection("usb_cdc", 115_200, ("2e8a:00c0",), ("2e8a:0003",), touch_1200=True),
    micropython=MicroPython(32_768, 16_384),
    platformio=PlatformIO("raspberrypi", "pico", "arduino", "picotool"),
    flash=Flashing(("uf2",), ("RPI-RP2",), 0xE48BFF56),
)
SIZE = 70_001


def flashable(
    path: Path, board: Board | str, env: str, suffixes: tuple[str, ...] = ("elf", "bin", "hex")
) -> Artifact:
    """As `generate` leaves it, and as if `build` had made its firmware, which carries its fingerprint."""
    target = load_board(board) if isinstance(board, str) else board
    made = firmware(two_layers(), target)
    artifact = save(path, made.manifest, two_layers(), inputs(4), made.files)
    image = bytes.fromhex(made.manifest.fingerprint) + np.random.default_rng(7).bytes(SIZE - 32)
    files = {
        "firmware.elf": elf({".text": (target.chip.flash_origin, image)}),
        "firmware.bin": image,
        "firmware.hex": b":00000001FF\n",
    }
    files = {name: content for name, content in files.items() if name.endswith(suffixes)}
    for name, content in files.items():
        (artifact.firmware / name).write_bytes(content)
    report = BuildReport(
        target.id,
        env,
        1.0,
        FirmwareSizes(SIZE, target.chip.flash_bytes, 1000, target.chip.ram_bytes, 80, 9000, 16_384, 40_000),
        made.manifest.fingerprint,
        (),
        {name: file_digest(artifact.firmware / name) for name in files},
    )
    (artifact.path / "build.json").write_text(json.dumps(asdict(report)))
    return artifact
