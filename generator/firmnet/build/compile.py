"""How does an artifact get its firmware? Its project is completed, compiled and measured; the images stay."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from .. import provenance
from ..arrays import read_file
from ..artifact import Artifact
from ..cache import check_writable, disk_full, in_use, is_full
from ..clean import clean_by_itself
from ..codegen.model import fingerprint_source
from ..errors import UserError, VerificationError
from ..folder import lock, say
from ..image import read_image
from ..limits import MAX_JSON_BYTES
from ..provenance import FETCHED
from ..targets import Board
from ..toolchain import find, pio_mode
from .micropython import assemble, micropython_source
from .project import FOR_DRIVE, IMAGES, Show, Task, compile_project, workplace
from .sizes import FirmwareSizes, check_fit, measure
from .uf2 import uf2_of


@dataclass(frozen=True)
class BuildReport:
    """What build.json keeps: the environment built, how long it took, the sizes, and provenance.Built."""

    board: str
    env: str
    seconds: float
    sizes: FirmwareSizes
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
    artifact: Artifact,
    *,
    env: str | None = None,
    emulate: bool = False,
    progress: Show | None = None,
    notice: Callable[[str], None] = say,
) -> BuildReport:
    """Compile an artifact's firmware: firmware/firmware.elf, .bin, .hex, for some boards .uf2, and build.json
    beside the manifest.

    `env` is one of the board's environments (default: choose_env). `notice` is told what was damaged and is
    made again, and for whom this build waits. Raises UserError when a tool is missing or the compiler fails,
    VerificationError when the firmware does not fit; no older firmware stays then.
    """
    check_writable()
    with in_use(), lock(artifact.path, notice):
        # opened again: whoever was waited for may have generated it anew
        report = _build(Artifact.open(artifact.path), env, emulate, progress or (lambda *_: None), notice)
    clean_by_itself()
    return report


def _build(
    artifact: Artifact, env: str | None, emulate: bool, show: Show, notice: Callable[[str], None]
) -> BuildReport:
    board = artifact.board
    env = env or choose_env(board, emulate=emulate)
    if env not in board.envs:
        raise UserError(f"board {board.id!r} has no environment {env!r}: it has {', '.join(board.envs)}")
    if env == board.baremetal_env:
        find("arm-none-eabi-gcc")
    _check_whole(artifact)
    started = time.monotonic()
    source = None
    if artifact.manifest.runtime == "micropython":
        source = micropython_source(lambda message: show(message, 0), notice)
    try:
        _forget_firmware(artifact)
        if source:
            assemble(source, artifact.firmware / FETCHED)
        fingerprint = _mark(artifact)
        symbol = f"{artifact.manifest.name}_fingerprint"
        with workplace(artifact.firmware) as place:
            task = Task(place, artifact, board, env, lambda elf: read_image(elf).value(symbol) == fingerprint)
            built = compile_project(task, show, notice)
            return _publish(artifact, built, board, env, fingerprint, started)
    except OSError as error:
        raise _refused(error, artifact) from None


def _check_whole(artifact: Artifact) -> None:
    parts = ("platformio.ini", f"lib/{artifact.manifest.name}", "src")
    if not all((artifact.firmware / part).exists() for part in parts):
        raise UserError(
            f"{artifact.firmware} is not a complete PlatformIO project: generate the artifact again"
        )


def _mark(artifact: Artifact) -> bytes:
    """Give the firmware the fingerprint of its sources as they are now, and return it."""
    name = artifact.manifest.name
    fingerprint = provenance.fingerprint_on_disk(artifact)
    path, text = artifact.firmware / provenance.fingerprint_file(name), fingerprint_source(name, fingerprint)
    if not path.is_file() or path.read_text(errors="replace") != text:
        _put(path, text.encode())
    return fingerprint


def _publish(
    artifact: Artifact, built: Path, board: Board, env: str, fingerprint: bytes, started: float
) -> BuildReport:
    """Measure and check what was built, put it where it can be flashed, and say so last of all."""
    sizes = measure(built / "firmware.elf", board, artifact.manifest.name, artifact.manifest.runtime)
    check_fit(sizes, board, artifact.graph)
    if provenance.fingerprint_on_disk(artifact) != fingerprint:
        raise VerificationError(f"{artifact.firmware} was changed while it was built: build it again")
    published = {}
    images = {name: (built / name).read_bytes() for name in IMAGES if (built / name).is_file()}
    if board.flash.uf2_family is not None:
        images[FOR_DRIVE] = uf2_of(built / "firmware.elf", board)
    for name, content in images.items():
        _put(artifact.firmware / name, content)
        published[name] = provenance.file_digest(artifact.firmware / name)
    edits = provenance.edits(artifact) if fingerprint.hex() != artifact.manifest.fingerprint else ()
    seconds = round(time.monotonic() - started, 2)
    report = BuildReport(board.id, env, seconds, sizes, fingerprint.hex(), edits, published)
    _put(artifact.path / "build.json", (json.dumps(asdict(report), indent=1) + "\n").encode())
    return report


def _put(target: Path, content: bytes) -> None:
    """Write a file at once: it is there as a whole, or not at all."""
    half = target.with_name(f".{target.name}.part")
    try:
        half.write_bytes(content)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)


def _refused(error: OSError, artifact: Artifact) -> UserError:
    if is_full(error):
        return disk_full(artifact.path)
    where = error.filename or artifact.firmware
    return UserError(f"cannot write {where} ({error.strerror}): make {artifact.path} and all in it writable")


def read_report(artifact: Artifact) -> BuildReport:
    """The report of the last successful build; UserError when there is none."""
    try:
        return TypeAdapter(BuildReport).validate_json(read_file(artifact.path / "build.json", MAX_JSON_BYTES))
    except (OSError, ValueError):
        raise UserError(
            f"{artifact.path} is not built yet: run `firmnet build {artifact.path}` first"
        ) from None


def _forget_firmware(artifact: Artifact) -> None:
    """A build that fails leaves no older image behind that could be flashed by mistake."""
    (artifact.path / "build.json").unlink(missing_ok=True)
    for name in (*IMAGES, FOR_DRIVE):
        (artifact.firmware / name).unlink(missing_ok=True)
