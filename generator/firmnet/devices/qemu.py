"""How does the very firmware run without a board? On QEMU's machine of it, over its emulated serial port."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from ..artifact import Artifact
from ..emulators import PROGRAM, emulator_for
from ..errors import UserError
from ..targets import MACHINES, Board, Machine, storage_of
from .emulator import Emulated, EmulatedDevice, emulator_of, firmware_of, running
from .serial import TIMEOUT_S

MULTIPLEXED = ("-echr", "0x100")
"""Ctrl-A would be for QEMU's multiplexer: no byte is this one."""


@contextmanager
def emulated(artifact: Artifact, elf: Path | None = None, romfs: Path | None = None) -> Iterator[Emulated]:
    """The board's emulator with `elf` (default: the artifact's firmware); it starts when its port is opened.

    `romfs`: an image that lies where the board has its ROMFS, to read.

    Raises UserError when there is no emulator or no firmware; errors that pass through are told how
    the emulator ended, if it did.
    """
    emulator_of(artifact.board, "qemu")
    firmware = elf or firmware_of(artifact)
    image = _loaded(artifact.board, romfs)
    with running(lambda listener: [*command(artifact.board, firmware, listener), *image], ending) as board:
        yield board


def open(artifact: Artifact, address: str = "qemu", *, timeout_s: float = TIMEOUT_S) -> "QemuDevice":
    """The emulated board, started and made to serve."""
    return QemuDevice(artifact, timeout_s)


class QemuDevice(EmulatedDevice):
    """With any firmware of the artifact's board."""

    def __init__(self, artifact: Artifact, timeout_s: float, elf: Path | None = None) -> None:
        super().__init__(artifact, emulated(artifact, elf), "qemu", timeout_s)


def command(board: Board, elf: Path, listener: int) -> list[str]:
    """QEMU waits for the first client, so the banner is not lost, and takes the socket already listening.

    Its main loop would wake for every byte. A multiplexer before a UART, though of one port, holds 32 and
    hands on the next as soon as the last is read, in the processor's thread.
    """
    emulator = emulator_of(board, "qemu")
    machine = MACHINES.get(emulator.machine)
    ahead = machine is not None and machine.asks
    uart = f"socket,id=uart,fd={listener},server=on,wait=on,nodelay=on,mux={'on' if ahead else 'off'}"
    arguments = ["-machine", emulator.machine, *emulator.arguments, *_fitting(board, elf)]
    quiet = ["-display", "none", "-monitor", "none", *(MULTIPLEXED if ahead else ())]
    program = emulator_for(emulator.machine)
    return [program, *arguments, *quiet, "-chardev", uart, "-serial", "chardev:uart", "-kernel", str(elf)]


def _loaded(board: Board, romfs: Path | None) -> list[str]:
    """What puts an image into the flash that nobody can write."""
    if romfs is None:
        return []
    storage = storage_of(board)
    if storage is None or storage.romfs is None:
        raise UserError(f"board {board.id!r} has no room for a ROMFS in its flash: leave {romfs} out")
    path = str(romfs).replace(",", ",,")
    return ["-device", f"loader,file={path},addr={storage.romfs.origin:#x},force-raw=on"]


def _fitting(board: Board, elf: Path) -> list[str]:
    """What a machine that is known must be told of this board: which UART is ours, and where to begin.

    The UARTs before ours get nothing. Where it looks for vectors and this board has none, it begins at the
    reset code.
    """
    emulator, told = emulator_of(board, "qemu"), list[str]()
    machine = MACHINES.get(emulator.machine)
    if machine is None:
        return told
    before_ours = machine.serials.index(board.baremetal.defines.get("FN_USART", 1))
    _check_memory(machine, elf)
    told += ["-serial", "null"] * (before_ours - emulator.arguments.count("-serial"))
    if machine.vectors != board.chip.flash_origin:
        with elf.open("rb") as file:
            entry = ELFFile(file).header["e_entry"]
        told += ["-device", f"loader,addr={entry:#x},cpu-num=0"]
    return told


def _check_memory(machine: Machine, elf: Path) -> None:
    """UserError where a firmware takes RAM that a machine with a part of its family's does not have."""
    if not machine.part:
        return
    with elf.open("rb") as file:
        taken = [
            section["sh_addr"] + section["sh_size"]
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_addr"] >= machine.ram.origin
        ]
    excess = max(taken, default=0) - machine.ram.end
    if excess > 0:
        raise UserError(
            f"this firmware takes {excess:,} bytes of RAM more than the {machine.ram.size_bytes:,} of QEMU's "
            f"{machine.name}: verify it on the board, or emulate another board with more"
        )


def ending(code: int, said: bytes) -> str:
    """How the emulator ended, with the lines of its output that say why."""
    lines = said.decode(errors="replace").splitlines()
    telling = [
        line
        for line in lines
        if "waiting for connection" not in line and not re.match(r"[A-Zs]+\d*\S*=|FPSCR", line)
    ]
    if any("Lockup" in line for line in telling):
        telling.append("(has this machine memory where the board's [chip] has it? See docs/boards.md)")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{PROGRAM} ended with {how}: {' '.join(telling).strip() or 'it said nothing'}"
