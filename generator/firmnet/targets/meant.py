"""Which board is meant? Among all that is plugged in the one that is surely it, never a guess."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ..errors import SeveralBoards, UserError, escaped
from .board import Board
from .plugged import Drive, Plugged, PortInfo, Thing, UsbDevice

STLINK_IDS = (
    *("0483:3744", "0483:3748", "0483:374b", "0483:374d", "0483:374e", "0483:374f"),
    *("0483:3752", "0483:3753", "0483:3754", "0483:3755", "0483:3757"),
)
"""Every ST-Link; the oldest have no serial port beside the probe."""
ON_BOARDS = ("0483:374b", "0483:3752", "0483:374e")
"""ST-Links that sit on a Nucleo or Discovery board, wired to its own chip."""
PROBE_IDS = (*STLINK_IDS, "0d28:0204", "2e8a:000c", "1366:0101", "1366:0105", "1366:1015", "1366:1051")
"""What pyOCD speaks to: also DAPLink, the Pico as a probe, J-Link."""

BOOTLOADERS = ("0483:df11", "1eaf:0003", "2341:035b")
"""That show no port: STM32's own, Maple's, Arduino's of the Portenta."""

BUTTONS = {
    "dfu": "hold BOOT0, press and release NRST, then let go of BOOT0",
    "uf2": "press its reset button twice, quickly (a Pico: hold BOOTSEL while you plug it in)",
    "sam-ba": "press its reset button twice, quickly",
}
"""By protocol, how a person starts the bootloader that takes it."""


@dataclass(frozen=True)
class Target:
    """What is written to: the board's own port (None: it shows none yet), its drive, its bootloader on USB.

    `probe` is the serial number of the one that is written through, where one has to be chosen; `line` is the
    port that will talk when it is not the board's own.
    """

    port: PortInfo | None = None
    probe: str = ""
    line: str = ""
    drive: Drive | None = None
    bootloader: UsbDevice | None = None

    @property
    def before(self) -> Thing | None:
        """As which the board was seen: where that was it will come back."""
        return self.port or self.drive or self.bootloader


def title(thing: Thing) -> str:
    """How a thing is told from others like it: by name, serial number and place."""
    marks = []
    if thing.serial_number and thing.serial_number != thing.name:
        marks.append(f"serial number {escaped(thing.serial_number, 40)}")
    if thing.place and thing.place != thing.name:
        marks.append(f"at USB {thing.place}")
    name = thing.name
    if name in (thing.serial_number, thing.place):  # no port, so it is said what it is
        name = f"{escaped(thing.description) or thing.usb_id} {name}"
    return f"{name} ({', '.join(marks)})" if marks else name


def _several(what: str, found: Sequence[Thing]) -> SeveralBoards:
    return SeveralBoards(what, tuple((thing.name, title(thing)) for thing in found))


def listed(things: Sequence[Thing]) -> str:
    """For people: what there is, ports by their ids."""
    shown = []
    for thing in things:
        id = thing.usb_id or ("not on USB" if isinstance(thing, PortInfo) else "")
        words = f"{id} {escaped(thing.description)}" if thing.usb_id else id or escaped(thing.description)
        shown.append(f"{thing.name} ({words.strip()})")
    return ", ".join(shown) or "no serial port at all"


def boards_things(seen: Plugged) -> list[Thing]:
    """What of all that is seen may be a board or a probe: no hub, no keyboard, and each thing once."""
    shown: list[Thing] = [*seen.ports, *(d for d in seen.drives if d.board_id or d.label)]
    places = {thing.place for thing in shown if thing.place}
    return shown + [
        d for d in seen.usb or () if d.usb_id in (*PROBE_IDS, *BOOTLOADERS) and d.place not in places
    ]


def find_port(board: Board, seen: Plugged) -> str:
    """The one port that shows one of the board's USB ids; UserError when there are none or several."""
    fitting = [port for port in seen.ports if port.usb_id in board.link.usb_ids]
    if len(fitting) > 1:
        fitting = [port for port in fitting if not calls_itself(board, port, seen)] or fitting
    if len(fitting) > 1:
        raise _several(board.name, fitting)
    if fitting:
        return fitting[0].path
    shown = ", ".join(f"{p.path} ({escaped(p.description)})" for p in seen.ports) or "none"
    emulate = " or --emulate" if board.emulator else ""
    raise UserError(
        f"no {board.name} found on USB: connect it, or give --port{emulate}; serial ports seen here: {shown}"
    )


def path_of(seen: Plugged, name: str) -> str:
    """The port that a serial number or a place on USB means; any other name as it is."""
    ports = [port for port in seen.ports if name in (port.serial_number, port.place)]
    if len({port.place for port in ports}) > 1:
        raise _several(escaped(name), ports)
    return ports[0].path if ports and name else name


