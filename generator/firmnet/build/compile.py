"""How is a project compiled? MicroPython is put into it, PlatformIO builds it, and the result is measured."""

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from .. import provenance
from ..artifact import Artifact
from ..board import Board, load_board
from ..codegen.model import fingerprint_source
from ..errors import UserError, VerificationError
from ..image import read_image
from ..toolchain import apt_line, cache_dir, find, pio, pio_mode, provision_scons
from .micropython import assemble, micropython_source
from .sizes import Sizes, check_fit, measure, overflow, too_big

Progress = Callable[[str, int], None]
"""Called with what is going on, and the number of files compiled so far."""


@dataclass(frozen=True)
class BuildReport:
    """What build.json keeps: the environment built, how long it took, the sizes, and provenance.Built."""

    board: str
    env: str
    seconds: float
    sizes: Sizes
    fingerprint: str = ""
    edits: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)

    def warning(self) -> str:
        """For people: the sources are not those that were generated; "" when they are."""
        if not self.edits:
            return ""
        return (
            f"built from edited sources: {provenance.listed(self.edits)}; `firmnet verify` will refuse this "
            "firmware: undo the edits, or generate it again"
        )


def choose_env(board: Board, *, emulate: bool = False) -> str:
    """The official environment where PlatformIO can have it, ours for emulators and without a registry."""
    if emulate or board.platformio is None or pio_mode(board.platformio.platform) == "offline":
        return board.baremetal_env
    return board.id


