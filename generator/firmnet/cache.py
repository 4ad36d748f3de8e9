"""What is kept between runs, and how does it stay whole? Checked when it is used, put in its place at once.

The folder holds `micropython-…` (its source), `platformio` (a core directory of PlatformIO's), `objects`
(compiled objects, shared by all projects), `programs` (what devices run on this machine, and templates as
Python code), `emulators` (a QEMU that is newer than the system's) and fault.log.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from .errors import UserError

NO_SPACE = "No space left on device"
"""How every tool says that the disk is full."""
SHELVES = ("platformio", "objects", "programs", "emulators")
STAGING = "_tmp_installing"
"""How the names begin of what is not yet in its place; PlatformIO takes no such folder for a package."""


def cache_dir() -> Path:
    """Where downloads and compiled objects stay between runs; FIRMNET_CACHE overrides it."""
    chosen = os.environ.get("FIRMNET_CACHE")
    return Path(chosen).absolute() if chosen else platformdirs.user_cache_path("firmnet")


def refused(error: OSError, place: Path) -> UserError:
    """What to tell the user when `place`, in the cache, cannot be written."""
    if is_full(error):
        return disk_full(place)
    why = error.strerror or type(error).__name__
    return UserError(
        f"cannot write {place} ({why}): set FIRMNET_CACHE to a directory of yours, or make that one yours"
    )


def is_full(error: OSError) -> bool:
    """Whether the disk had no room; shutil tells so in words only."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or NO_SPACE in str(error)


def disk_full(place: Path) -> UserError:
    """The sentence for a disk on which there is no room: that of `place`, the cache, or temporary files."""
    places = [path for path in (place, cache_dir(), Path(tempfile.gettempdir())) if path.exists()]
    fullest = min(places, key=lambda path: shutil.disk_usage(path).free, default=place)
    return UserError(
        f"the disk of {fullest} is full: make room and run the same command again (`firmnet clean` empties "
        "firmnet's own caches)"
    )


def check_writable() -> None:
    """Make the cache where it is missing; UserError when a part of it belongs to somebody else."""
    top = cache_dir()
    try:
        top.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(error, top) from None
    for folder in (top, *(top / part for part in SHELVES), top / "platformio" / "packages"):
        if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            denied = errno.EACCES if folder.is_dir() else errno.ENOTDIR
            raise refused(OSError(denied, os.strerror(denied)), folder)


@contextmanager
def staging_dir(parent: Path) -> Iterator[Path]:
    """A new directory in `parent`, which is made where missing, for as long as this lasts; nobody empties the
    cache meanwhile. UserError when `parent` cannot be written.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(error, parent) from None
    with in_use():
        try:
            folder = Path(tempfile.mkdtemp(prefix=STAGING, dir=parent))
        except OSError as error:
            raise refused(error, parent) from None
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def place(staging: Path, target: Path) -> None:
    """Make a complete `staging` the `target`, at once; where another process was faster, its result stays."""
    staging.chmod(0o755)
    try:
        staging.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def discard(folder: Path) -> None:
    """Take a damaged folder away at once: nobody sees half of it."""
    if folder.exists():
        with staging_dir(folder.parent) as staging, suppress(FileNotFoundError):  # another was faster
            folder.rename(staging / "damaged")


def kept_program(key: str, make: Callable[[Path], Path], shelf: str = "programs") -> Path:
    """The file that `make` made in a scratch folder, of this `key`; made again where missing or damaged."""
    if found := found_program(key, shelf):
        return found
    target = cache_dir() / shelf / key
    discard(target)
    with staging_dir(target.parent) as staging:
        try:
            made = make(staging / "made")
            (staging / "kept").mkdir()
            made.replace(staging / "kept" / "program")
            digest = hashlib.sha256((staging / "kept" / "program").read_bytes()).hexdigest()
            (staging / "kept" / "sha256").write_text(digest)
            place(staging / "kept", target)
        except OSError as error:
            raise refused(error, target.parent) from None
    return target / "program"


def found_program(key: str, shelf: str = "programs") -> Path | None:
    """The file that is kept under this key; None where it is missing or damaged."""
    target = cache_dir() / shelf / key
    if not has_checksum(target / "program", target / "sha256"):
        return None
    with suppress(OSError):  # a cache that can only be read
        os.utime(target)  # its last use
    return target / "program"


def has_checksum(file: Path, beside: Path) -> bool:
    """Whether a kept file's SHA-256 is the one that was written beside it."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() == beside.read_text()
    except (OSError, ValueError):
        return False


@contextmanager
def in_use() -> Iterator[None]:
    """While this lasts nobody empties the cache; any number of builds may go on at once."""
    with _locked(fcntl.LOCK_SH, lambda: None):
        yield


@contextmanager
def alone(on_wait: Callable[[], None]) -> Iterator[None]:
    """While this lasts nobody builds from the cache; calls `on_wait` when a build must be waited for."""
    with _locked(fcntl.LOCK_EX, on_wait):
        yield


@contextmanager
def _locked(kind: int, on_wait: Callable[[], None]) -> Iterator[None]:
    path = cache_dir() / ".lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise refused(error, path) from None
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(fd, kind)
        yield
    finally:
        os.close(fd)
