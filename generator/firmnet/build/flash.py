"""How does a firmware get onto a real board? PlatformIO uploads it to the one port that is surely its."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ..artifact import Artifact
from ..board import Board, load_board
from ..errors import UserError, VerificationError
from ..provenance import built, check_unchanged
from ..toolchain import find, pio
from .compile import read_report
from .project import workplace

APPEAR_S = 10.0
"""How long a board may take to show its application's USB id after an upload."""


class Port(Protocol):
    """A serial port of this machine. `usb_id` is "vid:pid", `location` its place on the bus; or empty."""

    @property
    def path(self) -> str: ...
    @property
    def usb_id(self) -> str: ...
    @property
    def location(self) -> str: ...
    @property
    def description(self) -> str: ...


def flash(
    artifact: Artifact,
    ports: Callable[[], Sequence[Port]],
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
    target = _target(board, ports(), port)
    if env == board.baremetal_env:
        find({"stlink": "openocd", "dfu": "dfu-util"}[board.baremetal.upload_protocol])
    arguments = ["run", "-e", env, "-t", "nobuild", "-t", "upload"]
    if target and board.link.touch_1200:
        arguments += ["--upload-port", target.path]
    with workplace(artifact.firmware) as place:
        place.put(env)
        pio(
            *arguments,
            what=f"flashing {board.name}",
            cwd=place.folder,
            timeout_s=300.0,
            env=place.variables(board, env),
            on_line=on_line,
        )
    if env == board.baremetal_env and board.link.transport == "usb_cdc":
        return ""  # this build talks over a UART, by an adapter that only the user knows
    return _wait_for_application(board, target, ports)


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


def _check_unchanged(artifact: Artifact) -> None:
    """VerificationError unless what would be uploaded is what the last build made."""
    for name, wanted in built(artifact).published.items():
        check_unchanged(artifact.firmware / name, wanted, artifact)


def _target(board: Board, seen: Sequence[Port], wanted: str | None) -> Port | None:
    """The board's port before the upload. None: a board flashed by a probe may be blank and show none yet."""
    listed = (
        ", ".join(f"{p.path} ({p.usb_id or 'no USB'} {p.description})" for p in seen)
        or "no serial port at all"
    )
    if wanted:
        found = [p for p in seen if p.path == wanted]
        if not found:
            raise UserError(f"there is no port {wanted}: found {listed}")
        return found[0]
    ids = (*board.link.usb_ids, *board.link.bootloader_usb_ids)
    found = [p for p in seen if p.usb_id in ids]
    if len(found) > 1:
        paths = " and ".join(p.path for p in found)
        raise UserError(f"{paths} could all be {board.name}: choose one with --port")
    if found:
        return found[0]
    if board.link.transport == "usb_cdc" and not board.link.touch_1200:
        return None
    raise UserError(
        f"no {board.name} is connected (USB id {' or '.join(ids)}): found {listed}; connect it, or name its "
        "port with --port"
    )


def _wait_for_application(board: Board, before: Port | None, ports: Callable[[], Sequence[Port]]) -> str:
    """The port with the application's id, at the location the board had; its name may have changed."""
    deadline = time.monotonic() + APPEAR_S
    while True:
        found = [p for p in ports() if p.usb_id in board.link.usb_ids]
        if before and before.location:
            found = [p for p in found if p.location.split(":")[0] == before.location.split(":")[0]]
        if len(found) == 1:
            return found[0].path
        if time.monotonic() > deadline:
            raise VerificationError(
                f"{board.name} was flashed, but no USB {' or '.join(board.link.usb_ids)} appeared within "
                f"{APPEAR_S:g} s: unplug it, plug it in again and run `firmnet verify`"
            )
        time.sleep(0.1)