def find_target(board: Board, env: str, protocol: str, seen: Plugged, wanted: str | None = None) -> Target:
    """What to write to; UserError where the board is not there, or not the only one that it could be.

    `wanted` is a port by any of its names, a drive's folder, a serial number, or a place on the bus.
    """
    search = _Search(board, env, protocol, seen, tuple(_named(seen, wanted)) if wanted else ())
    if protocol == "stlink":
        return search.behind(STLINK_IDS, "ST-Link")
    if protocol == "pyocd":
        return search.behind(PROBE_IDS, "probe")
    if protocol == "dfu":
        return search.in_bootloader()
    if protocol in ("uf2", "msd"):
        return search.on_drive()
    return search.elsewhere()


def fits(board: Board, drive: Drive) -> bool:
    """Whether a drive is called as the board's is, by its label or by what its INFO_UF2.TXT says."""
    known = {label.upper() for label in board.flash.drives}
    return bool({drive.label.upper(), drive.board_id.upper()} & known)


def calls_itself(board: Board, port: PortInfo, seen: Plugged) -> str:
    """What a probe's drive says of the board that it sits on, where that is another than this; else ""."""
    drives = [drive for drive in seen.drives if drive.place and drive.place == port.place]
    others = [drive.label for drive in drives if not fits(board, drive)]
    named = [label for label in others if re.fullmatch(r"(NODE?|DIS)_\w+", label)]
    return named[0] if named and board.flash.drives else ""


def returned(before: Thing, alike: Sequence[PortInfo]) -> list[PortInfo]:
    """Which of the ports that look like the board is the flashed one: by place, else serial number."""
    if before.place:
        here = [port for port in alike if port.place == before.place]
        return [p for p in here if isinstance(before, PortInfo) and p.location == before.location] or here
    if before.serial_number:
        return [port for port in alike if port.serial_number == before.serial_number]
    return [port for port in alike if port.path == before.name] or list(alike)


def _named(seen: Plugged, wanted: str) -> list[Thing]:
    """All that the user's word means, with what belongs to the same thing on USB; ports first."""
    found = [thing for thing in seen if thing.is_called(wanted)]
    if not found:
        raise UserError(f"there is no port {escaped(wanted)}: found {listed((*seen.ports, *seen.drives))}")
    if len({thing.place or thing.name for thing in found}) > 1:
        raise _several(escaped(wanted), found)
    return [*found, *(t for t in seen if t not in found and t.place and t.place == found[0].place)]


