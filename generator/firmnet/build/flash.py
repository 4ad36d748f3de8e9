"""How does a firmware get onto a real board? PlatformIO uploads it to the one board that is surely meant."""

import configparser
import json
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ..artifact import Artifact
from ..cache import cache_dir, check_writable, in_use
from ..errors import UserError, VerificationError, first_line
from ..folder import lock
from ..provenance import built, check_unchanged
from ..targets import Board
from ..toolchain import find, pio, registry_answers
from .compile import choose_env, read_report
from .project import Workplace, workplace
from .target import SerialPort, SerialPorts, Target, find_target, listed, owns_port, returned

APPEAR_S = 10.0
"""How long a board may take to show its application's USB id after an upload."""

SYSTEM_TOOLS = {"stlink": "openocd", "dfu": "dfu-util"}
"""How our own platform uploads: by protocol, the program on PATH."""
PACKAGED_TOOLS = {"stlink": "tool-openocd", "dfu": "tool-dfuutil", "sam-ba": "tool-bossac-nordicnrf52"}
"""How the official ones do: by protocol, the package that PlatformIO downloads for the first upload."""


def is_connection(port: str | None) -> bool:
    """Whether it is a URL: behind a connection there is a board to talk to, but none to flash."""
    return port is not None and "://" in port


def check_flashable(board: Board, ports: SerialPorts, port: str | None = None) -> None:
    """UserError, in seconds, for all that is sure to fail after the minutes of a build.

    No way onto the board from here, a missing uploader, no board, several, another one; see `flash`.
    """
    if not board.flashable:
        raise UserError(f"{board.name} is supported in the emulator only: use --emulate, or another board")
    env = choose_env(board)
    if env == board.baremetal_env and not board.baremetal.upload_protocol:
        raise _no_way(board)
    protocol = _protocol(board, env)
    target = find_target(board, env, protocol, ports(), port)
    _check_uploader(board, env, protocol)
    if not target.line and not owns_port(board, env):
        raise UserError(
            f"{board.name} without its official platform talks over a UART, not over USB: connect a serial "
            "adapter to it and give the adapter's port with --port"
        )


def flash(
    artifact: Artifact,
    ports: SerialPorts,
    *,
    port: str | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Upload the built firmware and return the serial port it has afterwards, or "" where none is its own.

    `ports` lists the serial ports that can be seen; `port` names the board's, else there must be exactly one
    with the board's USB ids. UserError when there is none or several, or when this board cannot be flashed;
    VerificationError when it does not come back.
    """
    board = artifact.board
    env = _flashable_env(artifact, board)
    _check_unchanged(artifact)
    if is_connection(port):
        raise UserError(
            f"{port} is a connection, not a port of this machine: run `firmnet flash` where the board is "
            f"plugged in, then `firmnet verify {artifact.path} --port {port}` works from here"
        )
    protocol = _protocol(board, env, artifact.firmware / "platformio.ini")
    target = find_target(board, env, protocol, ports(), port)
    _check_uploader(board, env, protocol)
    check_writable()
    with in_use(), lock(artifact.path), workplace(artifact.firmware) as place:
        _check_unchanged(artifact)  # again: whoever was waited for may have built it anew
        place.put(env)
        _upload(place, board, env, protocol, target, on_line)
    if target.line or not owns_port(board, env):
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
        f"there is no way onto the {board.name} from here: only PlatformIO's {platform} can flash it, "
        "which is not installed, and PlatformIO's registry does not answer: connect to the network once"
        + (", or use --emulate" if board.emulator else "")
    )


def _protocol(board: Board, env: str, project: Path | None = None) -> str:
    """How that environment uploads: as the project's platformio.ini says, else as the board file."""
    official = board.platformio.upload_protocol if board.platformio else ""
    default = board.baremetal.upload_protocol if env == board.baremetal_env else official
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        settings.read(project or ())
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UserError(f"{project} cannot be read ({first_line(error)}): generate it again") from None
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
    if tool not in _packages(platform):
        return
    here = any((cache_dir() / "platformio" / "packages").glob(f"{tool}*"))
    if not here and not registry_answers(platform):
        raise UserError(
            f"{board.name} is flashed by PlatformIO's package {tool}, which is not installed, and its "
            "registry does not answer: connect to the network once, for the first flash"
        )


def _packages(platform: str) -> Collection[str]:
    """The packages that an installed platform names; none when it is not installed or damaged."""
    described = cache_dir() / "platformio" / "platforms" / platform / "platform.json"
    try:
        packages = json.loads(described.read_bytes())["packages"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ()
    return packages if isinstance(packages, dict) else ()


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
    what = f"flashing {board.name}"
    try:
        pio(*arguments, what=what, cwd=place.folder, timeout_s=300.0, env=settings, on_line=on_line)
    except UserError as error:
        if "HTTPClientError" not in str(error):
            raise
        raise UserError(
            f"{what} needs packages of PlatformIO's registry, which does not answer: connect this machine to "
            "the internet once, for the first flash"
        ) from None


# ---- afterwards ----


def _wait_for_application(board: Board, before: SerialPort | None, ports: SerialPorts) -> str:
    """The port with the application's id, at the place the board had; its name may have changed."""
    deadline = time.monotonic() + APPEAR_S
    while True:
        alike = [port for port in ports() if port.usb_id in board.link.usb_ids]
        found = returned(before, alike) if before else alike
        if len(found) == 1:
            return found[0].path
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    if len(found) > 1:
        raise UserError(
            f"{board.name} was flashed, and {listed(found)} could all be it: run `firmnet verify` with one "
            "of them as --port"
        )
    raise VerificationError(
        f"{board.name} was flashed, but no USB {' or '.join(board.link.usb_ids)} appeared "
        f"{'where it was ' if before else ''}within {APPEAR_S:g} s: unplug it, plug it in again and run "
        "`firmnet verify`"
    )
