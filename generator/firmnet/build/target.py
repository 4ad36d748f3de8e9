"""Which board is meant? Among the ports of a machine the one that is surely it, never a guess."""

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import UserError
from ..targets import Board

STLINK_IDS = (
    *("0483:3744", "0483:3748", "0483:374b", "0483:374d", "0483:374e", "0483:374f"),
    *("0483:3752", "0483:3753", "0483:3754", "0483:3755", "0483:3757"),
)
"""Every ST-Link; the oldest have no serial port beside the probe."""

BUS = Path("/sys/bus/usb/devices")
"""Where Linux lists everything on USB, by its place."""


class SerialPort(Protocol):
    """A serial port of this machine: `usb_id` is "vid:pid", `location` its place on the bus; or empty.

    `is_called` knows the other names of the same port: links to it, COM5 as com5.
    """

    @property
    def path(self) -> str: ...
    @property
    def usb_id(self) -> str: ...
    @property
    def location(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def serial_number(self) -> str: ...
    def is_called(self, name: str) -> bool: ...


SerialPorts = Callable[[], Sequence[SerialPort]]


@dataclass(frozen=True)
class Target:
    """What is written to: the board's own port (None: it shows none yet), and the probe, where one is chosen.

    `line` is the port that will talk when it is not the board's own.
    """

    port: SerialPort | None
    probe: str = ""
    line: str = ""


def owns_port(board: Board, env: str) -> bool:
    """Our own builds do not speak USB: they talk over a UART, by an adapter that only the user knows."""
    return env != board.baremetal_env or board.link.transport == "uart"


def find_target(
    board: Board, env: str, protocol: str, seen: Sequence[SerialPort], wanted: str | None, bus: Path = BUS
) -> Target:
    """The board to write to; UserError where it is not there, or not the only one that it could be."""
    named = _named(seen, wanted) if wanted else None
    if protocol != "stlink":
        return Target(_own_port(board, seen, named))
    if board.link.transport == "uart":  # the probe is the port
        port = _own_port(board, seen, named)
        return Target(port, _probe(port, seen) if port else "")
    probes = [port for port in seen if port.usb_id in STLINK_IDS]
    if named in probes:
        return Target(None, _probe(named, seen))
    places = {_place(port) or port.path for port in probes} | set(_stlinks_on_bus(bus))
    if len(places) > 1:
        raise UserError(
            f"there are {len(places)} ST-Links (USB {', '.join(sorted(places))}), and {board.name} is behind "
            "one of them: unplug the others, or choose one that has a serial port with --port"
        )
    if not places and sys.platform == "linux":  # elsewhere those without a serial port cannot be seen
        raise UserError(
            f"no ST-Link is connected, which flashes {board.name}: found {listed(seen)}; connect it"
        )
    if not owns_port(board, env):
        return Target(None, line=named.path if named else "")
    return Target(_own_port(board, seen, named))


def _named(seen: Sequence[SerialPort], wanted: str) -> SerialPort:
    """The port that the user named."""
    found = [port for port in seen if port.is_called(wanted)]
    if not found:
        raise UserError(f"there is no port {wanted}: found {listed(seen)}")
    return found[0]


def _own_port(board: Board, seen: Sequence[SerialPort], named: SerialPort | None) -> SerialPort | None:
    """The port that shows the board's ids: the named one, or the only one."""
    ids = (*board.link.usb_ids, *board.link.bootloader_usb_ids)
    shown = " or ".join(ids) if len(ids) < 4 else f"{ids[0]} or {len(ids) - 1} others"
    if named and named.usb_id not in ids:
        raise UserError(
            f"{named.path} is not {board.name} (USB id {shown}), it shows {named.usb_id or 'no USB id'}: "
            f"nothing is written to it; found {listed(seen)}"
        )
    found = [named] if named else [port for port in seen if port.usb_id in ids]
    if len(found) > 1:
        paths = " and ".join(port.path for port in found)
        raise UserError(f"{paths} could all be {board.name}: choose one with --port")
    if found or (board.link.transport == "usb_cdc" and not board.link.touch_1200):
        return found[0] if found else None  # a board behind a probe may be blank and show no port yet
    raise UserError(f"no {board.name} is connected (USB id {shown}): found {listed(seen)}; connect it")


def _probe(port: SerialPort, seen: Sequence[SerialPort]) -> str:
    """The serial number by which the uploader finds this ST-Link; "" for one that has none and is alone."""
    others = [p for p in seen if p.usb_id in STLINK_IDS and not _same_device(p, port)]
    known = re.fullmatch(r"\w+", port.serial_number)
    if known and port.serial_number not in [other.serial_number for other in others]:
        return port.serial_number
    if others:
        raise UserError(
            f"the ST-Link at {port.path} has no serial number of its own to tell it from {listed(others)}: "
            "unplug the others"
        )
    return ""


def _same_device(a: SerialPort, b: SerialPort) -> bool:
    """Whether two ports belong to one thing on the bus; "1-4:1.2" is interface 1.2 of the device at 1-4."""
    return a.path == b.path or (bool(a.location) and _place(a) == _place(b))


def _place(port: SerialPort) -> str:
    return port.location.split(":")[0]


def _stlinks_on_bus(bus: Path) -> list[str]:
    """The places of all ST-Links, those without a serial port too; nothing where the system does not tell."""
    found = []
    for vendor in bus.glob("*/idVendor"):
        with suppress(OSError):
            id = f"{vendor.read_text().strip()}:{vendor.with_name('idProduct').read_text().strip()}"
            found += [vendor.parent.name] if id in STLINK_IDS else []
    return found


def listed(ports: Sequence[SerialPort]) -> str:
    shown = (f"{p.path} ({f'{p.usb_id} {p.description}' if p.usb_id else 'not on USB'})" for p in ports)
    return ", ".join(shown) or "no serial port at all"


def returned(before: SerialPort, alike: Sequence[SerialPort]) -> list[SerialPort]:
    """Which of the ports that look like the board is the flashed one: by place, else serial number."""
    if before.location:
        here = [port for port in alike if _same_device(port, before) and port.location]
        return [port for port in here if port.location == before.location] or here
    if before.serial_number:
        return [port for port in alike if port.serial_number == before.serial_number]
    return [port for port in alike if port.path == before.path] or list(alike)
