"""Which boards are built, booted and verified here? Each board's own build, in its emulator if there is one.

    python benchmarks/boards.py              # all boards, a minute each on a machine that has built none
    python benchmarks/boards.py nucleo_f446re blackpill_f411ce

Prints a table in Markdown.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import firmnet
from firmnet import devices
from firmnet.artifact import Artifact
from firmnet.build import build, flash
from firmnet.errors import UserError, VerificationError
from firmnet.image import read_image
from firmnet.simulated import Desk, flashed_by
from firmnet.targets import Board, PortInfo, board_ids, load_board
from firmnet.verify import verify

INPUTS = 12


def network() -> nn.Module:
    torch.manual_seed(0)
    head = (nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*head, nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 3)).eval()


def row(board: Board, folder: Path) -> str:
    """What became of a board, as cells of the table."""
    calibration = np.random.default_rng(0).normal(size=(16, 2, 8, 8)).astype(np.float32)
    made = firmnet.compile(network(), calibration, board=board, name="everywhere")
    artifact = made.save(folder / board.id)
    runtime, clock = artifact.manifest.runtime, f"{board.baremetal_clock_hz or 0:,}"
    if not (board.emulator or board.baremetal.upload_protocol):
        return f"{runtime} | no glue | - | - | - | -"
    try:
        sizes = build(artifact, emulate=True).sizes
    except (UserError, VerificationError) as error:
        return f"{runtime} | {str(error).splitlines()[0]} | - | - | - | -"
    image, written = f"{sizes.flash_bytes:,} B of flash", simulated(board, artifact)
    begun = (runtime, image, clock if board.baremetal_clock_hz else "-")
    if board.emulator is None:
        return " | ".join((*begun, "no emulator", "-", written))
    low, shape = -128, (INPUTS, *artifact.manifest.input.sample_shape)
    noise = np.random.default_rng(5).integers(low, 128, shape, dtype=np.int8)
    try:
        with devices.open(board.emulator.kind, artifact) as device:
            verdict = verify(artifact, device, noise, layers=True).sentence()
    except (UserError, VerificationError) as error:
        verdict = str(error).splitlines()[0]
    where = f"{board.emulator.kind} {board.emulator.machine}"
    return " | ".join((*begun, where, verdict, written))


def simulated(board: Board, artifact: Artifact) -> str:
    """By which ways the image was written to a simulated board, byte for byte; what went wrong by others."""
    return ", ".join(_simulated(board, artifact, way) for way in board.protocols(board.baremetal_env)) or "-"


def _simulated(board: Board, artifact: Artifact, way: str) -> str:
    on_desk = flashed_by(way, board, serial_number="066AFF48")
    adapter = PortInfo("/dev/ttyUSB0", "FT232R", "0403:6001", "1-7:1.0", "A1")
    with Desk(on_desk) as desk:
        desk.extra.append(adapter)
        try:
            talks = board.owns_port(board.baremetal_env)
            flash(artifact, desk, protocol=way, port=None if talks else adapter.path)
        except (UserError, VerificationError) as error:
            return f"{way}: {str(error).splitlines()[0]}"
    start = board.chip.flash_origin
    regions = [
        r for r in read_image(artifact.firmware / "firmware.elf").regions if not r.section.endswith("in RAM")
    ]
    same = all(on_desk.flash[r.address - start : r.end - start] == r.data for r in regions)
    return way if same else f"{way}: other bytes"


def main(ids: list[str]) -> None:
    print(
        "| board | runtime | our own build | clock on the chip, Hz | boots on | layer by layer "
        "| written to a simulated board by | official build also by |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for id in ids or board_ids():
            board = load_board(id)
            own, official = board.protocols(board.baremetal_env), board.protocols(board.id)
            ways = [way for way in official if way not in own] if board.platformio else []
            print(f"| {id} | {row(board, Path(folder))} | {', '.join(ways) or '-'} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
