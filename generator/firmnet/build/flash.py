"""How does a firmware get onto a real board? PlatformIO uploads it to the one board that is surely meant."""

import configparser
import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..artifact import Artifact
from ..board import Board, load_board
from ..cache import cache_dir
from ..errors import UserError, VerificationError
from ..provenance import built, check_unchanged
from ..toolchain import find, pio, registry_answers
from .compile import choose_env, read_report
from .project import Workplace, workplace

APPEAR_S = 10.0
"""How long a board may take to show its application's USB id after an upload."""

STLINK_IDS = (
    *("0483:3744", "0483:3748", "0483:374b", "0483:374d", "0483:374e", "0483:374f"),
    *("0483:3752", "0483:3753", "0483:3754", "0483:3755", "0483:3757"),
)
"""Every ST-Link; the oldest have no serial port beside the probe."""

SYSTEM_TOOLS = {"stlink": "openocd", "dfu": "dfu-util"}
"""How our own platform uploads: by protocol, the program on PATH."""
PACKAGED_TOOLS = {"stlink": "tool-openocd", "dfu": "tool-dfuutil", "sam-ba": "tool-bossac-nordicnrf52"}
"""How the official ones do: by protocol, the package that PlatformIO downloads for the first upload."""


class Port(Protocol):
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


Ports = Callable[[], Sequence[Port]]


@dataclass(frozen=True)
class Target:
    """What is written to: the board's own port (None: it shows none yet), and the probe, where one is chosen.

    `line` is the port that will talk when it is not the board's own.
    """

    port: Port | None
    probe: str = ""
    line: str = ""


def is_connection(port: str | None) -> bool:
    """Whether it is a URL: behind a connection there is a board to talk to, but none to flash."""
    return port is not None and "://" in port


def check_flashable(board: Board, ports: Ports, port: str | None = None) -> None:
    """UserError, in seconds, for all that is sure to fail after the minutes of a build.

    No way onto the board from here, a missing uploader, no board, several, another one; see `flash`.
    """
    if not board.flashable:
        raise UserError(f"{board.name} is supported in the emulator only: use --emulate, or another board")
    env = choose_env(board)
    if env == board.baremetal_env and not board.baremetal.upload_protocol:
        raise _no_way(board)
    protocol = _protocol(board, env)
    target = _find_target(board, env, protocol, ports(), port)
    _check_uploader(board, env, protocol)
    if not target.line and not _owns_port(board, env):
        raise UserError(
            f"{board.name} without its official platform talks over a UART, not over USB: connect a serial "
            "adapter to it and give the adapter's port with --port"
        )


