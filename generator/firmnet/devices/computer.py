"""What is plugged into this computer? Asked anew each time: boards come and go while they are flashed."""

import os
import re
import string
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import serial
from serial.tools import list_ports

from ..errors import UserError, escaped, first_line
from ..targets import Computer, Drive, Plugged, PortInfo, UsbDevice, remedy

USB_BUS = Path("/sys/bus/usb/devices")
"""Where Linux lists everything on USB, by its place."""
BLOCK_DEVICES = Path("/sys/class/block")
MOUNTS = Path("/proc/mounts")
TOUCH_BAUD = 1200
TOUCH_S = 0.1
"""How long the port stays open at that rate."""
PROBES_FILES = ("DETAILS.TXT", "MBED.HTM")
"""What an ST-Link and DAPLink show on theirs."""
LARGEST_DRIVE_BYTES = 2**31
"""A larger disk is no board's: it is not looked at."""


class ThisComputer:
    """The one that this runs on; see targets.Computer."""

    def plugged(self) -> Plugged:
        return Plugged(tuple(serial_ports()), usb_devices(), tuple(drives()))

    def touch(self, port: PortInfo) -> None:
        try:
            opened = serial.Serial(port.path, TOUCH_BAUD)
        except (OSError, ValueError) as error:
            raise UserError(
                f"cannot open {port.path} to start the board's bootloader ({escaped(first_line(error))}): "
                f"{remedy(str(error)) or 'plug the board in again and try once more'}"
            ) from None
        with suppress(OSError), opened:  # it may have gone already, or have no such line
            time.sleep(TOUCH_S)
            opened.dtr = False


_current: Computer = ThisComputer()


def computer() -> Computer:
    """The computer whose boards are meant: this one, unless a simulated one is in its place."""
    return _current


@contextmanager
def in_place_of_this(simulated: Computer) -> Iterator[None]:
    """Meanwhile nothing that is really plugged in is seen, or written to."""
    global _current
    before, _current = _current, simulated
    try:
        yield
    finally:
        _current = before


def serial_ports() -> list[PortInfo]:
    """The serial ports that can be seen now."""
    return [
        PortInfo(
            path=p.device,
            description=p.description,
            usb_id=f"{p.vid:04x}:{p.pid:04x}" if p.vid is not None else "",
            location=p.location or "",
            serial_number=p.serial_number or "",
        )
        for p in sorted(list_ports.comports())
    ]


def usb_devices(bus: Path = USB_BUS) -> tuple[UsbDevice, ...] | None:
    """Everything on USB; None where the system does not tell, which is everywhere but on Linux."""
    if not bus.is_dir():
        return None
    found = []
    for vendor in sorted(bus.glob("*/idVendor")):
        folder = vendor.parent
        id = f"{_said(vendor)}:{_said(folder / 'idProduct')}"
        if re.fullmatch("[0-9a-f]{4}:[0-9a-f]{4}", id):
            bus_number, number = _said(folder / "busnum"), _said(folder / "devnum")
            node = f"/dev/bus/usb/{bus_number:0>3}/{number:0>3}" if number.isdigit() else ""
            about = _said(folder / "product"), _said(folder / "serial")
            found.append(UsbDevice(id, folder.name, *about, node))
    return tuple(found)


def _said(file: Path) -> str:
    """What such a file says; "" when the thing was unplugged meanwhile."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


def drives() -> Iterator[Drive]:
    """The drives that may be a board's: small ones, on USB where that can be told."""
    if sys.platform == "linux":
        yield from linux_drives()
    elif sys.platform == "win32":
        for letter in string.ascii_uppercase[3:]:
            if os.path.isdir(f"{letter}:\\"):
                yield from _boards_drive(Path(f"{letter}:\\"), f"{letter}:")
    else:
        for folder in sorted(Path("/Volumes").glob("*")):
            yield from _boards_drive(folder, str(folder), folder.name)


def _boards_drive(folder: Path, device: str, label: str = "") -> Iterator[Drive]:
    """A drive that shows a bootloader's files, or a probe's; no other is a board's."""
    if board_id := read_board_id(folder):
        yield Drive(device, folder, label, board_id)
    elif any((folder / name).is_file() for name in PROBES_FILES):
        yield Drive(device, folder, label)


def read_board_id(folder: Path) -> str:
    """By which a UF2 bootloader says whose it is; "" where there is none."""
    found = re.search(r"(?m)^Board-ID: *(\S{1,80})", _head(folder / "INFO_UF2.TXT"))
    return escaped(found[1]) if found else ""


def _head(file: Path) -> str:
    """The begin of a small text file; "" where it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(4096).decode(errors="replace")
    except OSError:
        return ""


def linux_drives(blocks: Path = BLOCK_DEVICES, mounts: Path = MOUNTS, bus: Path = USB_BUS) -> Iterator[Drive]:
    """Those on USB, mounted or not, by the place of what they belong to."""
    open_at = _mounted(_said(mounts))
    for block in sorted(blocks.glob("*")):
        where = re.findall(r"/(\d+-[\d.]+)(?=/)", f"{os.path.realpath(block)}/")
        sectors = _said(block / "size")
        if not where or not sectors.isdigit() or not 0 < int(sectors) * 512 <= LARGEST_DRIVE_BYTES:
            continue
        device = f"/dev/{block.name}"
        parted = any(block.glob(f"{block.name}*/partition"))
        if device not in open_at and parted:
            continue  # its partitions are the drives
        serial_number = _said(bus / where[-1] / "serial")
        folder = open_at.get(device)
        board_id = read_board_id(folder) if folder else ""
        yield Drive(device, folder, _label(device), board_id, where[-1], serial_number)


def _mounted(table: str) -> Mapping[str, Path]:
    """Device → where it is mounted; the table writes a blank as \\040."""
    rows = [line.split(" ") for line in table.splitlines()]
    plain = {
        row[0]: re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), row[1])
        for row in rows
        if len(row) > 1
    }
    return {device: Path(folder) for device, folder in plain.items()}


def _label(device: str, labels: Path = Path("/dev/disk/by-label")) -> str:
    """A volume's name, as udev tells it."""
    for link in labels.glob("*"):
        if os.path.realpath(link) == device:
            return re.sub(r"\\x([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), link.name)
    return ""
