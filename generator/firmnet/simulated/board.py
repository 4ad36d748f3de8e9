"""How does a board behave on USB? It shows a port, a drive or a bootloader, goes away and comes back.

One class for all: what a board shows, and by what it is flashed, is taken from its board file.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..artifact import Artifact
from ..build.uf2 import read_uf2
from ..targets import Board, Drive, Plugged, PortInfo, UsbDevice, load_board
from .line import LOOK_S, Restarted, SimulatedLine
from .programs import ChipProgram, Firmnet, silent
from .twin import Halt

AWAY_S = 0.15
"""How long a board is not to be seen while it changes what it shows; a real one takes a second."""
Fault = Literal["", "forbidden", "busy", "gone", "verify", "broken", "protected", "unpowered", "hangs"]
"""What goes wrong while it is written: see tools.py. `hangs`: its bootloader does not start."""
Bootloader = Literal["sam-ba", "dfu", "uf2"]
Showing = Literal["application", "bootloader", "away"]

INFO_UF2 = "UF2 Bootloader v3.0\r\nModel: {name}\r\nBoard-ID: {id}\r\n"
DETAILS = "Version: 0221\r\nBuild:   Jul  2 2024 15:26:20\r\n"


@dataclass(frozen=True)
class DeskFolders:
    """The folders in which a desk's boards have their ports and drives, and the artifacts that it knows."""

    ports: Path
    media: Path
    known: list[Artifact]


