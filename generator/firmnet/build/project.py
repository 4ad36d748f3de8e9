"""How does PlatformIO compile a project, wherever it lies? In a copy, where its path would be misread."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..artifact import Artifact
from ..cache import NO_SPACE, cache_dir, disk_full
from ..errors import UserError, VerificationError
from ..targets import Board
from ..toolchain import apt_line, forget_scons, pio, provision_scons
from .leftovers import trusted
from .sizes import overflow, too_big

PLAIN_PATH = re.compile(r"[\w ./+~=@-]*")
"""Paths that PlatformIO, SCons, the linker and MicroPython's tools all take as they are, if not too long.

A comma ends an option of the linker's, SCons replaces what follows a $, brackets and stars are patterns.
"""
LONGEST_BYTES = 160
COPIES = "firmnet-build-"
"""How the folders for copies begin, in the system's folder for temporary files."""
IMAGES = ("firmware.elf", "firmware.bin", "firmware.hex")
FOR_DRIVE = "firmware.uf2"
"""For a board whose bootloader takes it: made of firmware.elf, by us."""

Show = Callable[[str, int], None]
"""Called with what is going on, and the number of files compiled so far."""


@dataclass(frozen=True)
class Workplace:
    """Where PlatformIO works on a project, and under which names it knows the cache."""

    project: Path
    folder: Path
    core: Path
    objects: Path

    def variables(self, board: Board, env: str) -> dict[str, str]:
        """PlatformIO's environment, so that what it makes lies in `built`."""
        chosen = {
            "PLATFORMIO_CORE_DIR": str(self.core),
            "PLATFORMIO_WORKSPACE_DIR": str(self.folder / ".pio"),
            "PLATFORMIO_BUILD_DIR": str(self.folder / ".pio" / "build"),
            "FIRMNET_OBJECTS": str(self.objects),
        }
        if env == board.baremetal_env:
            return chosen
        # Official platforms are shared by all projects; ours stays with its project, as platformio.ini says.
        return {**chosen, "PLATFORMIO_PLATFORMS_DIR": str(self.core / "platforms")}

    def built(self, env: str) -> Path:
        """The folder in which PlatformIO leaves the firmware of one environment."""
        return self.folder / ".pio" / "build" / env

    def put(self, env: str) -> None:
        """Make the firmware that was published the one that PlatformIO would upload."""
        self.built(env).mkdir(parents=True, exist_ok=True)
        for name in IMAGES:
            (self.built(env) / name).unlink(missing_ok=True)
            if (self.project / name).is_file():
                shutil.copyfile(self.project / name, self.built(env) / name)


@contextmanager
def workplace(project: Path) -> Iterator[Workplace]:
    """A place to build or flash `project` in; a copy of it is gone afterwards."""
    project, cache = project.resolve(), cache_dir().resolve()
    core, objects = cache / "platformio", cache / "objects"
    if is_plain(project) and is_plain(cache):
        yield Workplace(project, project, core, objects)
        return
    scratch = Path(tempfile.mkdtemp(prefix=COPIES, dir=_neutral_ground()))
    try:
        folder = project
        if not is_plain(project):
            folder = scratch / "firmware"
            shutil.copytree(project, folder, ignore=lambda path, names: {".pio"} & set(names))
        if not is_plain(cache):
            for name in ("platformio", "objects"):
                (cache / name).mkdir(parents=True, exist_ok=True)
                (scratch / name).symlink_to(cache / name)
            core, objects = scratch / "platformio", scratch / "objects"
        yield Workplace(project, folder, core, objects)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_plain(path: Path) -> bool:
    """Whether all tools take the path as it is."""
    return bool(PLAIN_PATH.fullmatch(str(path))) and len(os.fsencode(path)) <= LONGEST_BYTES


def _neutral_ground() -> Path:
    for folder in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")):
        if is_plain(folder.resolve()) and os.access(folder, os.W_OK | os.X_OK):
            return folder.resolve()
    raise UserError(f"there is no folder for temporary files but {tempfile.gettempdir()}: set TMPDIR to one")


@dataclass(frozen=True)
class Task:
    """What to compile where; `is_right` tells of a linked ELF whether it is that of these sources."""

    place: Workplace
    artifact: Artifact
    board: Board
    env: str
    is_right: Callable[[Path], bool]


def compile_project(task: Task, show: Show, say: Callable[[str], None]) -> Path:
    """The folder with the images that this very call has made.

    A failure that may come from something kept is tried again with nothing kept, and `say` is told. Raises
    UserError when it cannot be compiled, VerificationError when it does not fit the board.
    """
    provision_scons(say)
    kept = (task.place.folder / ".pio" / "build").exists() or any(task.place.objects.glob("*/*"))
    try:
        return _attempt(task, show, say)
    except _Unexplained as failure:
        if not kept:
            raise UserError(str(failure)) from None
    say("the build failed: trying it once more with nothing kept from earlier builds, which may be damaged")
    shutil.rmtree(task.place.folder / ".pio", ignore_errors=True)
    forget_scons()
    provision_scons()
    try:
        return _attempt(task, show, say, {"FIRMNET_OBJECTS": ""})
    except _Unexplained as failure:
        raise UserError(str(failure)) from None


