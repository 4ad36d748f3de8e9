"""Where does MicroPython come from? Release 1.25.0 is fetched once, checked, and kept in the cache."""

import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..cache import cache_dir, discard, place, refused, staging_dir
from ..debian import FETCH_S, apt
from ..errors import UserError
from ..toolchain import run

RELEASE = "1.25.0"
REPOSITORY = "https://github.com/micropython/micropython"
CHECKSUM = "415387e39119e1434011a843d9d69f6028a39e340a7b70a53b01001c98489dcd"
"""SHA-256 over the files below, paths and contents: the same for every way the source can come."""

PATTERNS = (
    "LICENSE",
    "py/*.[ch]",
    "py/make*.py",
    "drivers/bus/{softspi.c,spi.h}",
    "extmod/machine_{adc,i2c,mem,pinbase,pulse,pwm,signal,spi,timer,uart,wdt}.c",
    "extmod/mod{binascii,hashlib,json,machine,os,platform,random,select,time,vfs}.c",
    "extmod/{vfs,vfs_blockdev,vfs_reader,virtpin}.c",
    "extmod/vfs_{fat,fat_diskio,fat_file,lfs,lfsx,lfsx_file,rom,rom_file}.c",
    "extmod/*.h",
    "lib/crypto-algorithms/sha256.[ch]",
    "lib/littlefs/lfs2*.[ch]",
    "lib/oofatfs/*.[ch]",
    "shared/readline/*.[ch]",
    "shared/runtime/{gchelper_generic,interrupt_char,mpirq,pyexec}.c",
    "shared/runtime/{softtimer,stdout_helpers,sys_stdio_mphal}.c",
    "shared/runtime/*.h",
    "shared/timeutils/*.[ch]",
    "tools/mpy-tool.py",
)
"""The part of MicroPython's source that a firmware is made of, and its own generators."""

Report = Callable[[str], None]


def micropython_source(report: Report = lambda message: None, say: Report = lambda sentence: None) -> Path:
    """A directory with exactly the files of PATTERNS, of release 1.25.0, checked.

    Taken from MICROPYTHON_TOP, else the cache, else fetched: Debian's source package, then git. UserError
    when MICROPYTHON_TOP is something else or when no way leads there. A damaged copy in the cache is fetched
    again, and `say` is told.
    """
    cached = cached_source()
    top = os.environ.get("MICROPYTHON_TOP")
    files = _checked(Path(top)) if top else None
    if not is_whole(cached):
        if cached.exists():
            say(f"MicroPython in {cached} is damaged: getting it again")
            discard(cached)
        if files is None:
            _fetch(cached, report)
        else:
            _keep(files, cached)
    return cached


def cached_source() -> Path:
    """Where the cache keeps the source, if it does."""
    return cache_dir() / f"micropython-{RELEASE}-{CHECKSUM[:12]}"


def is_whole(cached: Path) -> bool:
    """Whether a copy has exactly the files of PATTERNS, unchanged."""
    try:
        files = {path.relative_to(cached).as_posix(): path for path in cached.rglob("*") if path.is_file()}
        return checksum(files) == CHECKSUM
    except OSError:
        return False


def assemble(source: Path, target: Path) -> None:
    """Make `target` (a project's lib/micropython) a copy of the source; unchanged files stay untouched."""
    wanted = {path.relative_to(source): path for path in sorted(source.rglob("*")) if path.is_file()}
    for old in [path for path in target.rglob("*") if path.is_file()]:
        if old.relative_to(target) not in wanted:
            old.unlink()
    for name, path in wanted.items():
        _copy_if_changed(path.read_bytes(), target / name)


def _copy_if_changed(content: bytes, target: Path) -> None:
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def checksum(files: dict[str, Path]) -> str:
    """SHA-256 over names and contents of a source's files."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def needed_files(top: Path) -> dict[str, Path]:
    """The files of PATTERNS below `top`, by their path there."""
    found = (path for pattern in PATTERNS for one in _alternatives(pattern) for path in top.glob(one))
    return {path.relative_to(top).as_posix(): path for path in found}


def _alternatives(pattern: str) -> Iterator[str]:
    """ "a/{b,c}.c" → "a/b.c", "a/c.c"."""
    choice = re.search(r"\{(.*?)\}", pattern)
    if choice is None:
        yield pattern
        return
    for word in choice[1].split(","):
        yield pattern[: choice.start()] + word + pattern[choice.end() :]


def _checked(top: Path) -> dict[str, Path]:
    """The user's own source, if it is the release."""
    files = needed_files(top)
    if checksum(files) != CHECKSUM:
        raise UserError(
            f"MICROPYTHON_TOP={top} is not an unchanged source of MicroPython {RELEASE} "
            f"({len(files)} of its files found): check out tag v{RELEASE}, or unset MICROPYTHON_TOP"
        )
    return files


def _fetch(cached: Path, report: Report) -> None:
    """Try each way in turn; what arrives is checked before it enters the cache."""
    failures = []
    for name, fetch in (("Debian's source package", _from_apt), ("git", _from_git)):
        report(f"fetching MicroPython {RELEASE} ({name})")
        with staging_dir(cached.parent) as scratch:
            try:
                files = needed_files(fetch(scratch))
                if checksum(files) == CHECKSUM:
                    return _keep(files, cached)
                failures.append(f"{name}: what arrived is not MicroPython {RELEASE} (its checksum differs)")
            except UserError as error:
                failures.append(f"{name}: {error}")
    reasons = "\n".join(f"- {failure}" for failure in failures)
    raise UserError(
        f"MicroPython {RELEASE} could not be fetched: get its source (tag v{RELEASE} of {REPOSITORY}) "
        f"and set MICROPYTHON_TOP to it\n{reasons}"
    )


def _keep(files: dict[str, Path], cached: Path) -> None:
    """Copy into the cache, at once."""
    with staging_dir(cached.parent) as staging:
        try:
            for name, path in files.items():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, staging / name)
            place(staging, cached)
        except OSError as error:
            raise refused(error, cached.parent) from None


# ---- the two ways ----


def _from_git(scratch: Path) -> Path:
    top = scratch / "git"
    command: list[str | Path] = [
        "git",
        "clone",
        "--quiet",
        "--depth",
        "1",
        "--branch",
        f"v{RELEASE}",
        REPOSITORY,
        top,
    ]
    run(command, what="git clone", timeout_s=FETCH_S, env={"GIT_TERMINAL_PROMPT": "0"})
    return top


def _from_apt(scratch: Path) -> Path:
    """Debian's source package of the release; apt has checked its signature."""
    apt_get = apt(scratch, "deb-src", "trixie")
    (scratch / "out").mkdir()
    run(
        [*apt_get, "source", "--download-only", f"micropython={RELEASE}+ds-1"],
        what="apt-get source",
        timeout_s=FETCH_S,
        cwd=scratch / "out",
    )
    (archive,) = (scratch / "out").glob("*.orig.tar.xz")
    with tarfile.open(archive) as tar:
        # The Python of Debian 12 (3.11.2) has no filters yet.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(scratch / "out")
    return scratch / "out" / f"micropython-{RELEASE}"
