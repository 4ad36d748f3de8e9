"""How is a folder written by one process at a time, whole or not at all, and nothing lost that was in it?"""

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .errors import UserError

OURS = ".firmnet-"
"""How the folders begin that stand beside an artifact while it is written."""
_NO_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM}
_RENAME_EXCHANGE, _AT_FDCWD = 2, -100
_held = threading.local()


@dataclass(frozen=True)
class Claim:
    """Which files in a folder (path inside) are firmnet's: those it may write over, those it may remove."""

    may_write: Callable[[str], bool]
    may_remove: Callable[[str], bool]


Owner = Callable[[Path], Claim]
"""What firmnet may claim in a folder."""


def say(sentence: str) -> None:
    """Tell the person at the terminal, where nobody said how."""
    print(sentence, file=sys.stderr, flush=True)


@contextmanager
def lock(path: Path, on_wait: Callable[[str], None] = say) -> Iterator[None]:
    """Be the only process (and thread) that writes the folder `path`, which need not exist yet.

    Waits for another one to finish, and says so first. The lock is the system's, on the folder itself (or on
    its parent, before there is one): it leaves no file, and a process that was killed holds none. A thread
    that holds it may take it again.
    """
    place = str(path.resolve())
    held: dict[str, ExitStack] = _held.__dict__.setdefault("folders", {})
    if place in held:
        yield
        return
    with ExitStack() as fds:
        _lock_place(Path(place), fds, on_wait)
        held[place] = fds
        try:
            yield
        finally:
            del held[place]


def _lock_place(place: Path, fds: ExitStack, on_wait: Callable[[str], None]) -> None:
    """Lock what is at `place` now: whoever was waited for may have put another folder there."""
    while True:
        subject = place if place.exists() else place.parent
        with ExitStack() as attempt:
            inode = _lock_inode(
                subject, attempt, lambda: on_wait(f"another firmnet works on {place}: waiting for it")
            )
            if _inode(place if place.exists() else place.parent) == inode:
                fds.push(attempt.pop_all())
                return


def _lock_inode(subject: Path, fds: ExitStack, waiting: Callable[[], None]) -> tuple[int, int]:
    """Lock one existing file or folder until `fds` is closed; its identity."""
    fd = os.open(subject, os.O_RDONLY | os.O_CLOEXEC)
    fds.callback(os.close, fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError as error:  # a file system without locks
        if error.errno not in (errno.ENOLCK, errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
    made = os.fstat(fd)
    return made.st_dev, made.st_ino


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def replace(path: Path, files: Mapping[str, bytes], owner: Owner, kept: tuple[str, ...]) -> None:
    """Put a folder with these files (path inside → content) at `path`, in one step: old or new, never half.

    The caller holds `lock(path)`. Unchanged files keep their modification times. From the folder that was
    there come along the subfolders `kept` and every file that firmnet did not write. UserError, and nothing
    is changed, when such a file is in the way of a new one.
    """
    recover(path, owner)
    new, swap = _beside(path, "new"), _beside(path, "swap")
    try:
        new.mkdir()
        if path.exists():
            claim = owner(path)
            _check_ways(path, files, claim)
            _write(new, path, files)
            _carry_over(path, new, claim, kept)
            shutil.copymode(path, new)
        else:
            _write(new, path, files)
        new.rename(swap)
        _exchange(swap, path)
    finally:
        recover(path, owner)


def recover(path: Path, owner: Owner) -> None:
    """Clear what stands beside `path` from writing it, now or by a process that was killed.

    What is at `path`, the old folder or the new one, stays; a file of the user's that only a leftover has
    goes there. The caller holds `lock(path)`.
    """
    new, swap, old = (_beside(path, what) for what in ("new", "swap", "old"))
    if old.is_dir() and not path.exists():
        old.rename(path)
    for leftover in (swap, old):
        if leftover.is_dir() and path.is_dir():
            _carry_over(leftover, path, owner(leftover), ())
        _remove(leftover)
    _remove(new)


def left_over(path: Path) -> bool:
    """Whether a process was killed while it wrote `path`."""
    return any(_beside(path, what).exists() for what in ("new", "swap", "old"))


def sha256(content: bytes) -> str:
    """What the list of an artifact's files keeps of each."""
    return hashlib.sha256(content).hexdigest()


def _beside(path: Path, what: str) -> Path:
    """A folder beside `path`, always the same one, of a name that is never too long."""
    return path.parent / f"{OURS}{sha256(path.name.encode(errors='surrogateescape'))[:12]}-{what}"


def _check_ways(path: Path, files: Mapping[str, bytes], claim: Claim) -> None:
    """UserError when something that firmnet did not write stands where a file or folder has to be."""
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
    for name in sorted(folders):
        there = path / name
        if os.path.lexists(there) and (there.is_symlink() or not there.is_dir()):
            raise _in_the_way(there, "is no folder, and firmnet needs one there")
    for name in sorted(files):
        there = path / name
        if not os.path.lexists(there):
            continue
        if there.is_symlink() or not there.is_file():
            raise _in_the_way(there, "is no plain file, and firmnet would write one there")
        if not claim.may_write(name):
            raise _in_the_way(there, "was not written by firmnet, and it would be overwritten")


def _in_the_way(there: Path, why: str) -> UserError:
    return UserError(f"{there} {why}: move it away, or choose another directory with -o")


def _write(new: Path, old: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        target, before = new / name, old / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if before.is_file() and before.stat().st_size == len(content) and before.read_bytes() == content:
            shutil.copy2(before, target)
        else:
            target.write_bytes(content)


def _carry_over(old: Path, new: Path, claim: Claim, kept: tuple[str, ...]) -> None:
    """Give `new` all that `old` holds and firmnet may not remove, and the folders `kept`: as second names."""
    for folder, folders, names in os.walk(old, onerror=_raise):
        inside = Path(folder).relative_to(old)
        for name in [*names, *(f for f in folders if (Path(folder) / f).is_symlink())]:
            where = str(inside / name)
            stays = not claim.may_remove(where) or any(where.startswith(f"{place}/") for place in kept)
            if stays and not os.path.lexists(new / where):
                (new / where).parent.mkdir(parents=True, exist_ok=True)
                _second_name(old / where, new / where)
        if not names and not folders:
            (new / inside).mkdir(parents=True, exist_ok=True)


def _raise(error: OSError) -> None:
    raise error


def _second_name(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without hard links, or a file of somebody else's
        shutil.copy2(source, target, follow_symlinks=False)


def _exchange(swap: Path, path: Path) -> None:
    """Put `swap` at `path` and what was there at `swap`; the lock goes along with the new one."""
    held: dict[str, ExitStack] = getattr(_held, "folders", {})
    if (fds := held.get(str(path))) is not None:
        _lock_inode(swap, fds, lambda: None)
    if not path.exists():
        swap.rename(path)
    elif not _renameat2(swap, path):
        # Here a kill can leave nothing at `path`; the next one to open or write it brings the old one back.
        old = _beside(path, "old")
        path.rename(old)
        try:
            swap.rename(path)
        except BaseException:
            old.rename(path)
            raise
        old.rename(swap)


def _renameat2(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system or the file system cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _remove(folder: Path) -> None:
    """Remove a folder with all in it, read-only folders too."""

    def again(function: Callable[[str], object], name: str, _: object) -> None:
        with suppress(OSError):  # then it stays beside; the next one to write the folder tries again
            for place in (Path(name).parent, Path(name)):
                if place.is_dir() and not place.is_symlink():
                    place.chmod(stat.S_IRWXU)
            function(name)

    if os.path.lexists(folder):
        shutil.rmtree(folder, onerror=again)