class _Unexplained(UserError):
    """A build failed for a reason that only the tools' own words tell."""


def _attempt(
    task: Task, show: Show, say: Callable[[str], None], variables: Mapping[str, str] | None = None
) -> Path:
    place, board, env = task.place, task.board, task.env
    files = damaged = 0

    def watch(line: str) -> None:
        nonlocal files, damaged
        if line.startswith(("Compiling ", "Retrieved ")):
            files += 1
            show(f"compiling {Path(line.split()[1].strip('`')).stem}", files)
        elif line.startswith(("MicroPython: ", "Linking ")):
            show(line[0].lower() + line[1:], files)
        damaged += line.startswith("Damaged in the cache: ")

    # A copied project would otherwise build with the platform of the one it was copied from.
    (place.folder / ".pio" / "platforms" / "platform.pio-link").unlink(missing_ok=True)
    built = place.built(env)
    for name in IMAGES:
        (built / name).unlink(missing_ok=True)
    with trusted(place.folder / ".pio", env) as changed:
        if changed:
            which = "1 file" if changed == 1 else f"{changed} files"
            say(f"{which} in {place.project}/.pio had been changed since the last build: made again")
        done = pio(
            *("run", "-e", env),
            what=f"building {board.id}",
            cwd=place.folder,
            env={**place.variables(board, env), **(variables or {})},
            check=False,
            on_line=watch,
        )
    if damaged:
        objects = "1 compiled object" if damaged == 1 else f"{damaged} compiled objects"
        say(f"{objects} in {cache_dir() / 'objects'} had been damaged: compiled again")
    if done.returncode:
        raise _explain(done.stdout, task)
    if not (built / "firmware.elf").is_file():
        raise _unexplained(f"building {env} ended without a firmware.elf", done.stdout, task)
    if not task.is_right(built / "firmware.elf"):
        raise _unexplained(f"building {env} made a firmware of other sources", done.stdout, task)
    return built


def _explain(output: str, task: Task) -> UserError | VerificationError:
    """The failure in one sentence, and what the tools themselves said."""
    manifest, graph = task.artifact.manifest, task.artifact.graph
    if excess := overflow(output):
        sentence = too_big(task.board, *excess, manifest.arena_bytes, graph, manifest.runtime)
        return VerificationError(f"{sentence}\n{_said(output, task.place)}")
    if NO_SPACE in output:
        return disk_full(task.place.project)
    if re.search(r"nano\.specs|cannot find -l(c|m|nosys)|fatal error: (alloca|string|math)\.h", output):
        fix = apt_line("arm-none-eabi-gcc")
        return UserError(f"the C library of arm-none-eabi-gcc is not installed: install it with `{fix}`")
    if "HTTPClientError" in output and task.env != task.board.baremetal_env:
        return UserError(f"PlatformIO cannot reach its registry, {_without_registry(task)}")
    return _unexplained(f"building {task.env} failed", output, task)


def _without_registry(task: Task) -> str:
    """What to do where nothing can be downloaded."""
    if task.board.baremetal.upload_protocol:
        return f"build without it: `FIRMNET_PLATFORMIO=offline firmnet build {task.artifact.path}`"
    return f"and {task.env} needs its packages once: connect this machine to the internet and build it again"


def _unexplained(what: str, output: str, task: Task) -> _Unexplained:
    hint = "if you have not edited its files, generate the artifact again"
    if task.env != task.board.baremetal_env:
        hint += "; `firmnet clean --all` makes PlatformIO fetch its packages anew"
    return _Unexplained(f"{what}; {hint}:\n{_said(output, task.place)}")


SHOWN_LINES = 40
CHATTER = re.compile(
    r"\s*$|(Compiling|Retrieved|Linking|Archiving|Indexing|Building|Generating) |Checking size|Processing "
    r"|Verbose mode|(CONFIGURATION|PLATFORM|HARDWARE|LDF|DEBUG|PACKAGES|RAM|Flash): |LDF Modes|Found \d+ comp"
    r"|Scanning dep|No dependencies|Dependency Graph|\|-- |Building in |-{20}|MicroPython: |Advanced Memory"
    r"|Damaged in the cache|(Platform|Tool) Manager: "
    r"|(.*= )?\[(FAILED|SUCCESS)\]|=+ \[|Environment  |\d+ (failed|succeeded)| - "
)


def _said(output: str, place: Workplace) -> str:
    """What compiler, linker and scripts said, without PlatformIO's own account of its progress."""
    words = [line for line in output.splitlines() if not CHATTER.match(line)] or output.splitlines()
    head = "" if len(words) <= SHOWN_LINES else f"  ({len(words) - SHOWN_LINES} lines before these)\n"
    text = head + "\n".join(f"  {line}" for line in words[-SHOWN_LINES:])
    return text.replace(str(place.folder), str(place.project))