@dataclass(frozen=True)
class _Search:
    """One board among what is seen; `named` is what the user chose."""

    board: Board
    env: str
    protocol: str
    seen: Plugged
    named: tuple[Thing, ...] = field(default=())

    def own_port(self, needed: bool) -> PortInfo | None:
        """The port that shows the board's ids: the named one, or the only one."""
        ids = (*self.board.link.usb_ids, *self.board.link.bootloader_usb_ids)
        found = [port for port in self.named or self.seen.ports if port.usb_id in ids]
        alike = [port for port in found if isinstance(port, PortInfo)]
        if self.named and not alike:
            first = self.named[0]
            raise UserError(
                f"{first.name} is not {self.board.name} (USB id {_shown(ids)}), it shows "
                f"{first.usb_id or 'no USB id'}: nothing is written to it; found {listed(self.seen.ports)}"
            )
        ports = [port for port in alike if not calls_itself(self.board, port, self.seen)]
        if alike and not ports:
            other = calls_itself(self.board, alike[0], self.seen)
            raise UserError(
                f"{title(alike[0])} is not {self.board.name}, it calls itself {other}: nothing is written to "
                f"it; choose its board with --board, or connect {self.board.name}"
            )
        if self.named:
            return ports[0]
        if len(ports) > 1:
            raise _several(self.board.name, ports)
        if ports or not needed:
            return ports[0] if ports else None  # a board behind a probe may be blank and show no port yet
        raise UserError(
            f"no {self.board.name} is connected (USB id {_shown(ids)}): found {listed(self.seen.ports)}; "
            f"connect it{self._or_the_button()}"
        )

    def elsewhere(self) -> Target:
        """What another uploader of PlatformIO's finds by itself: its port, or a bootloader without one."""
        ids = self.board.link.bootloader_usb_ids
        waiting = [thing for thing in self.named or self.seen.usb or () if thing.usb_id in ids]
        devices = [thing for thing in waiting if isinstance(thing, UsbDevice)]
        ports = [port for port in self.seen.ports if port.usb_id in (*self.board.link.usb_ids, *ids)]
        if devices and not ports:
            if len(devices) > 1:
                raise _several(self.board.name, devices)
            return Target(bootloader=devices[0])
        return Target(self.own_port(self.board.link.touch_1200 or self.board.link.transport == "uart"))

    def _or_the_button(self) -> str:
        """A board whose firmware has no USB, or hangs, is there all the same."""
        if not self.board.link.touch_1200 or self.protocol not in BUTTONS:
            return ""
        return f", and if it is: {BUTTONS[self.protocol]}, which starts its bootloader"

    def behind(self, ids: Collection[str], kind: str) -> Target:
        """Through a probe: the one whose serial port is the board's, else the only one or the named one."""
        probes = _probes(self.seen, ids)
        if self.board.link.transport == "uart" and set(self.board.link.usb_ids) & set(ids):
            port = self.own_port(needed=True)
            assert port
            return Target(port, self._serial_number(port, probes, kind))
        chosen = [thing for thing in self.named if thing.usb_id in ids]
        if chosen:
            return Target(None, self._serial_number(chosen[0], probes, kind))
        if len(probes) > 1:
            raise _several(f"the {kind} behind which {self.board.name} is", probes)
        if not probes and self.seen.usb is not None:  # elsewhere those without a serial port cannot be seen
            raise UserError(
                f"no {kind} is connected, which flashes {self.board.name}: found {listed(self.seen.ports)}; "
                f"connect it{self._other_ways()}"
            )
        if probes and probes[0].usb_id in ON_BOARDS and not self.board.flash.drives:
            raise UserError(
                f"the only {kind}, {title(probes[0])}, is of those that sit on a board of ST's and write its "
                f"chip: if it is wired to {self.board.name}, say so with --port {probes[0].name}"
            )
        if not self.board.owns_port(self.env):
            ports = [thing for thing in self.named if isinstance(thing, PortInfo)]
            return Target(None, line=ports[0].path if ports else "")
        return Target(self.own_port(needed=False))

    def _other_ways(self) -> str:
        others = [way for way in self.board.protocols(self.env) if way != self.protocol]
        return f", or choose another way with --protocol ({', '.join(others)})" if others else ""

    def _serial_number(self, probe: Thing, probes: Sequence[Thing], kind: str) -> str:
        """By which the uploader finds this probe; "" for one that has none and is alone."""
        others = [p for p in probes if p.name != probe.name and (not p.place or p.place != probe.place)]
        known = re.fullmatch(r"\w+", probe.serial_number)
        if known and probe.serial_number not in [other.serial_number for other in others]:
            return probe.serial_number
        if others:
            raise UserError(
                f"the {kind} at {probe.name} has no serial number of its own to tell it from "
                f"{listed(others)}: unplug the others"
            )
        return ""

    def in_bootloader(self) -> Target:
        """As the bootloader that speaks DFU; a board that can be touched may still run its firmware."""
        ids = self.board.link.bootloader_usb_ids
        line = self._adapter()
        near = self.named if self.named and not line else tuple(self.seen.usb or ())
        devices = [thing for thing in near if isinstance(thing, UsbDevice) and thing.usb_id in ids]
        if len(devices) > 1:
            raise _several(self.board.name, devices)
        if devices:
            return Target(bootloader=devices[0], line=line)
        if self.board.link.touch_1200:
            return Target(self.own_port(needed=True))
        if self.seen.usb is None:  # dfu-util will see it
            return Target(line=line)
        raise UserError(
            f"no {self.board.name} waits in its bootloader (USB id {_shown(ids)}): {BUTTONS['dfu']}, and run "
            f"this again{self._other_ways()}; found {listed(self.seen.ports)}"
        )

    def _adapter(self) -> str:
        """The named port, where it is no part of the board: over it a build without USB talks."""
        link = self.board.link
        if self.board.owns_port(self.env) or not self.named:
            return ""
        first, own = self.named[0], (*link.usb_ids, *link.bootloader_usb_ids)
        return first.path if isinstance(first, PortInfo) and first.usb_id not in own else ""

    def on_drive(self) -> Target:
        """The drive that is called as the board's, or belongs to its port; else a port to be touched."""
        alike = [port for port in self.seen.ports if port.usb_id in self.board.link.usb_ids]
        ports = [port for port in alike if not calls_itself(self.board, port, self.seen)]
        places = {port.place for port in ports if port.place}
        line = self._adapter()
        near = self.named if self.named and not line else tuple(self.seen)
        drives = [
            thing
            for thing in near
            if isinstance(thing, Drive)
            and (fits(self.board, thing) or (self.protocol == "msd" and thing.place in places))
        ]
        if len(drives) > 1:
            raise _several(self.board.name, drives)
        if drives:
            own = [port for port in ports if port.place and port.place == drives[0].place]
            return Target(own[0] if own else None, drive=drives[0], line=line)
        if self.board.link.touch_1200:
            return Target(self.own_port(needed=True))
        raise self._no_drive()

    def _no_drive(self) -> UserError:
        names = " or ".join(self.board.flash.drives) or "its drive"
        seen = ", ".join(f"{d.name} ({d.label})" for d in self.seen.drives) or "none"
        how = BUTTONS["uf2"] if self.protocol == "uf2" else "connect it"
        return UserError(
            f"no drive {names} is connected, onto which the firmware of {self.board.name} is copied: {how}; "
            f"drives of boards seen here: {seen}{self._other_ways()}"
        )


def _probes(seen: Plugged, ids: Collection[str]) -> list[Thing]:
    """Each once: by its first serial port where it has one."""
    found: list[Thing] = []
    for thing in seen:
        alike = [
            other
            for other in found
            if other.name == thing.name or (thing.place and other.place == thing.place)
        ]
        if thing.usb_id in ids and not alike:
            found.append(thing)
    return found


def _shown(ids: Sequence[str]) -> str:
    return " or ".join(ids) if len(ids) < 4 else f"{ids[0]} or {len(ids) - 1} others"
