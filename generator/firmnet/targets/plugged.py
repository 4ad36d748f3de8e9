"""What is plugged into a machine? Serial ports, things on USB and drives, as its system tells of them."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class PortInfo:
    """One serial port: `usb_id` is "vid:pid" in hex, `location` its place on the bus; "" where not told.

    "1-4:1.2" is interface 1.2 of the thing at place 1-4.
    """

    path: str
    description: str
    usb_id: str = ""
    location: str = ""
    serial_number: str = ""

    @property
    def name(self) -> str:
        """What `--port` calls it."""
        return self.path

    @property
    def place(self) -> str:
        """Of the thing on USB that it belongs to."""
        return self.location.split(":")[0]

    def is_called(self, name: str) -> bool:
        """Whether `name` means this port: as it is listed, a link to it, COM5 as com5, tty. as cu.

        Or the thing on USB that it belongs to, by its serial number or place.
        """
        return _canonical(self.path) == _canonical(name) or name in _marks(self)


@dataclass(frozen=True)
class UsbDevice:
    """A thing on USB at `place`, "1-4", whatever it shows: a port, a drive, or only a probe.

    `node` is the file by which programs reach it, where the system has one.
    """

    usb_id: str
    place: str
    description: str = ""
    serial_number: str = ""
    node: str = ""

    @property
    def name(self) -> str:
        return self.serial_number if re.fullmatch(r"\w+", self.serial_number) else self.place

    def is_called(self, name: str) -> bool:
        return name in _marks(self)


@dataclass(frozen=True)
class Drive:
    """A drive that is a board's: `device` as the system names it, /dev/sdb1 or E:, `folder` where it is open.

    `folder` is None where nobody has mounted it; `board_id` is the one in its INFO_UF2.TXT.
    """

    device: str
    folder: Path | None
    label: str = ""
    board_id: str = ""
    place: str = ""
    serial_number: str = ""

    @property
    def name(self) -> str:
        return str(self.folder or self.device)

    @property
    def description(self) -> str:
        return f"drive {self.label or self.board_id}".rstrip()

    usb_id = ""

    def is_called(self, name: str) -> bool:
        folders = [str(self.folder), os.path.realpath(self.folder)] if self.folder else []
        given = name.rstrip("/\\") or name
        return (
            given in (self.device, *folders, self.label, *_marks(self)) or os.path.realpath(name) in folders
        )


Thing = PortInfo | UsbDevice | Drive
"""Anything that may be a board, or lead to one."""


@dataclass(frozen=True)
class Plugged:
    """All that can be seen at one moment. `usb` is None where the system does not tell what is on USB."""

    ports: tuple[PortInfo, ...] = ()
    usb: tuple[UsbDevice, ...] | None = None
    drives: tuple[Drive, ...] = ()

    def __iter__(self) -> Iterator[Thing]:
        """Ports first: they have the names that people know."""
        yield from self.ports
        yield from self.drives
        yield from self.usb or ()


class Computer(Protocol):
    """Where boards are plugged in: the one that this runs on, or a simulated one."""

    def plugged(self) -> Plugged: ...

    def touch(self, port: PortInfo) -> None:
        """Open the port at 1200 baud and close it, by which some boards start their bootloader.

        UserError where it cannot be opened.
        """


def _marks(thing: Thing) -> set[str]:
    return {mark for mark in (thing.serial_number, thing.place) if mark}


def _canonical(name: str) -> str:
    """One name for a port of many: links are followed, Windows ignores case, macOS has two files for each."""
    windows = re.fullmatch(r"(?:\\\\\.\\)?(com\d+):?", name, re.IGNORECASE)
    if windows:
        return windows[1].upper()
    path = name if "/" in name else f"/dev/{name}"
    return re.sub(r"^/dev/tty\.", "/dev/cu.", os.path.realpath(path))