def build(
    artifact: Artifact, *, env: str | None = None, emulate: bool = False, progress: Progress | None = None
) -> BuildReport:
    """Compile an artifact's firmware: firmware/firmware.elf, .bin, .hex, and build.json beside the manifest.

    `env` is one of the board's environments (default: choose_env). Raises UserError when a tool is missing
    or the compiler fails, VerificationError when the firmware does not fit; no older firmware stays then.
    """
    board = load_board(artifact.manifest.board)
    env = env or choose_env(board, emulate=emulate)
    if env not in board.envs:
        raise UserError(f"board {board.id!r} has no environment {env!r}: it has {', '.join(board.envs)}")
    show = progress or (lambda message, files: None)
    project = artifact.firmware
    if not all(
        (project / part).exists() for part in ("platformio.ini", f"lib/{artifact.manifest.name}", "src")
    ):
        raise UserError(f"{project} is no whole PlatformIO project: generate the artifact again")
    started = time.monotonic()
    if env == board.baremetal_env:
        find("arm-none-eabi-gcc")
    provision_scons()
    source = micropython_source(lambda message: show(message, 0))
    try:
        _forget_firmware(artifact)
        assemble(source, project / "lib" / "micropython")
        fingerprint = _mark(artifact, board)
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename} ({error.strerror}): make {project} writable"
        ) from None
    edits = provenance.edits(artifact) if fingerprint.hex() != artifact.manifest.fingerprint else ()
    _compile(project, env, board, artifact.manifest.arena_bytes, show)
    built = project / ".pio" / "build" / env
    sizes = measure(built / "firmware.elf", board, artifact.manifest.name)
    check_fit(sizes, board)
    if provenance.fingerprint_on_disk(artifact, board) != fingerprint:
        raise VerificationError(f"{project} was changed while it was built: build it again")
    _check_carries(built / "firmware.elf", artifact, fingerprint)
    for path in _firmware_files(project):
        if (built / path.name).is_file():
            shutil.copyfile(built / path.name, path)
    published = {
        path.name: provenance.file_digest(path) for path in _firmware_files(project) if path.is_file()
    }
    seconds = round(time.monotonic() - started, 2)
    report = BuildReport(board.id, env, seconds, sizes, fingerprint.hex(), edits, published)
    (artifact.path / "build.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
    return report


def _mark(artifact: Artifact, board: Board) -> bytes:
    """Give the firmware the fingerprint of its sources as they are now, and return it."""
    name = artifact.manifest.name
    fingerprint = provenance.fingerprint_on_disk(artifact, board)
    path, text = artifact.firmware / provenance.fingerprint_file(name), fingerprint_source(name, fingerprint)
    if not path.is_file() or path.read_text(errors="replace") != text:
        path.write_text(text)
    return fingerprint


def _check_carries(elf: Path, artifact: Artifact, fingerprint: bytes) -> None:
    """VerificationError unless the linked firmware is that of these sources."""
    carried = read_image(elf).value(f"{artifact.manifest.name}_fingerprint")
    if carried != fingerprint:
        shown = carried.hex()[:12] + "…" if carried else "none"
        raise VerificationError(
            f"the firmware that was built is not that of {artifact.firmware}: its fingerprint is {shown}, "
            f"that of the sources {fingerprint.hex()[:12]}…: remove {artifact.firmware / '.pio'} and build"
        )


def read_report(artifact: Artifact) -> BuildReport:
    """The report of the last successful build; UserError when there is none."""
    try:
        return TypeAdapter(BuildReport).validate_json((artifact.path / "build.json").read_bytes())
    except (OSError, ValueError):
        raise UserError(
            f"{artifact.path} is not built yet: run `firmnet build {artifact.path}` first"
        ) from None


def _forget_firmware(artifact: Artifact) -> None:
    """A build that fails leaves no older image behind that could be flashed by mistake."""
    (artifact.path / "build.json").unlink(missing_ok=True)
    for path in _firmware_files(artifact.firmware):
        path.unlink(missing_ok=True)


def _firmware_files(folder: Path) -> list[Path]:
    return [folder / f"firmware{suffix}" for suffix in (".elf", ".bin", ".hex")]


def _compile(project: Path, env: str, board: Board, arena_bytes: int, show: Progress) -> None:
    files = 0

    def watch(line: str) -> None:
        nonlocal files
        if line.startswith(("Compiling ", "Retrieved ")):
            files += 1
            show(f"compiling {Path(line.split()[1].strip('`')).stem}", files)
        elif line.startswith(("MicroPython: ", "Linking ")):
            show(line[0].lower() + line[1:], files)

    # A copied project would otherwise build with the platform of the one it was copied from.
    (project / ".pio" / "platforms" / "platform.pio-link").unlink(missing_ok=True)
    done = pio(
        *("run", "-e", env),
        what=f"building {board.id}",
        cwd=project,
        env=platforms_dir(board, env),
        check=False,
        on_line=watch,
    )
    if done.returncode:
        raise _explain(done.stdout, board, env, arena_bytes)


def platforms_dir(board: Board, env: str) -> dict[str, str]:
    """Official platforms are shared by all projects; ours stays with its project, as platformio.ini says."""
    if env == board.baremetal_env:
        return {}
    return {"PLATFORMIO_PLATFORMS_DIR": str(cache_dir() / "platformio" / "platforms")}


def _explain(output: str, board: Board, env: str, arena_bytes: int) -> UserError | VerificationError:
    """The failure in one sentence: does not fit, or what the compiler said."""
    if excess := overflow(output):
        return too_big(board, *excess, arena_bytes)
    if re.search(r"nano\.specs|cannot find -l(c|m|nosys)|fatal error: (alloca|string|math)\.h", output):
        fix = apt_line("arm-none-eabi-gcc")
        return UserError(f"the C library of arm-none-eabi-gcc is not installed: install it with `{fix}`")
    lines = output.splitlines()
    errors = [
        line
        for line in lines
        if re.search(r"\berror\b|Error:|undefined reference|cannot find|HTTPClientError", line)
    ]
    shown = "\n".join(f"  {line}" for line in errors[:12] or lines[-20:])
    hint = ""
    if "HTTPClientError" in output:
        hint = f"; PlatformIO cannot reach its registry, build with {board.baremetal_env} instead"
    return UserError(f"building {env} failed{hint}:\n{shown}")
