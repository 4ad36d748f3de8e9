"""How do outside programs write a firmware, and what do they mean when they fail? PlatformIO's, and pyOCD."""

import configparser
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..cache import NO_SPACE, disk_full
from ..errors import UserError, VerificationError
from ..targets import BUSY, FORBIDDEN, HELD, REFUSED, Board, Target
from ..toolchain import pio, run
from .project import CHATTER, Workplace

UPLOAD_S = 300.0
TAIL_LINES = 12
"""Of what a program said."""
ASIDE = re.compile(
    r"\*\*\* \[|=+ |-{5}|\S+ +FAILED |.*(Copyright|DFU suffix|WARRANTY|sourceforge)|(AVAILABLE|CURRENT): "
    r"|shutdown command invoked|Uploading \.pio|Configuring upload|.*http"
)
"""What PlatformIO and the programs say besides."""


@dataclass(frozen=True)
class Complaint:
    """What a program says when something is wrong, what that is, and what is to be done."""

    sign: str
    means: str
    fix: str
    wrong: bool = False
    """Whether it wrote, and the check failed."""


FAULTS = (
    Complaint(
        r"\*\* Verify Failed|Verify failed|contents differ|failed verification|Page errors: [1-9]",
        "what is in its flash is not what was written",
        "flash it again; if that fails too, look at its power supply and cable, for its flash may be worn",
        wrong=True,
    ),
    Complaint(REFUSED, "access was refused", FORBIDDEN),
    Complaint(HELD, "the port or probe is busy", BUSY),
    Complaint(
        r"device protected|write.protect|[Rr]ead.?out protection|flash is locked|APPROTECT",
        "the chip is protected against writing",
        "unlock it once with the tool of its maker, which erases it (for an STM32F4 OpenOCD's "
        "`stm32f4x unlock 0`)",
    ),
    Complaint(
        r"UNEXPECTED idcode|auto_probe failed",
        "the probe sees another chip",
        "check that this is the board that was named, and that its chip is no clone",
    ),
    Complaint(
        r"voltage may be too low|init mode failed|[Tt]arget voltage: 0|No ACK|Cannot connect to target",
        "the probe sees no chip",
        "check that the board has power and that SWDIO, SWCLK and GND are wired; hold its reset button while "
        "it begins",
    ),
    Complaint(
        r"open failed|No DFU capable USB device|No device found on|No connected debug probe"
        r"|No target device available|No device matches|[Cc]ouldn't find a board|specify `upload_port`",
        "it has gone, or does not answer",
        "plug it in again, without a hub if there is one, and try once more",
    ),
    Complaint(r"More than one DFU capable", "several boards wait in their bootloader", "unplug the others"),
    Complaint(
        r"SAM-BA operation failed|Device unsupported|Flash command failed|Error during download|dfuERROR"
        r"|LIBUSB_ERROR_(IO|PIPE|NO_DEVICE|TIMEOUT)|Programming Failed|write failed",
        "the connection broke while it was being written",
        "its firmware is incomplete: start its bootloader (docs/hardware.md says how) and flash it again, "
        "with another cable or port",
    ),
)
"""The first whose sign is found is told."""


def platformio_upload(
    place: Workplace,
    board: Board,
    env: str,
    protocol: str,
    target: Target,
    on_line: Callable[[str], None] | None,
) -> None:
    """Have PlatformIO write what was published; UserError or VerificationError in words where it fails."""
    arguments = ["run", "-e", env, "-t", "nobuild", "-t", "upload", "--disable-auto-clean"]
    if conf := _settings(place, board, env, protocol, target):
        arguments += ["-c", str(conf)]
    if target.port and (board.link.touch_1200 or protocol in ("serial", "sam-ba")):
        arguments += ["--upload-port", target.port.path]
    settings = place.variables(board, env)
    if flags := _flags(protocol, target):
        settings["PLATFORMIO_UPLOAD_FLAGS"] = "\n".join(flags)
    image = place.built(env) / "firmware.bin"
    if protocol == "sam-ba" and image.is_file():
        # nordicnrf52 wants a .hex to be there, whatever is uploaded; platformio.ini names the .bin
        shutil.copyfile(image, image.with_suffix(".hex"))
    what = f"flashing {board.name}"
    try:
        done = pio(
            *arguments,
            what=what,
            cwd=place.folder,
            timeout_s=UPLOAD_S,
            env=settings,
            check=False,
            on_line=on_line,
        )
    finally:
        if conf:
            conf.unlink(missing_ok=True)
    if done.returncode and not (protocol == "dfu" and "File downloaded successfully" in done.stdout):
        # dfu-util complains of a board that starts its new firmware before it has answered
        raise explained(what, protocol, done.stdout, done.args)


