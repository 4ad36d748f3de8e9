"""What in the caches can go, and when? Only what is recognised as firmnet's own, by its name and its shape.

FIRMNET_CACHE may name a folder that holds other things too: a file that looks unlike ours is never touched.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .cache import STAGING, alone, cache_dir, has_checksum

Sort = Literal["objects", "programs", "emulators", "MicroPython", "PlatformIO", "leftovers"]

KEEP_DAYS = 30.0
"""Objects and programs that nobody used for so long go, unless told otherwise."""
KEEP_BYTES = 1 << 30
"""Above this the objects and programs used longest ago go, unless told otherwise."""
BY_ITSELF_S = 24 * 3600
"""How often a build cleans up after itself."""
DAY_S = 24 * 3600

_OBJECT = re.compile(r"[0-9a-f]{32,64}")
_PROGRAM = re.compile(r"[0-9a-f]{64}")
_SOURCE = re.compile(r"micropython-[\d.]+-[0-9a-f]{12}")
_EMULATOR = re.compile(r"qemu-system-\w+|rp2040js-[\d.]+")
_COPY = re.compile(r"firmnet-build-\w+")


@dataclass(frozen=True)
class Kept:
    """One thing that can go as a whole: its files, their bytes, and when it was last used (s since 1970)."""

    kind: Sort
    paths: tuple[Path, ...]
    size_bytes: int
    used: float

    def remove(self) -> int:
        """Take it away; the bytes that became free. What cannot be removed stays."""
        for path in self.paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
        return 0 if any(map(os.path.lexists, self.paths)) else self.size_bytes


@dataclass(frozen=True)
class Freed:
    """What went, and what is left: bytes by kind."""

    removed: dict[str, int]
    kept: dict[str, int]

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"freed     {listed(self.removed) or 'nothing'}",
            f"kept      {listed(self.kept) or 'nothing'} in {cache_dir()}",
        ]


def entries() -> Iterator[Kept]:
    """Everything of firmnet's in the cache, and the copies of projects that a killed build left in /tmp."""
    top = cache_dir()
    yield from _objects(top / "objects")
    for folder in (top / "programs", top / "compiled"):  # `compiled`: where releases before kept them
        yield from (_entry("programs", path) for path in _inside(folder) if _PROGRAM.fullmatch(path.name))
    yield from (
        _entry("emulators", path) for path in _inside(top / "emulators") if _EMULATOR.fullmatch(path.name)
    )
    yield from (_entry("MicroPython", path) for path in _inside(top) if _SOURCE.fullmatch(path.name))
    for folder in (top / "platformio" / "packages", top / "platformio" / "platforms"):
        yield from (_entry("PlatformIO", path) for path in _inside(folder) if (path / ".piopm").is_file())
    if (top / "platformio" / "appstate.json").is_file():
        for name in (".cache", "appstate.json", "homestate.json"):
            yield from (_entry("PlatformIO", path) for path in [top / "platformio" / name] if path.exists())
    places = (
        top,
        top / "programs",
        top / "emulators",
        top / "platformio" / "packages",
        top / "platformio" / "platforms",
    )
    for path in (path for folder in places for path in _inside(folder)):
        if path.name.startswith(STAGING) and path.is_dir():
            yield _entry("leftovers", path)
    for path in _inside(Path(tempfile.gettempdir())):
        if _COPY.fullmatch(path.name) and path.is_dir() and path.stat().st_uid == os.getuid():
            entry = _entry("leftovers", path)
            if time.time() - entry.used > DAY_S:  # a younger one may be another cache's, and in use
                yield entry


def clean(
    *,
    older_than_days: float = KEEP_DAYS,
    max_bytes: int = KEEP_BYTES,
    everything: bool = False,
    on_wait: Callable[[], None] = lambda: None,
) -> Freed:
    """Remove leftovers, and objects and programs by age and size; with `everything` all of firmnet's.

    Waits for builds that are going on; `on_wait` is called first.
    """
    if not cache_dir().is_dir():
        return Freed({}, {})
    with alone(on_wait):
        found = list(entries())
        going = found if everything else list(_dispensable(found, older_than_days, max_bytes))
        removed: dict[str, int] = {}
        for entry in going:
            removed[entry.kind] = removed.get(entry.kind, 0) + entry.remove()
        (cache_dir() / ".cleaned").touch()
        return Freed(removed, sizes(entries()))


def clean_by_itself() -> None:
    """After a build: what `clean` does when nobody says otherwise, once a day and only when nobody builds."""

    class Busy(Exception):
        pass

    def busy() -> None:
        raise Busy

    with suppress(OSError, Busy):
        stamp = cache_dir() / ".cleaned"
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > BY_ITSELF_S:
            clean(on_wait=busy)


def sizes(found: Iterable[Kept]) -> dict[str, int]:
    """Bytes by kind."""
    total: dict[str, int] = {}
    for entry in found:
        total[entry.kind] = total.get(entry.kind, 0) + entry.size_bytes
    return total


def damaged() -> dict[str, int]:
    """How many objects, programs and emulators are not what they were when they were kept.

    One without a checksum is not counted: an older firmnet kept it, and no build believes it.
    """
    count = {"objects": 0, "programs": 0, "emulators": 0}
    for entry in entries():
        if entry.kind in count:
            target = entry.paths[0]
            file, beside = target, target.with_name(f"{target.name}.sha256")
            if entry.kind != "objects":
                file, beside = target / "program", target / "sha256"
            count[entry.kind] += beside.exists() and not has_checksum(file, beside)
    return count


def _dispensable(found: Iterable[Kept], older_than_days: float, max_bytes: int) -> Iterator[Kept]:
    """What goes by age and size: the longest unused first."""
    now, kept_bytes = time.time(), 0
    for entry in sorted(found, key=lambda entry: -entry.used):
        if entry.kind == "leftovers":
            yield entry
        elif entry.kind in ("objects", "programs"):
            kept_bytes += entry.size_bytes
            if now - entry.used >= older_than_days * DAY_S or kept_bytes > max_bytes:
                kept_bytes -= entry.size_bytes
                yield entry


def _objects(folder: Path) -> Iterator[Kept]:
    """Compiled objects with their checksums; checksums that were left alone; what SCons was writing."""
    for prefix in (path for path in _inside(folder) if re.fullmatch("[0-9A-F]{2}", path.name)):
        for path in _inside(prefix):
            if _OBJECT.fullmatch(path.name) and path.is_file():
                yield _entry("objects", path, path.with_name(f"{path.name}.sha256"))
            elif path.suffix == ".sha256" and _OBJECT.fullmatch(path.stem):
                if not path.with_suffix("").exists():
                    yield _entry("leftovers", path)
            elif path.is_dir() and re.fullmatch(r"tmp\w{8}", path.name):
                yield _entry("leftovers", path)


def _entry(kind: Sort, *paths: Path) -> Kept:
    there = tuple(path for path in paths if os.path.lexists(path))
    used = max((path.lstat().st_mtime for path in there), default=0.0)
    return Kept(kind, there, sum(map(_bytes, there)), used)


def _bytes(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(inside.lstat().st_size for inside in path.rglob("*") if not inside.is_dir())


def _inside(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.iterdir())
    return []


def listed(by_kind: dict[str, int]) -> str:
    """Bytes by kind, for people."""
    return ", ".join(f"{kind} {_megabytes(size)}" for kind, size in by_kind.items())


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
