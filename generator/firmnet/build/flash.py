"""How does a firmware get onto a real board? By a way that it offers, onto the one that is surely meant."""

import os
import time
from collections.abc import Callable

from ..artifact import Artifact
from ..cache import check_writable, in_use
from ..errors import UserError, VerificationError
from ..folder import lock, say
from ..provenance import built, check_unchanged
from ..targets import (
    BUTTONS,
    FORBIDDEN,
    PROBE_IDS,
    Board,
    Computer,
    Plugged,
    Target,
    Thing,
    find_target,
    fits,
    listed,
    returned,
    storage_of,
)
from ..toolchain import provision_scons
from .compile import choose_env, read_report
from .drive import LOOKS_S, Copy, check_mounted
from .project import FOR_DRIVE, Show, workplace
from .sizes import FirmwareSizes
from .uf2 import uf2_of
from .uploaders import platformio_upload, pyocd_upload
from .ways import check_tool, choose_protocol, no_way

APPEAR_S = 10.0
"""How long a board may take to show another USB id: its bootloader's, and after it the application's."""


def is_connection(port: str | None) -> bool:
    """Whether it is a URL: behind a connection there is a board to talk to, but none to flash."""
    return port is not None and "://" in port


def check_flashable(
    board: Board, computer: Computer, port: str | None = None, protocol: str | None = None
) -> None:
    """UserError, in seconds, for all that is sure to fail after the minutes of a build.

    No way onto the board from here, a missing uploader, no board, several, another one; see `flash`.
    """
    if not board.flashable:
        raise no_way(board, board.baremetal_env)
    env = choose_env(board)
    chosen = choose_protocol(board, env, protocol)
    seen = computer.plugged()
    target = find_target(board, env, chosen, seen, port)
    check_tool(board, env, chosen)
    _check_allowed(board, chosen, target, seen)
    if not target.line and not board.owns_port(env):
        raise UserError(
            f"{board.name} without its official platform talks over a UART, not over USB: connect a serial "
            "adapter to it and give the adapter's port with --port"
        )


def flash(
    artifact: Artifact,
    computer: Computer,
    *,
    port: str | None = None,
    protocol: str | None = None,
    progress: Show | None = None,
    notice: Callable[[str], None] = say,
) -> str:
    """Write the built firmware and return the serial port it has afterwards, or "" where none is its own.

    `port` names the board (see find_target), else there must be exactly one that it can be. `notice` is told
    whom this waits for, and what became of the board when it is interrupted. UserError when there is none or
    several, or when this board cannot be flashed; VerificationError when the board did not take it, or does
    not come back.
    """
    board = artifact.board
    env = _flashable_env(artifact, board)
    _check_unchanged(artifact)
    if is_connection(port):
        raise UserError(
            f"{port} is a connection, not a port of this machine: run `firmnet flash` where the board is "
            f"plugged in, then `firmnet verify {artifact.path} --port {port}` works from here"
        )
    chosen = choose_protocol(board, env, protocol, artifact.firmware / "platformio.ini")
    seen = computer.plugged()
    target = find_target(board, env, chosen, seen, port)
    check_tool(board, env, chosen)
    _check_allowed(board, chosen, target, seen)
    check_writable()
    with in_use(), lock(artifact.path, notice):
        _check_unchanged(artifact)  # again: whoever was waited for may have built it anew
        show = progress or (lambda *_: None)
        target = _in_bootloader(board, chosen, target, computer, show)
        if lost := _lost(board, read_report(artifact).sizes):
            notice(
                f"this firmware reaches into the flash where {board.name} keeps {lost}: what an earlier "
                "firmware kept there is lost"
            )
        try:
            doubt = _write(artifact, env, chosen, target, computer, show, notice)
        except Exception:
            raise
        except BaseException:
            notice(_interrupted(board, chosen))
            raise
    port = target.line
    if not port and board.owns_port(env):
        show(f"waiting for {board.name} to start", 0)
        port = _wait_for_application(board, target.before, computer, doubt)
    if doubt:
        notice(f"{board.name} was written, but {doubt}: `firmnet verify` tells which firmware it runs")
    return port


def _lost(board: Board, sizes: FirmwareSizes) -> str:
    """What an earlier firmware may have had where this one lies; "" for nothing."""
    storage = storage_of(board)
    if sizes.files_bytes is None or storage is None:
        return ""
    if storage.romfs and not sizes.romfs_bytes:
        return "a ROMFS" if sizes.files_bytes else "files and a ROMFS"
    return "" if sizes.files_bytes else "files"


def _flashable_env(artifact: Artifact, board: Board) -> str:
    """The environment that was built; UserError when it cannot be put on a real board."""
    report = read_report(artifact)
    if not board.flashable:
        raise no_way(board, board.baremetal_env)
    if not board.protocols(report.env):
        raise UserError(
            f"{artifact.path} was built as {report.env}, which only the emulator runs: where PlatformIO's "
            f"registry can be reached, `FIRMNET_PLATFORMIO=registry firmnet build {artifact.path}`"
        )
    return report.env


def _check_unchanged(artifact: Artifact) -> None:
    """VerificationError unless what would be uploaded is what the last build made."""
    for name, wanted in built(artifact).published.items():
        check_unchanged(artifact.firmware / name, wanted, artifact)


# ---- before ----


