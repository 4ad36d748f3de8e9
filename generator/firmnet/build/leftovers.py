"""Is what an earlier build left in a project still what it left? PlatformIO looks at the sources alone."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..arrays import read_file
from ..limits import MAX_JSON_BYTES
from ..provenance import file_digest

OBJECT_FOLDERS = ("build", "micropython")
"""Folders of .pio with a folder for each environment: objects, and what MicroPython's tools made."""


@contextmanager
def trusted(pio: Path, env: str) -> Iterator[int]:
    """Remove of `pio`, a project's .pio, what is not as the last build of `env` left it: how many files.

    Afterwards, however the build ends, what it left is recorded. A build that was killed leaves no record;
    then nothing is kept.
    """
    record = pio / f"{env}.json"
    known = _read(record)
    record.unlink(missing_ok=True)
    changed = _forget_all(pio, env) if known is None else _forget_changed(pio, env, known)
    try:
        yield changed
    finally:
        with suppress(OSError):  # a full disk, or nothing was made: without a record nothing is believed
            record.write_text(json.dumps({name: file_digest(pio / name) for name in _names(pio, env)}))


def _read(record: Path) -> dict[str, str] | None:
    try:
        known = json.loads(read_file(record, MAX_JSON_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return known if isinstance(known, dict) else None


def _names(pio: Path, env: str) -> list[str]:
    files = (path for part in OBJECT_FOLDERS for path in (pio / part / env).rglob("*") if not path.is_dir())
    return sorted(path.relative_to(pio).as_posix() for path in files)


def _forget_all(pio: Path, env: str) -> int:
    for part in OBJECT_FOLDERS:
        shutil.rmtree(pio / part / env, ignore_errors=True)
    return 0


def _forget_changed(pio: Path, env: str, known: dict[str, str]) -> int:
    changed = [name for name in _names(pio, env) if file_digest(pio / name) != known.get(name)]
    for name in changed:
        (pio / name).unlink()
    return len(changed)