def flash(
    artifact: Artifact,
    ports: Ports,
    *,
    port: str | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Upload the built firmware and return the serial port it has afterwards, or "" where none is its own.

    `ports` lists the serial ports that can be seen; `port` names the board's, else there must be exactly one
    with the board's USB ids. UserError when there is none or several, or when this board cannot be flashed;
    VerificationError when it does not come back.
    """
    board = load_board(artifact.manifest.board)
    env = _flashable_env(artifact, board)
    _check_unchanged(artifact)
    if is_connection(port):
        raise UserError(
            f"{port} is a connection, not a port of this machine: run `firmnet flash` where the board is "
            f"plugged in, then `firmnet verify {artifact.path} --port {port}` works from here"
        )
    protocol = _protocol(board, env, artifact.firmware / "platformio.ini")
    target = _find_target(board, env, protocol, ports(), port)
    _check_uploader(board, env, protocol)
    with workplace(artifact.firmware) as place:
        place.put(env)
        _upload(place, board, env, protocol, target, on_line)
    if target.line or not _owns_port(board, env):
        return target.line
    return _wait_for_application(board, target.port, ports)


# ---- which way ----


def _flashable_env(artifact: Artifact, board: Board) -> str:
    """The environment that was built; UserError when it cannot be put on a real board."""
    report = read_report(artifact)
    if not board.flashable:
        raise UserError(f"{board.name} is supported in the emulator only: use --emulate, or another board")
    if report.env == board.baremetal_env and not board.baremetal.upload_protocol:
        raise UserError(
            f"{artifact.path} was built as {report.env}, which only the emulator runs: where PlatformIO's "
            f"registry can be reached, `FIRMNET_PLATFORMIO=registry firmnet build {artifact.path}`"
        )
    return report.env


def _no_way(board: Board) -> UserError:
    """The error for a board that only an official platform can reach, when that cannot be had."""
    assert board.platformio
    platform = board.platformio.platform.split("@")[0]
    return UserError(
        f"there is no way onto a {board.name} from here: only PlatformIO's platform {platform} can flash it, "
        "which is not installed, and PlatformIO's registry does not answer: connect to the network once, or "
        "use --emulate"
    )


def _owns_port(board: Board, env: str) -> bool:
    """Our own builds do not speak USB: they talk over a UART, by an adapter that only the user knows."""
    return env != board.baremetal_env or board.link.transport == "uart"


def _protocol(board: Board, env: str, project: Path | None = None) -> str:
    """How that environment uploads: as the project's platformio.ini says, else as the board file."""
    official = board.platformio.upload_protocol if board.platformio else ""
    default = board.baremetal.upload_protocol if env == board.baremetal_env else official
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    if project:
        settings.read(project)
    return settings.get(f"env:{env}", "upload_protocol", fallback=default)


def _check_uploader(board: Board, env: str, protocol: str) -> None:
    """UserError when the program that uploads is not there and cannot be fetched."""
    if env == board.baremetal_env:
        if protocol in SYSTEM_TOOLS:
            find(SYSTEM_TOOLS[protocol])
        return
    assert board.platformio
    platform = board.platformio.platform.split("@")[0]
    tool = PACKAGED_TOOLS.get(protocol, "")
    described = cache_dir() / "platformio" / "platforms" / platform / "platform.json"
    if not described.is_file() or tool not in json.loads(described.read_text()).get("packages", {}):
        return
    here = any((cache_dir() / "platformio" / "packages").glob(f"{tool}*"))
    if not here and not registry_answers(platform):
        raise UserError(
            f"{board.name} is flashed by PlatformIO's package {tool}, which is not installed, and its "
            "registry does not answer: connect to the network once, for the first flash"
        )


# ---- which board ----


def _find_target(board: Board, env: str, protocol: str, seen: Sequence[Port], wanted: str | None) -> Target:
    """The board to write to; UserError where it is not there, or not the only one that it could be."""
    named = _named(seen, wanted) if wanted else None
    if protocol != "stlink":
        return Target(_own_port(board, seen, named))
    if board.link.transport == "uart":  # the probe is the port
        port = _own_port(board, seen, named)
        return Target(port, _probe(port, seen) if port else "")
    probes = [p for p in seen if p.usb_id in STLINK_IDS]
    if named in probes:
        return Target(None, _probe(named, seen))
    if len({p.location.split(":")[0] or p.path for p in probes}) > 1:
        raise UserError(
            f"there are several ST-Links ({_listed(probes)}), and {board.name} is behind one of them: "
            "unplug the others, or choose one with --port"
        )
    if not _owns_port(board, env):
        return Target(None, line=named.path if named else "")
    return Target(_own_port(board, seen, named))


def _named(seen: Sequence[Port], wanted: str) -> Port:
    """The port that the user named."""
    found = [port for port in seen if port.is_called(wanted)]
    if not found:
        raise UserError(f"there is no port {wanted}: found {_listed(seen)}")
    return found[0]


def _own_port(board: Board, seen: Sequence[Port], named: Port | None) -> Port | None:
    """The port that shows the board's ids: the named one, or the only one."""
    ids = (*board.link.usb_ids, *board.link.bootloader_usb_ids)
    if named and named.usb_id not in ids:
        raise UserError(
            f"{named.path} is not {board.name} (USB id {' or '.join(ids)}) but "
            f"{named.usb_id or 'without a USB id'} {named.description}: nothing is written to it; found "
            f"{_listed(seen)}"
        )
    found = [named] if named else [port for port in seen if port.usb_id in ids]
    if len(found) > 1:
        paths = " and ".join(port.path for port in found)
        raise UserError(f"{paths} could all be {board.name}: choose one with --port")
    if found or (board.link.transport == "usb_cdc" and not board.link.touch_1200):
        return found[0] if found else None  # a board behind a probe may be blank and show no port yet
    raise UserError(
        f"no {board.name} is connected (USB id {' or '.join(ids)}): found {_listed(seen)}; connect it"
    )


def _probe(port: Port, seen: Sequence[Port]) -> str:
    """The serial number by which the uploader finds this ST-Link; "" for one that has none and is alone."""
    others = [p for p in seen if p.usb_id in STLINK_IDS and not _same_device(p, port)]
    known = re.fullmatch(r"\w+", port.serial_number)
    if known and port.serial_number not in [other.serial_number for other in others]:
        return port.serial_number
    if others:
        raise UserError(
            f"the ST-Link at {port.path} has no serial number of its own to tell it from {_listed(others)}: "
            "unplug the others"
        )
    return ""


def _same_device(a: Port, b: Port) -> bool:
    """Whether two ports belong to one thing on the bus; "1-4:1.2" is interface 1.2 of the device at 1-4."""
    return a.path == b.path or (bool(a.location) and a.location.split(":")[0] == b.location.split(":")[0])


def _listed(ports: Sequence[Port]) -> str:
    shown = (f"{p.path} ({p.usb_id or 'no USB'} {p.description})" for p in ports)
    return ", ".join(shown) or "no serial port at all"


# ---- writing ----


def _check_unchanged(artifact: Artifact) -> None:
    """VerificationError unless what would be uploaded is what the last build made."""
    for name, wanted in built(artifact).published.items():
        check_unchanged(artifact.firmware / name, wanted, artifact)


def _upload(
    place: Workplace,
    board: Board,
    env: str,
    protocol: str,
    target: Target,
    on_line: Callable[[str], None] | None,
) -> None:
    arguments = ["run", "-e", env, "-t", "nobuild", "-t", "upload", "--disable-auto-clean"]
    if target.port and board.link.touch_1200:
        arguments += ["--upload-port", target.port.path]
    settings = place.variables(board, env)
    if target.probe:
        settings["PLATFORMIO_UPLOAD_FLAGS"] = f"-c\nadapter serial {target.probe}"
    image = place.built(env) / "firmware.bin"
    if protocol == "sam-ba" and image.is_file():
        # nordicnrf52 wants a .hex to be there, whatever is uploaded; platformio.ini names the .bin
        shutil.copyfile(image, image.with_suffix(".hex"))
    pio(
        *arguments,
        what=f"flashing {board.name}",
        cwd=place.folder,
        timeout_s=300.0,
        env=settings,
        on_line=on_line,
    )


# ---- afterwards ----


def _wait_for_application(board: Board, before: Port | None, ports: Ports) -> str:
    """The port with the application's id, at the place the board had; its name may have changed."""
    deadline = time.monotonic() + APPEAR_S
    while True:
        alike = [port for port in ports() if port.usb_id in board.link.usb_ids]
        found = _returned(before, alike) if before else alike
        if len(found) == 1:
            return found[0].path
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    if len(found) > 1:
        raise UserError(
            f"{board.name} was flashed, and {_listed(found)} could all be it: run `firmnet verify` with one "
            "of them as --port"
        )
    raise VerificationError(
        f"{board.name} was flashed, but no USB {' or '.join(board.link.usb_ids)} appeared "
        f"{'where it was ' if before else ''}within {APPEAR_S:g} s: unplug it, plug it in again and run "
        "`firmnet verify`"
    )


def _returned(before: Port, alike: Sequence[Port]) -> list[Port]:
    """Which of the ports that look like the board is the flashed one: by place, else serial number."""
    if before.location:
        here = [port for port in alike if _same_device(port, before) and port.location]
        return [port for port in here if port.location == before.location] or here
    if before.serial_number:
        return [port for port in alike if port.serial_number == before.serial_number]
    return [port for port in alike if port.path == before.path] or list(alike)
