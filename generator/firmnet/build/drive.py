"""How is a firmware copied onto a board's drive, and did the board take it? The drive's behaviour says so.

A bootloader or probe that has taken a file restarts: its drive goes away, and a probe's comes back. One that
has not says why in FAIL.TXT, or stays.
"""

import errno
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, VerificationError, escaped, first_line
from ..targets import Board, Computer, Drive

TAKES_S = 30.0
"""How long a drive may show that it has the file and do nothing: a probe writes about 20 KB in a second."""
RETURNS_S = 15.0
"""How long a probe's drive may be away."""
LOOKS_S = 0.1
"""Between two looks at what is plugged in."""
FAILURE = "FAIL.TXT"


@dataclass(frozen=True)
class Copy:
    """A file that is to be taken by the board behind a drive. `returns`: as a probe's drive does."""

    board: Board
    drive: Drive
    name: str
    data: bytes
    returns: bool
    computer: Computer

    def make(self) -> str:
        """Write it and wait for what the drive does; how it was not surely taken, "" where it was.

        UserError when it cannot be written, VerificationError when the board did not take it.
        """
        check_mounted(self.board, self.drive)
        folder = self.drive.folder
        assert folder
        older = _failure(folder)  # of another copy
        broken = self._write(folder)
        if not self._has_gone(folder, older):
            if self.returns and not broken:  # the system may not tell of a drive that changes
                return f"its drive gave no sign within {TAKES_S:g} s that {self.name} was taken"
            raise self._not_taken(folder, broken)
        doubt = f"the copy ended with {first_line(broken)!r}" if broken else ""
        if not self.returns:
            return doubt
        after = self._come_back()
        if after is None:
            raise VerificationError(
                f"{self.board.name} was being written and its drive {self.drive.name} has not come back "
                f"within {RETURNS_S:g} s: unplug it, plug it in again and flash it once more"
            )
        if said := after.folder and _failure(after.folder):
            raise VerificationError(
                f"{self.board.name} did not take {self.name}, its drive says: {said}; check the board's "
                "power and that the firmware is for this board, and flash it again"
            )
        return doubt if after.folder else f"its drive came back as {after.device}, which is not mounted"

    def _write(self, folder: Path) -> OSError | None:
        """Write and flush; the error in which that ended, where the drive itself may have gone meanwhile."""
        target = folder / self.name
        try:
            with target.open("wb") as file:
                file.write(self.data)
                file.flush()
                os.fsync(file.fileno())
            _flush_folder(folder)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise UserError(
                    f"cannot write to the drive {folder} of {self.board.name} ({error.strerror}): it is "
                    "mounted for somebody else or for reading only: as yourself `udisksctl unmount -b "
                    f"{self.drive.device}` and `udisksctl mount -b {self.drive.device}`"
                ) from None
            if error.errno == errno.ENOSPC:
                with suppress(OSError):
                    target.unlink()
                raise VerificationError(
                    f"the drive {folder} has no room for the {len(self.data):,} bytes of {self.name}: it "
                    f"is not that of {self.board.name}, or holds other files: take them away"
                ) from None
            return error
        return None

    def _has_gone(self, folder: Path, older: str) -> bool:
        """Whether the drive goes away, or shows another list of files than was written, in time."""
        deadline = time.monotonic() + TAKES_S
        while time.monotonic() < deadline:
            now = self._seen()
            if now is None or now.folder != folder:
                return True
            if _failure(folder) not in ("", older) or not (folder / self.name).exists():
                return True
            time.sleep(LOOKS_S)
        return False

    def _come_back(self) -> Drive | None:
        """The drive as it is afterwards."""
        deadline, found = time.monotonic() + RETURNS_S, None
        while time.monotonic() < deadline:
            found = self._seen()
            if found and found.folder:  # whoever mounts drives by itself needs a moment
                return found
            time.sleep(LOOKS_S)
        return found

    def _seen(self) -> Drive | None:
        """The same drive now, whatever it is called."""
        own = self.drive
        for drive in self.computer.plugged().drives:
            same_place = drive.place == own.place if own.place else drive.device == own.device
            if same_place and (drive.label, drive.board_id) == (own.label, own.board_id):
                return drive
        return None

    def _not_taken(self, folder: Path, broken: OSError | None) -> VerificationError:
        if broken:
            return VerificationError(
                f"writing {self.name} to {folder} broke off ({first_line(broken)}): unplug "
                f"{self.board.name}, plug it in again and flash it once more; its old firmware may be gone"
            )
        return VerificationError(
            f"{self.name} lies on {folder}, but {self.board.name} did not take it within {TAKES_S:g} "
            "s: it is no firmware for its bootloader, or that hangs: plug it in anew and try once more"
        )


def check_mounted(board: Board, drive: Drive) -> None:
    """UserError for a drive that no file can be written to yet."""
    if drive.folder is None:
        raise UserError(
            f"the drive {drive.device} ({drive.label}) of {board.name} is not mounted: "
            f"`udisksctl mount -b {drive.device}`, then run this again"
        )


def _failure(folder: Path) -> str:
    """What a probe says of the last copy; "" where it says nothing."""
    try:
        return escaped(" ".join((folder / FAILURE).read_bytes()[:500].decode(errors="replace").split()))
    except OSError:
        return ""


def _flush_folder(folder: Path) -> None:
    """Some systems write a folder's list of files on their own time."""
    with suppress(OSError, AttributeError):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
