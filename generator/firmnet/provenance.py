"""Which sources and which build does a firmware come from, and are they still what they were?"""

import configparser
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from .arrays import read_file
from .artifact import BOARD_FILE, Artifact
from .errors import UserError, VerificationError
from .limits import MAX_JSON_BYTES

COUNTED = ("boards", "frozen", "include", "lib", "platform", "scripts", "src")
"""Folders of a project whose files decide, with platformio.ini and board.json, what is built; so does
what is added to them."""
FETCHED = "lib/micropython"
"""Checked by a checksum of its own wherever it comes from, and laid out anew by every build."""
CLUTTER = ("__pycache__", ".DS_Store", "Thumbs.db", "desktop.ini")
CLUTTER_ENDINGS = ("~", ".swp", ".orig", ".rej", ".md")
"""What editors, Python and people leave beside sources; no build reads it."""
SETTINGS = "platformio.ini"
HARMLESS = ("upload_", "monitor_", "debug_", "test_", "check_")
"""How the options begin that change how a board is reached, and not what is built for it."""
SHOWN = 4


@dataclass(frozen=True)
class Built:
    """What build.json keeps of the last build, beside its sizes.

    `fingerprint` is that of the sources as they were then, which the firmware carries; `edits` what of them
    was not as generated; `published` the SHA-256 of each firmware file by its name.
    """

    env: str
    fingerprint: str
    edits: tuple[str, ...]
    published: Mapping[str, str]


def fingerprint_file(model: str) -> str:
    """The one source that is no part of the fingerprint: it holds it."""
    return f"lib/{model}/{model}_fingerprint.c"


def digest(name: str, content: bytes) -> str:
    """SHA-256 of what of a source decides the firmware."""
    return hashlib.sha256(_settings(content) if name == SETTINGS else content).hexdigest()


def fingerprint(sources: Mapping[str, str], model: str) -> bytes:
    """SHA-256 over the digest of every source: path inside firmware/ → digest."""
    kept = {name: value for name, value in sources.items() if name != fingerprint_file(model)}
    lines = [f"{value} {name}\n" for name, value in sorted(kept.items())]
    return hashlib.sha256("".join(lines).encode()).digest()


def sources_on_disk(project: Path) -> dict[str, str]:
    """Digest of every source that a build of `project` would see, as it lies there now."""
    names = [name for name in (BOARD_FILE, SETTINGS) if (project / name).is_file()]
    for folder in COUNTED:
        names += sorted(_files(project, folder))
    try:
        return {name: digest(name, (project / name).read_bytes()) for name in names}
    except OSError as error:
        raise UserError(f"cannot read {error.filename} ({error.strerror}): make it readable") from None


def fingerprint_on_disk(artifact: Artifact) -> bytes:
    """The fingerprint that a build would give its firmware now."""
    return fingerprint(sources_on_disk(artifact.firmware), artifact.manifest.name)


def edits(artifact: Artifact) -> tuple[str, ...]:
    """Each source that is not as it was generated: "src/main.c (edited)", "(added)" or "(missing)"."""
    inside = "firmware/"
    written = {name.removeprefix(inside) for name in artifact.manifest.files if name.startswith(inside)}
    changed = {name.removeprefix(inside) for name in artifact.edited() if name.startswith(inside)}
    there = set(sources_on_disk(artifact.firmware))
    how = dict.fromkeys(written & changed & there, "edited")
    how |= dict.fromkeys(written - there, "missing") | dict.fromkeys(there - written, "added")
    how.pop(fingerprint_file(artifact.manifest.name), None)  # every build writes it
    return tuple(f"{name} ({what})" for name, what in sorted(how.items())) or ("its manifest (changed)",)


def check_unedited(artifact: Artifact, fingerprint: str, device: str) -> None:
    """VerificationError when the firmware with this fingerprint was built from edited sources."""
    changes = _edits_behind(artifact, fingerprint)
    if changes:
        raise VerificationError(
            f"{device} runs firmware that was built from edited sources: {listed(changes)}; undo the edits, "
            f"or generate {artifact.path} again, then build and flash it"
        )


def _edits_behind(artifact: Artifact, fingerprint: str) -> tuple[str, ...]:
    """What is, or was at the last build, edited in the sources with this fingerprint; () for any other."""
    if fingerprint == artifact.manifest.fingerprint:
        return ()
    try:
        last = built(artifact)
    except UserError:
        last = None
    if last and last.fingerprint == fingerprint:
        return last.edits
    now = fingerprint_on_disk(artifact)
    return edits(artifact) if now.hex() == fingerprint else ()


def listed(changes: tuple[str, ...]) -> str:
    """The first few edits for a sentence."""
    more = len(changes) - SHOWN
    return ", ".join(changes[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def built(artifact: Artifact, option: str = "") -> Built:
    """The record of the last build; UserError, advising one with `option`, when there is none."""
    try:
        raw = json.loads(read_file(artifact.path / "build.json", MAX_JSON_BYTES))
        return TypeAdapter(Built).validate_python(raw)
    except (OSError, ValueError, RecursionError, ValidationError):
        raise _not_built(artifact, option) from None


def published(artifact: Artifact, name: str = "firmware.elf", option: str = "") -> Path:
    """A file that the last build published; VerificationError when it is not that file any more."""
    path, wanted = artifact.firmware / name, built(artifact, option).published.get(name)
    if wanted is None or not path.is_file():
        raise _not_built(artifact, option)
    check_unchanged(path, wanted, artifact)
    return path


def check_unchanged(path: Path, wanted: str, artifact: Artifact) -> None:
    """VerificationError unless the file at `path` has the SHA-256 that the build recorded."""
    found = file_digest(path)
    if found != wanted:
        raise VerificationError(
            f"{path} was changed since it was built (its SHA-256 is {found[:12]}…, that of the build "
            f"{wanted[:12]}…): build it again with `firmnet build {artifact.path}`"
        )


def _not_built(artifact: Artifact, option: str) -> UserError:
    command = " ".join(filter(None, ("firmnet build", str(artifact.path), option)))
    return UserError(f"{artifact.path} is not built: run `{command}`")


def file_digest(path: Path) -> str:
    """SHA-256 of a file; "" when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _files(project: Path, folder: str) -> Iterator[str]:
    """Paths of the files below a folder that a build may read, links followed as PlatformIO does."""
    walked: set[str] = set()
    for root, folders, files in os.walk(project / folder, followlinks=True):
        inside = Path(root).relative_to(project).as_posix()
        real = os.path.realpath(root)
        if real in walked or inside == FETCHED:
            folders.clear()
            continue
        walked.add(real)
        folders[:] = sorted(name for name in folders if name not in CLUTTER)
        for name in files:
            if name not in CLUTTER and not name.endswith(CLUTTER_ENDINGS) and (Path(root) / name).is_file():
                yield f"{inside}/{name}"


def _settings(content: bytes) -> bytes:
    """The options of a platformio.ini that decide what is built; all of it when it cannot be read."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=("#", ";"))
    try:
        parser.read_string(content.decode())
    except (configparser.Error, UnicodeDecodeError):
        return content
    options = {
        section: {
            key: [line.strip() for line in (value or "").splitlines() if line.strip()]
            for key, value in sorted(parser.items(section))
            if not key.startswith(HARMLESS)
        }
        for section in sorted(parser.sections())
    }
    return json.dumps(options).encode()
