"""Which ways lead onto a board from here, and is there what each needs? Said before anything is built."""

import configparser
import json
import sys
from collections.abc import Collection
from importlib import util
from pathlib import Path

from ..cache import cache_dir
from ..errors import UserError, escaped, first_line
from ..targets import Board
from ..toolchain import find, registry_answers, run

SYSTEM_TOOLS = {"stlink": "openocd", "dfu": "dfu-util"}
"""How our own platform uploads: by protocol, the program on PATH."""
PACKAGED_TOOLS = {
    "stlink": "tool-openocd",
    "cmsis-dap": "tool-openocd",
    "dfu": "tool-dfuutil",
    "sam-ba": "tool-bossac-nordicnrf52",
    "jlink": "tool-jlink",
}
"""How the official ones do: by protocol, the package that PlatformIO downloads for the first upload."""
PYOCD = "pip install 'firmnet[pyocd]'"


def choose_protocol(board: Board, env: str, wanted: str | None = None, project: Path | None = None) -> str:
    """The one that was asked for, else what the project's platformio.ini says, else the board's usual one.

    UserError for one that the board does not offer, or for a board that cannot be flashed at all.
    """
    offered = board.protocols(env)
    if not offered:
        raise no_way(board, env)
    chosen = wanted or _edited(project, env) or offered[0]
    if wanted and wanted not in offered:
        others = [way for way in board.protocols(board.id) if way not in offered] if board.platformio else []
        where = f" ({', '.join(others)} with its official build)" if others else ""
        raise UserError(
            f"{board.name} is not flashed by {escaped(wanted, 40)!r}: --protocol may be "
            f"{' or '.join(offered)}{where}"
        )
    return chosen


def no_way(board: Board, env: str) -> UserError:
    """The error for a board that only an official platform can reach, when that cannot be had."""
    if not board.platformio:
        return UserError(f"{board.name} is supported in the emulator only: use --emulate, or another board")
    platform = board.platformio.platform.split("@")[0]
    return UserError(
        f"there is no way onto the {board.name} from here: only PlatformIO's {platform} can flash it, "
        "which is not installed, and PlatformIO's registry does not answer: connect to the network once"
        + (", or use --emulate" if board.emulator else "")
    )


def _edited(project: Path | None, env: str) -> str:
    """What a person wrote into the project's settings; "" where there is nothing of it."""
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        settings.read(project or ())
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UserError(f"{project} cannot be read ({first_line(error)}): generate it again") from None
    return settings.get(f"env:{env}", "upload_protocol", fallback="")


def check_tool(board: Board, env: str, protocol: str) -> None:
    """UserError when the program that writes is not there and cannot be fetched."""
    if protocol in ("uf2", "msd"):
        return
    if protocol == "pyocd":
        _check_pyocd(board)
    elif env == board.baremetal_env:
        if protocol in SYSTEM_TOOLS:
            find(SYSTEM_TOOLS[protocol])
    else:
        _check_package(board, protocol)


def _check_package(board: Board, protocol: str) -> None:
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
            + _else(board, board.id, protocol)
        )


def _else(board: Board, env: str, protocol: str) -> str:
    """The ways that need no package."""
    others = [way for way in board.protocols(env) if way in ("uf2", "msd") and way != protocol]
    return f", or copy it with --protocol {others[0]}" if others else ""


def _packages(platform: str) -> Collection[str]:
    """The packages that an installed platform names; none when it is not installed or damaged."""
    described = cache_dir() / "platformio" / "platforms" / platform / "platform.json"
    try:
        packages = json.loads(described.read_bytes())["packages"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ()
    return packages if isinstance(packages, dict) else ()


def _check_pyocd(board: Board) -> None:
    """pyOCD, and that it knows the chip: of many it wants a pack, which comes from the network."""
    if util.find_spec("pyocd") is None:
        raise UserError(f"pyOCD is not installed, by which {board.name} was to be flashed: `{PYOCD}`")
    target = board.flash.pyocd_target
    command = [sys.executable, "-P", "-m", "pyocd", "json", "--targets"]
    said = run(command, what="asking pyOCD for its targets", timeout_s=60.0).stdout
    try:
        names = [known["name"].lower() for known in json.loads(said[said.find("{") :])["targets"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return  # another pyOCD than is known: it will say itself what is wrong
    if target.lower() not in names:
        raise UserError(
            f"pyOCD does not know {target}, the chip of {board.name}: fetch its pack once, where there is a "
            f"network: `python -m pyocd pack install {target}`"
        )