def pyocd_upload(firmware: Path, board: Board, target: Target, on_line: Callable[[str], None] | None) -> None:
    """Have pyOCD write the ELF through a probe, and reset the board."""
    command = [sys.executable, "-P", "-m", "pyocd", "load", "--no-config", "--no-wait"]
    command += ["--target", board.flash.pyocd_target]
    if target.probe:
        command += ["--uid", target.probe]
    what = f"flashing {board.name}"
    done = run(
        [*command, "--format", "elf", firmware / "firmware.elf"],
        what=what, cwd=firmware, timeout_s=UPLOAD_S, check=False, on_line=on_line,
    )  # fmt: skip
    if done.returncode:
        raise explained(what, "pyocd", done.stdout, done.args)


def explained(what: str, protocol: str, output: str, command: object) -> UserError | VerificationError:
    """The failure in a sentence with the fix, and below it what the program said."""
    words = [line for line in output.splitlines() if not CHATTER.match(line) and not ASIDE.match(line)]
    said = "\n".join(f"  {line}" for line in words[-TAIL_LINES:])
    if NO_SPACE in output:
        return disk_full(Path.cwd())
    if "HTTPClientError" in output:
        return UserError(
            f"{what} needs packages of PlatformIO's registry, which does not answer: connect this machine to "
            "the internet once, for the first flash"
        )
    missing = re.search(
        r"(?:sh: (?:\d+: )?)?([\w-]+): (?:command )?not found|'([\w-]+)' is not recognized", output
    )
    if missing:
        name = missing[1] or missing[2]
        return UserError(f"{what} failed: its uploader {name} is not installed:\n{said}")
    for fault in FAULTS:
        if re.search(fault.sign, output):
            kind = VerificationError if fault.wrong else UserError
            return kind(f"{what} failed, {fault.means}: {fault.fix}; by {protocol} it was said:\n{said}")
    shown = " ".join(map(str, command)) if isinstance(command, list) else str(command)
    return UserError(f"{what} failed; by {protocol} it was said:\n  {shown}\n{said}")


def _flags(protocol: str, target: Target) -> list[str]:
    """By which an uploader knows the one board of several."""
    if protocol == "dfu" and target.bootloader:
        device = target.bootloader
        if re.fullmatch(r"\w+", device.serial_number):
            return ["-S", device.serial_number]
        return ["-p", device.place]
    if target.probe and protocol in ("stlink", "cmsis-dap"):
        return [f"-c\nadapter serial {target.probe}"]
    return []


def _settings(place: Workplace, board: Board, env: str, protocol: str, target: Target) -> Path | None:
    """The project's settings with another protocol in them, where that is needed; in a file of its own.

    And without PlatformIO's touch and search where we have touched the board: it takes any new port for it.
    """
    changes: dict[str, str] = {}
    own = configparser.ConfigParser(interpolation=None, strict=False)
    own.read(place.folder / "platformio.ini")
    section = f"env:{env}"
    usual = board.protocols(env)[0]
    if protocol != own.get(section, "upload_protocol", fallback=usual):
        changes["upload_protocol"] = protocol
    if board.link.touch_1200 and target.port and target.port.usb_id in board.link.bootloader_usb_ids:
        changes |= {"board_upload.use_1200bps_touch": "no", "board_upload.wait_for_upload_port": "no"}
    if not changes or not own.has_section(section):
        return None
    own[section].update(changes)
    conf = place.folder / ".pio" / "upload.ini"
    conf.parent.mkdir(exist_ok=True)
    with conf.open("w") as file:
        own.write(file)
    return conf
