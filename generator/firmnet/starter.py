"""How does a project begin? With the files of examples/starter/, which pass their own tests."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .assets import assets
from .errors import UserError

FILES = {
    "model.py": "model.py",
    "test_board.py": "test_board.py",
    "pytest.ini": "pytest.ini",
    "requirements.txt": "requirements.txt",
    "workflow.yml": ".github/workflows/test.yml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
}
"""Those of examples/starter/, and where they go."""
SPARED = ("README.md", ".gitignore")
"""Whoever has these already goes on without ours."""


@dataclass(frozen=True)
class Started:
    """A new project: the files that were written, and those that were there and stay, relative to it."""

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]


def start_project(folder: Path) -> Started:
    """Write a small project into `folder`, all of it or nothing.

    UserError when a file that it needs is there already, or the folder cannot be written.
    """
    there = [name for name in FILES.values() if os.path.lexists(folder / name)]
    in_the_way = [name for name in there if name not in SPARED]
    if in_the_way:
        raise UserError(
            f"{folder} has {', '.join(in_the_way)} already, and nothing is overwritten: choose another "
            "directory"
        )
    new = {name: source for source, name in FILES.items() if name not in there}
    made: list[Path] = []
    try:
        for name, source in new.items():
            _write(folder / name, (assets("examples") / "starter" / source).read_bytes(), made)
    except OSError as error:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        why = error.strerror or type(error).__name__
        raise UserError(
            f"cannot write {error.filename or folder} ({why}): choose another directory"
        ) from None
    return Started(folder, tuple(new), tuple(there))


def _write(path: Path, content: bytes, made: list[Path]) -> None:
    """A new file, never over one that has appeared meanwhile; `made` gets all that is new."""
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir()
            made.append(parent)
    with path.open("xb") as file:
        made.append(path)
        file.write(content)