class SimulatedBoard:
    """One board. `runs` is what its chip does until it is flashed; default: nothing, as one that hangs.

    `bootloader`: what it shows as such. None: a probe writes it, whose serial port is the board's, or one
    that is `wired` to it and has none.
    """

    def __init__(
        self,
        board: Board | str,
        *,
        bootloader: Bootloader | None = None,
        place: str = "1-2",
        serial_number: str = "",
        name: str = "ttyACM0",
        runs: ChipProgram = silent,
        mode: Showing = "application",
        fault: Fault = "",
        wired: UsbDevice | None = None,
    ) -> None:
        self.board = load_board(board) if isinstance(board, str) else board
        self.bootloader, self.place, self.name = bootloader, place, name
        self.serial_number, self.wired = serial_number, wired
        self.fault: Fault = fault
        self.flash = bytearray(b"\xff") * self.board.chip.flash_bytes
        self._runs: ChipProgram | None = runs
        self._mode: Showing = mode
        self._line: SimulatedLine | None = None
        self._threads: list[threading.Thread] = []
        self._drive: Path | None = None
        self._off = threading.Event()
        self._change = threading.RLock()
        self._folders: DeskFolders | None = None

    # -- what a system tells of it

    def plugged(self) -> Plugged:
        """What can be seen of it now."""
        with self._change:
            ports, usb, drives = [], [], []
            if self._line:
                ports.append(self._port())
            if self._mode != "away":
                usb.append(UsbDevice(self._usb_id(), self.place, self._description(), self._serial()))
            if self._drive:
                label = self.board.flash.drives[0]
                board_id = label if self.bootloader == "uf2" else ""
                drives.append(Drive("/dev/sdb", self._drive, label, board_id, self.place, self._serial()))
            if self.wired:
                usb.append(self.wired)
            return Plugged(tuple(ports), tuple(usb), tuple(drives))

    @property
    def probe(self) -> str | None:
        """The serial number of what a probe's program would find; None: no probe leads to it."""
        if self.wired:
            return self.wired.serial_number
        return self.serial_number if self.bootloader is None else None

    @property
    def port(self) -> Path | None:
        """Its serial port now."""
        return self._line.link if self._line else None

    def _port(self) -> PortInfo:
        assert self._line
        return PortInfo(
            str(self._line.link),
            self._description(),
            self._usb_id(),
            f"{self.place}:1.{2 if self.bootloader is None else 0}",
            self._serial(),
        )

    def _usb_id(self) -> str:
        link = self.board.link
        return (link.bootloader_usb_ids if self._mode == "bootloader" else link.usb_ids)[0]

    def _serial(self) -> str:
        """A bootloader may have another serial number than the application."""
        return self.serial_number[::-1] if self._mode == "bootloader" else self.serial_number

    def _description(self) -> str:
        if self.bootloader is None and not self.wired:
            return "STM32 STLink" if self._usb_id().startswith("0483:") else "DAPLink CMSIS-DAP"
        if self._mode == "bootloader" and self.bootloader:
            return {"sam-ba": self.board.name, "dfu": "STM32 BOOTLOADER", "uf2": "RP2 Boot"}[self.bootloader]
        return self.board.name

    # -- power, and what it shows

    def plug_in(self, folders: DeskFolders) -> None:
        self._folders = folders
        self._off.clear()
        self._show("application" if self.bootloader is None else self._mode)
        if self.bootloader is None and not self.wired and self.board.flash.drives:
            self._open_drive()

    def unplug(self) -> None:
        """Take it away at once, whatever is being written."""
        self._off.set()
        self._vanish()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=5)

    def reset(self) -> None:
        """Start what is in its flash; a probe's port stays."""
        if self.bootloader is None and not self.wired and self._line:
            self._line.reset()
        else:
            self.becomes("application")

    def becomes(self, mode: Showing) -> None:
        """Go away, and come back as that; at once in the caller's eyes, a moment later on the bus."""
        self._vanish()
        self._start(lambda: self._come_as(mode))

    def _come_as(self, mode: Showing) -> None:
        if not self._off.wait(AWAY_S):
            self._show(mode)

    def _vanish(self) -> None:
        with self._change:
            self._mode = "away"
            if self._line:
                self._line.close()
                self._line = None
            self._close_drive()

    def _show(self, mode: Showing) -> None:
        with self._change:
            self._mode = mode
            assert self._folders
            if mode == "application":
                self._line = SimulatedLine(self._folders.ports / self.name)
                self._start(self._run, self._line)
            elif mode == "bootloader" and self.bootloader == "sam-ba":
                self._line = SimulatedLine(self._folders.ports / self._other_name())
                self._start(self._run, self._line, silent)
            elif mode == "bootloader" and self.bootloader == "uf2":
                self._open_drive()

    def _other_name(self) -> str:
        """The system gives the next free name, for somebody may still have the old one open."""
        assert self._folders
        stem, number = self.name.rstrip("0123456789"), int(self.name[len(self.name.rstrip("0123456789")) :])
        while (self._folders.ports / f"{stem}{number}").is_symlink() or number == int(self.name[len(stem) :]):
            number += 1
        return f"{stem}{number}"

    # -- its chip

    def write(self, address: int, data: bytes) -> None:
        """Into flash; ValueError for what does not lie there."""
        start = address - self.board.chip.flash_origin
        if not 0 <= start <= len(self.flash) - len(data):
            raise ValueError(f"{address:#x} is not in flash")
        self.flash[start : start + len(data)] = data
        self._runs = None

    def program(self) -> ChipProgram:
        """What starts: what it was made with, or what of the known firmwares was written."""
        if self._runs:
            return self._runs
        for artifact in self._folders.known if self._folders else ():
            if bytes.fromhex(artifact.manifest.fingerprint) in self.flash:
                return Firmnet(artifact, self.flash)
        return silent

    def _run(self, line: SimulatedLine, program: ChipProgram | None = None) -> None:
        """Start again and again, until the line is taken away."""
        watch = threading.Thread(target=self._watch_touch, args=(line,), daemon=True)
        if program is None and self.board.link.touch_1200 and self.bootloader:
            watch.start()
        while True:
            try:
                (program or self.program())(line)
                break
            except Restarted:
                continue
            except (Halt, OSError):
                break
        if watch.ident:
            watch.join(timeout=5)
        line.free()

    def _watch_touch(self, line: SimulatedLine) -> None:
        """Opened at 1200 baud and closed: start the bootloader."""
        touched = False
        while line is self._line and not self._off.is_set():
            if line.is_open:
                touched = line.baud == 1200
            elif touched:
                if self.fault != "hangs":
                    self.becomes("bootloader")
                return
            time.sleep(LOOK_S)

    # -- its drive

    def _open_drive(self) -> None:
        assert self._folders
        label = self.board.flash.drives[0]
        drive = self._folders.media / label
        if drive.exists():  # another of the same name, as a desktop numbers them
            drive = self._folders.media / f"{label}1"
        drive.mkdir()
        if self.bootloader == "uf2":
            (drive / "INFO_UF2.TXT").write_text(INFO_UF2.format(name=self.board.name, id=label))
        else:
            (drive / "DETAILS.TXT").write_text(DETAILS)
        self._drive = drive
        self._start(self._watch_drive, drive)

    def _close_drive(self) -> None:
        if self._drive:
            for file in self._drive.iterdir():
                file.unlink()
            self._drive.rmdir()
            self._drive = None

    def _watch_drive(self, drive: Path) -> None:
        """Take what is copied onto it, once it is complete."""
        before: Sequence[tuple[str, int]] = ()
        while drive == self._drive and not self._off.is_set():
            now = [(file.name, file.stat().st_size) for file in _files(drive)]
            complete = now and now == before and all(size for _, size in now)
            if complete and self._take(drive / now[0][0]):
                return
            before = now
            time.sleep(LOOK_S)

    def _take(self, file: Path) -> bool:
        """Whether it was a firmware, and the drive has gone."""
        try:
            data = file.read_bytes()
            if self.bootloader == "uf2":
                self._take_uf2(data)
            else:
                self._take_image(file, data)
        except (OSError, ValueError):
            return False
        return True

    def _take_uf2(self, data: bytes) -> None:
        if self.fault == "broken":
            raise ValueError("the bootloader hangs")
        blocks = list(read_uf2(data))
        if any(family != self.board.flash.uf2_family for family, _, _ in blocks):
            raise ValueError("of another chip")
        for _, address, page in blocks:
            self.write(address, page)
        self.becomes("application")

    def _take_image(self, file: Path, data: bytes) -> None:
        """A probe writes the chip, and shows its drive anew."""
        if self.fault != "protected":
            origin = self.board.chip.flash_origin
            pieces = read_hex(data) if file.suffix == ".hex" else [(origin, data)]
            for address, piece in pieces:
                self.write(address, piece)
        with self._change:
            label = self._drive
            self._close_drive()
        time.sleep(AWAY_S)
        if self._off.is_set() or label is None:
            return
        with self._change:
            self._open_drive()
            if self.fault == "protected" and self._drive:
                failed = "The interface firmware ABORTED programming: the flash is locked\r\n"
                (self._drive / "FAIL.TXT").write_text(failed)
        self.reset()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def flashed_by(way: str, board: Board, **options: Any) -> SimulatedBoard:
    """A board on the desk of somebody who flashes it by that way: in its bootloader, if it must be."""
    bootloaders: dict[str, Bootloader] = {"sam-ba": "sam-ba", "uf2": "uf2", "dfu": "dfu"}
    if bootloader := bootloaders.get(way):
        mode = "application" if board.link.touch_1200 else "bootloader"
        return SimulatedBoard(board, bootloader=bootloader, **{"mode": mode, **options})
    if board.link.transport == "uart" or way == "msd":
        return SimulatedBoard(board, **options)
    return SimulatedBoard(board, wired=UsbDevice("0483:3748", "1-9", "STM32 STLink", "0669FF52"), **options)


def read_hex(file: bytes) -> list[tuple[int, bytes]]:
    """What an Intel HEX file says of memory: addresses and bytes; ValueError for one that is not whole."""
    found, high, ended = [], 0, False
    for line in file.decode("ascii").split():
        record = bytes.fromhex(line.removeprefix(":"))
        count, address, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if len(record) != count + 5 or sum(record) % 256:
            raise ValueError(f"{line} is no record of a HEX file")
        if kind == 0:
            found.append((high + address, record[4:-1]))
        elif kind in (2, 4):
            high = int.from_bytes(record[4:6], "big") << (4 if kind == 2 else 16)
        ended = kind == 1
    if not ended:
        raise ValueError("the HEX file has no end")
    return found


def _files(drive: Path) -> list[Path]:
    """What somebody has copied onto it."""
    own = ("INFO_UF2.TXT", "DETAILS.TXT", "FAIL.TXT")
    try:
        return sorted(file for file in drive.iterdir() if file.name not in own)
    except OSError:
        return []
