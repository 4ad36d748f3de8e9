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
from firmnet.build import build
from firmnet.devices import qemu
from firmnet.errors import UserError, VerificationError
from firmnet.targets import Board, board_ids, load_board
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
        return f"{runtime} | no glue | - | - | -"
    try:
        sizes = build(artifact, emulate=True).sizes
    except (UserError, VerificationError) as error:
        return f"{runtime} | {str(error).splitlines()[0]} | - | - | -"
    built = f"{sizes.flash_bytes:,} B of flash"
    if board.emulator is None:
        return f"{runtime} | {built} | {clock if board.baremetal_clock_hz else '-'} | no emulator | -"
    low, shape = -128, (INPUTS, *artifact.manifest.input.sample_shape)
    noise = np.random.default_rng(5).integers(low, 128, shape, dtype=np.int8)
    try:
        with qemu.open(artifact) as device:
            verdict = verify(artifact, device, noise, layers=True).sentence()
    except (UserError, VerificationError) as error:
        verdict = str(error).splitlines()[0]
    where = f"QEMU {board.emulator.machine}"
    return f"{runtime} | {built} | {clock if board.baremetal_clock_hz else '-'} | {where} | {verdict}"


def main(ids: list[str]) -> None:
    print(
        "| board | runtime | our own build | clock on the chip, Hz | boots on | layer by layer | flashed by |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for id in ids or board_ids():
            board = load_board(id)
            ways = dict.fromkeys(way for env in board.envs for way in board.protocols(env))
            print(f"| {id} | {row(board, Path(folder))} | {', '.join(ways) or '-'} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
