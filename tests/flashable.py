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

SIZE = 70_001


def flashable(
    path: Path, board: Board | str, env: str, suffixes: tuple[str, ...] = ("elf", "bin", "hex")
) -> Artifact:
    """As `generate` leaves it, and as if `build` had made its firmware, which carries its fingerprint."""
    target = load_board(board) if isinstance(board, str) else board
    made = firmware(two_layers(), target)
    artifact = save(path, made.manifest, two_layers(), inputs(4), made.files)
    publish(artifact, env, suffixes)
    return artifact


def intel_hex(origin: int, image: bytes) -> bytes:
    """The image as a HEX file: 32 bytes a line, the high half of the address once for each 64 KB."""
    records = []
    for start in range(0, len(image), 32):
        address = origin + start
        if start == 0 or address % 0x10000 == 0:
            records.append(b"\2\0\0\4" + (address >> 16).to_bytes(2, "big"))
        piece = image[start : start + 32]
        records.append(bytes([len(piece)]) + (address & 0xFFFF).to_bytes(2, "big") + b"\0" + piece)
    records.append(b"\0\0\0\1")
    return b"".join(b":%b\n" % (r + bytes([-sum(r) % 256])).hex().upper().encode() for r in records)


def publish(artifact: Artifact, env: str, suffixes: tuple[str, ...] = ("elf", "bin", "hex")) -> BuildReport:
    """Give it firmware files that are made up, and the report of their build."""
    chip, identity = artifact.board.chip, artifact.manifest.fingerprint
    image = bytes.fromhex(identity) + np.random.default_rng(7).bytes(SIZE - 32)
    files = {
        "firmware.elf": elf({".text": (chip.flash_origin, image)}),
        "firmware.bin": image,
        "firmware.hex": intel_hex(chip.flash_origin, image),
    }
    files = {name: content for name, content in files.items() if name.endswith(suffixes)}
    for name, content in files.items():
        (artifact.firmware / name).write_bytes(content)
    sizes = FirmwareSizes(SIZE, chip.flash_bytes, 1000, chip.ram_bytes, 80, 9000, 16_384, 40_000)
    digests = {name: file_digest(artifact.firmware / name) for name in files}
    report = BuildReport(artifact.board.id, env, 1.0, sizes, identity, (), digests)
    (artifact.path / "build.json").write_text(json.dumps(asdict(report)))
    return report
