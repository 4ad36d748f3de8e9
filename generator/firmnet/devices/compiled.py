"""How does generated C become a program or a shared library? Compiled once per content, then kept."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..assets import assets
from ..cache import kept_program
from ..toolchain import run

STANDARD = ("-std=c11", "-O3", "-ffp-contract=off")
COMPILERS_AT_ONCE = 2


@dataclass(frozen=True)
class Compiler:
    """A compiler driver with the flags for every unit and for the link."""

    program: str
    cflags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()


def compiled(files: Mapping[str, str], compiler: Compiler) -> Path:
    """The program linked from every .c file among `files` (path → text).

    Raises UserError with the compiler's output when it does not build.
    """
    files = _in_few(files)
    return kept_program(_digest(files, compiler), lambda folder: _build(folder, files, compiler))


def template_files(*names: str) -> dict[str, str]:
    """Verbatim files of templates/core and the C headers of templates/lib, as the runner includes them."""
    folder = assets("templates")
    files = {name: (folder / "core" / name).read_text() for name in names}
    return files | {path.name: path.read_text() for path in sorted((folder / "lib").glob("fn_*.h"))}


def grouped(libraries: Iterable[Mapping[str, str]], names: Iterable[str]) -> dict[str, str]:
    """Files of many model libraries, each in a folder of its name; all their constants are one unit.

    Weights stay apart from the code that reads them, as in the firmware. Headers of templates/lib that all
    have alike, which is the rule, lie beside the folders, where all find them.
    """
    libraries = list(libraries)
    shared = {
        file: texts.pop()
        for file in template_files()
        if len(texts := {library.get(file, "") for library in libraries}) == 1
    }
    files = shared.copy()
    constants: list[str] = []
    for name, library in zip(names, libraries, strict=True):
        apart = {f"{name}_weights.c", f"{name}_fingerprint.c"}
        for file, text in library.items():
            if file not in shared:
                files[f"{name}/{file}.inc" if file in apart else f"{name}/{file}"] = text
        constants += [f'#include "{name}/{file}.inc"\n' for file in sorted(apart)]
    return files | {"constants.c": "".join(constants)}


_DIRECTIVE = re.compile(r'^#(?:include "(?P<included>[^"]+)"|line (?P<line>\d+) "(?P<file>[^"]+)")$', re.M)


def _in_few(files: Mapping[str, str]) -> dict[str, str]:
    """Headers in folders become part of what includes them, as a preprocessor does it.

    A hundred models have five files each, and to create one takes longer than to compile what is in it.
    """
    own = {path: text for path, text in files.items() if "/" in path and not path.endswith(".c")}
    return {path: _with_included(path, text, own) for path, text in files.items() if path not in own}


def _with_included(path: str, text: str, own: Mapping[str, str]) -> str:
    """The text with those of `own` that it includes; a compiler still tells whose a line is."""
    folder = f"{path.rpartition('/')[0]}/"
    parts, end, file, line, counted = [], 0, path, 1, 0
    for found in _DIRECTIVE.finditer(text):
        line += text.count("\n", counted, found.start())
        counted = found.start()
        if found["line"]:
            file, line = found["file"], int(found["line"]) - 1  # the next one has that number
        elif name := next((n for n in (folder + found["included"], found["included"]) if n in own), None):
            parts += [text[end : found.start()], f'#line 1 "{name}"\n', _with_included(name, own[name], own)]
            parts += [f'\n#line {line + 1} "{file}"']
            end = found.end()
    return "".join([*parts, text[end:]])


def _build(folder: Path, files: Mapping[str, str], compiler: Compiler) -> Path:
    for place in {(folder / name).parent for name in files}:
        place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    units = sorted(name for name in files if name.endswith(".c"))

    def compile_unit(unit: str) -> None:
        flags = [*STANDARD, *compiler.cflags, "-I."]
        run([compiler.program, *flags, "-c", unit, "-o", f"{unit}.o"], what=f"compiling {unit}", cwd=folder)

    with ThreadPoolExecutor(COMPILERS_AT_ONCE) as pool:
        list(pool.map(compile_unit, units))
    objects = [f"{unit}.o" for unit in units]
    command = [compiler.program, *compiler.cflags, *objects, *compiler.ldflags, "-o", "program"]
    run(command, what="linking", cwd=folder)
    return folder / "program"


def _digest(files: Mapping[str, str], compiler: Compiler) -> str:
    digest = hashlib.sha256(repr((_version(compiler.program), STANDARD, compiler)).encode())
    for name, text in sorted(files.items()):
        digest.update(f"{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()


@cache
def _version(program: str) -> str:
    return run([program, "--version"], what=f"asking {program} for its version").stdout
