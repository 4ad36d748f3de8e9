"""How does a Pico's firmware run without a Pico? In rp2040js, over its emulated USB or UART."""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..artifact import Artifact
from ..assets import assets
from ..emulators import rp2040js
from ..image import read_image
from .emulator import Emulated, EmulatedDevice, emulator_of, firmware_of, running
from .serial import TIMEOUT_S


@contextmanager
def emulated(
    artifact: Artifact, elf: Path | None = None, *, circuit: Path | None = None
) -> Iterator[Emulated]:
    """The board with `elf` (default: the artifact's firmware) in flash; it starts when its port is opened.

    `circuit` is a JavaScript module of what is wired to its pins, see boards/rp2040js/bridge.mjs. Raises
    UserError when there is no emulator or no firmware; errors that pass through are told how it ended.
    """
    emulator_of(artifact.board, "rp2040js")
    elf = elf or firmware_of(artifact)
    node, package = rp2040js()
    port = "uart" if artifact.board.link.transport == "uart" else "usb"
    with tempfile.TemporaryDirectory(prefix="firmnet-rp2040-") as scratch:
        folder, flash = Path(scratch), Path(scratch) / "flash.bin"
        flash.write_bytes(_flash_of(elf, artifact.board.chip.flash_origin))
        with tarfile.open(package) as packed:
            packed.extractall(folder, filter="data")
        bridge = assets("boards") / "rp2040js" / "bridge.mjs"
        wired = [str(circuit.resolve())] if circuit else []

        def command(listener: int) -> list[str]:
            return [node.path, str(bridge), str(folder / "package"), str(listener), port, str(flash), *wired]

        with running(command, _ending) as board:
            yield board


def open(artifact: Artifact, address: str = "rp2040js", *, timeout_s: float = TIMEOUT_S) -> EmulatedDevice:
    """The emulated Pico, started and made to serve."""
    return EmulatedDevice(artifact, emulated(artifact), "rp2040js", timeout_s)


def _flash_of(elf: Path, origin: int) -> bytes:
    """What lies in flash from its beginning; 0xFF where nothing does."""
    regions = read_image(elf).regions
    flash = bytearray(b"\xff" * (max(region.end for region in regions) - origin))
    for region in regions:
        flash[region.address - origin : region.end - origin] = region.data
    return bytes(flash)


def _ending(code: int, said: bytes) -> str:
    """How it ended: what the bridge said last."""
    lines = said.decode(errors="replace").strip().splitlines()
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"rp2040js ended with {how}: {' '.join(lines[-12:]) or 'it said nothing'}"
