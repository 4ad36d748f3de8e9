"""Which boards are there, and where does each come from? The user's own folder first, then firmnet's."""

import difflib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import platformdirs

from ..assets import assets
from ..errors import BoardWarning, UserError, first_line
from .board import Board
from .board_file import read_board


@dataclass(frozen=True)
class Known:
    """A board, its file, and whether firmnet brings it; a user's may take the place of one that it brings."""

    board: Board
    path: Path
    ours: bool
    replaces_ours: bool = False


@dataclass(frozen=True)
class Boards:
    """The boards that can be had, by id, and what keeps others from being had.

    `broken`: of a file of the user's that is no board, by its id, the sentence that says why. `folder_fault`:
    why the user's folder cannot be looked into; "" where it can, or where there is none.
    """

    known: Mapping[str, Known]
    broken: Mapping[str, str]
    folder: Path
    folder_fault: str = ""

    def named(self, id: str) -> Board:
        """The board; UserError for a broken file of that name, and with close matches for a misspelt one."""
        if id in self.broken:
            raise UserError(self.broken[id])
        if id not in self.known:
            close = difflib.get_close_matches(id.lower(), self.known, n=2, cutoff=0.4)
            hint = f"did you mean {' or '.join(close)}? " if close else ""
            raise UserError(
                f"there is no board {id!r}: {hint}`firmnet boards` lists them; "
                f"yours are looked for in {self.folder}"
            )
        return self.known[id].board

    def notes(self, id: str | None = None) -> tuple[str, ...]:
        """What whoever wants the board named `id` (None: any of them) should be told, a sentence each."""
        left_out = [f"{why} (this board is left out)" for name, why in self.broken.items() if name != id]
        replaced = [
            f"board {name!r} is yours of {known.path}, not the one of that name that firmnet brings"
            for name, known in self.known.items()
            if known.replaces_ours and id in (name, None)
        ]
        return (*filter(None, [self.folder_fault]), *left_out, *replaced)


def user_folder(chosen: str | Path | None = None) -> Path:
    """Where the user's own boards lie: as chosen, else FIRMNET_BOARDS, else among their settings."""
    where = chosen or os.environ.get("FIRMNET_BOARDS")
    return Path(where).expanduser() if where else platformdirs.user_config_path("firmnet") / "boards"


def known_boards(chosen: str | Path | None = None) -> Boards:
    """All boards; UserError when the folder that was chosen for this once is none."""
    folder = user_folder(chosen)
    files, fault = _files(folder)
    if chosen and fault:
        raise UserError(fault)
    if fault and not os.environ.get("FIRMNET_BOARDS") and not folder.exists():
        fault = ""  # nobody asked for it
    ours = {path.stem: Known(_ours(path.stem), path, ours=True) for path in _files(assets("boards"))[0]}
    yours, broken = {}, {}
    for path in files:
        if path.stem in ours and path.resolve() == ours[path.stem].path.resolve():
            continue
        try:
            yours[path.stem] = Known(read_board(path), path, ours=False, replaces_ours=path.stem in ours)
        except UserError as error:
            broken[path.stem] = str(error)
    known = {id: found for id, found in {**ours, **yours}.items() if id not in broken}
    return Boards(dict(sorted(known.items())), broken, folder, fault)


def load_board(id: str, boards: str | Path | None = None) -> Board:
    """The board named `id`, of the folder `boards` or of `user_folder()` or firmnet's own.

    UserError with close matches for a misspelt name. Warns of boards of the user's that cannot be read, and
    where the user's board takes the place of one of firmnet's.
    """
    found = known_boards(boards)
    board = found.named(id)
    for note in found.notes(id):
        warnings.warn(note, BoardWarning, stacklevel=2)
    return board


def board_ids() -> tuple[str, ...]:
    """Names of all boards, sorted."""
    return tuple(known_boards().known)


def _files(folder: Path) -> tuple[list[Path], str]:
    """The board files in a folder, sorted; and why it cannot be looked into, or "" where it can."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except NotADirectoryError:
        return [], f"{folder} is a file: give the folder that your board files (<id>.toml) are in"
    except FileNotFoundError:
        return [], f"there is no folder {folder} to look for boards in: make it, or name another"
    except (OSError, ValueError) as error:
        return [], f"{folder} cannot be looked into ({first_line(error)}): make it readable, or name another"
    return [folder / name for name in names if name.endswith(".toml") and not name.startswith(".")], ""


@cache
def _ours(id: str) -> Board:
    return read_board(assets("boards") / f"{id}.toml")