def _check_allowed(board: Board, protocol: str, target: Target, seen: Plugged) -> None:
    """UserError where this user may not open what will be opened."""
    needed = [target.port.path if target.port else "", target.line]
    if target.bootloader:
        needed.append(target.bootloader.node)
    if target.drive:
        check_mounted(board, target.drive)
        needed.append(str(target.drive.folder))
    if protocol in ("stlink", "pyocd"):
        place = target.port.place if target.port and target.port.usb_id in PROBE_IDS else ""
        probes = [device for device in seen.usb or () if device.usb_id in PROBE_IDS]
        needed += [probe.node for probe in probes if probe.place == place or len(probes) == 1]
    for path in filter(None, needed):
        if os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK):
            raise UserError(f"{path} of {board.name} may not be opened by this user: {FORBIDDEN}")


def _in_bootloader(board: Board, protocol: str, target: Target, computer: Computer, show: Show) -> Target:
    """The board as its bootloader shows it; one that still runs its firmware is touched first."""
    port = target.port
    if protocol not in BUTTONS or target.drive or target.bootloader or not board.link.touch_1200 or not port:
        return target
    if port.usb_id in board.link.bootloader_usb_ids:
        return target
    show(f"starting the bootloader of {board.name}", 0)
    earlier = computer.plugged()
    computer.touch(port)
    deadline = time.monotonic() + APPEAR_S
    while time.monotonic() < deadline:
        if found := _bootloader_at(board, protocol, port, earlier, computer):
            return found
        time.sleep(LOOKS_S)
    for drive in computer.plugged().drives:
        if drive.place == port.place and fits(board, drive):
            check_mounted(board, drive)
    raise UserError(
        f"{board.name} at {port.path} was asked to start its bootloader and did not within {APPEAR_S:g} s: "
        f"{BUTTONS[protocol]}, and run this again"
    )


def _bootloader_at(
    board: Board, protocol: str, before: Thing, earlier: Plugged, computer: Computer
) -> Target | None:
    """What the board shows now, at the place that it had; where no places are told, what is new."""
    seen = computer.plugged()
    ids = board.link.bootloader_usb_ids

    def same(thing: Thing) -> bool:
        if before.place and thing.place:
            return thing.place == before.place
        alike = bool(before.serial_number) and thing.serial_number == before.serial_number
        return alike or thing not in list(earlier)

    if protocol == "uf2":
        drives = [drive for drive in seen.drives if fits(board, drive) and same(drive) and drive.folder]
        return Target(drive=drives[0]) if len(drives) == 1 else None
    if protocol == "dfu":
        devices = [device for device in seen.usb or () if device.usb_id in ids and same(device)]
        return Target(bootloader=devices[0]) if len(devices) == 1 else None
    ports = [port for port in seen.ports if port.usb_id in ids and same(port)]
    return Target(ports[0]) if len(ports) == 1 else None


# ---- writing ----


def _write(
    artifact: Artifact,
    env: str,
    protocol: str,
    target: Target,
    computer: Computer,
    show: Show,
    notice: Callable[[str], None],
) -> str:
    """Write by that way; what is not sure afterwards, "" when nothing is."""
    board = artifact.board
    if protocol in ("uf2", "msd"):
        assert target.drive
        name, data = _file_for(artifact, protocol)
        show(f"copying {name} to {target.drive.name}", 0)
        return Copy(board, target.drive, name, data, protocol == "msd", computer).make()
    lines = 0

    def on_line(line: str) -> None:
        nonlocal lines
        lines += 1
        show(line[:60], lines)

    if protocol == "pyocd":
        pyocd_upload(artifact.firmware, board, target, on_line)
        return ""
    provision_scons(notice)  # another machine may have built it
    with workplace(artifact.firmware) as place:
        place.put(env)
        platformio_upload(place, board, env, protocol, target, on_line)
    return ""


def _file_for(artifact: Artifact, protocol: str) -> tuple[str, bytes]:
    """What a drive takes: UF2 blocks of what lies in flash; of a probe's, ST's a .bin, others a .hex."""
    board, firmware = artifact.board, artifact.firmware
    if protocol == "uf2":
        return FOR_DRIVE, uf2_of(firmware / "firmware.elf", board)
    names = ("firmware.bin", "firmware.hex")
    for name in names if board.chip.mcu.startswith("stm32") else reversed(names):
        if (firmware / name).is_file():
            return name, (firmware / name).read_bytes()
    raise UserError(f"{firmware} holds no firmware.bin and no firmware.hex: build it again")


def _interrupted(board: Board, protocol: str) -> str:
    """What to tell then: a board that is half written does nothing, which looks like a broken one."""
    how = f"; if it is not found then, {BUTTONS[protocol]}" if protocol in BUTTONS else ""
    return (
        f"interrupted: the firmware of {board.name} may be incomplete, which does the board no harm: "
        f"flash it again{how}"
    )


# ---- afterwards ----


def _wait_for_application(board: Board, before: Thing | None, computer: Computer, doubt: str) -> str:
    """The port with the application's id, at the place the board had; its name may have changed."""
    deadline = time.monotonic() + APPEAR_S
    while True:
        alike = [port for port in computer.plugged().ports if port.usb_id in board.link.usb_ids]
        found = returned(before, alike) if before else alike
        if len(found) == 1:
            return found[0].path
        if time.monotonic() > deadline:
            break
        time.sleep(LOOKS_S)
    if len(found) > 1:
        raise UserError(
            f"{board.name} was flashed, and {listed(found)} could all be it: run `firmnet verify` with one "
            "of them as --port"
        )
    where, unsure = "where it was " if before else "", f" ({doubt})" if doubt else ""
    raise VerificationError(
        f"{board.name} was flashed{unsure}, but no USB {' or '.join(board.link.usb_ids)} appeared {where}"
        f"within {APPEAR_S:g} s: unplug it, plug it in again and run `firmnet verify`"
    )
