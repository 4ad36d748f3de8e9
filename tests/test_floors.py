"""Does every file keep to the house rules: floors, rooms, a first line that says what it answers?

A file imports only from its own folder or from a lower floor, and files that share a floor never import each
other in a circle. Heavy libraries have rooms. docs/architecture.md shows the house as it is: after a change
FIRMNET_UPDATE_DOCS=1 pytest tests/test_floors.py writes its table anew.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from every import every

REPO = Path(__file__).parents[1]
ARCHITECTURE = REPO / "docs" / "architecture.md"
PACKAGE = REPO / "generator" / "firmnet"

GROUND = (
    *("errors", "limits", "processes", "cache", "folder", "assets", "screen", "image"),
    *("ir", "arrays", "qmath", "targets", "toolchain", "debian", "emulators", "clean", "board_app"),
)
"""Floor 0, where each may also lean on those before it."""
FLOORS = {
    0: GROUND,
    1: ("ops",),
    2: ("kernels",),
    3: ("interpret", "plan", "graph_file", "manifest", "artifact", "provenance", "calls", "coverage"),
    4: ("frontends", "passes", "quantize", "written_out"),
    5: ("codegen", "stream"),
    6: ("build", "devices"),
    7: ("measured", "verdict", "verify", "inputs", "profile"),
    8: ("simulated",),
    9: (
        "api",
        "__init__",
        "options",
        "faults",
        "cli",
        "demo",
        "doctor",
        "under_test",
        "bench",
        "pytest_plugin",
        "starter",
    ),
}
ROOMS = {
    "torch": ("frontends/torch",),
    "serial": ("devices",),
    "jinja2": ("codegen",),
    "platformio": (),
    "sklearn": (),
    "unicorn": ("profile",),
    "capstone": ("profile",),
    "matplotlib": ("profile",),
}
FLOOR_OF = {unit: number for number, units in FLOORS.items() for unit in units}
FILES = sorted(PACKAGE.rglob("*.py"))
OURS = sorted(
    path for folder in ("generator", "tests", "examples", "benchmarks", "runtime_micropython")
    for path in (REPO / folder).rglob("*.py")
)  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name, absolute, and the line that asks for it."""

    module: str
    line: int


def name_of(path: Path) -> str:
    """File path → the file's name in a test id and in the tables above."""
    return str(path.relative_to(PACKAGE).with_suffix(""))


def unit_of(path: Path) -> str:
    """A file directly in firmnet/ is a unit of its own; a folder is one unit."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(source: str, package: str) -> Iterator[Import]:
    """All imports in a file of `package`, those inside functions too; relative ones made absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            # `from . import x` names a module, `from .x import y` a thing inside one.
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "firmnet" else [module]
            yield from (Import(name, node.lineno) for name in names)


def file_imports(path: Path) -> list[Import]:
    package = ".".join(["firmnet", *path.relative_to(PACKAGE).parts[:-1]])
    return list(imports_of(path.read_text(), package))


def complaints(name: str, imports: list[Import]) -> list[str]:
    """What the rules have against a file, "frontends/torch/walk", that has these imports."""
    unit = name.split("/")[0]
    found = []
    for imported in imports:
        top, _, rest = imported.module.partition(".")
        target = rest.split(".")[0]
        if top in ROOMS and not any(f"{name}/".startswith(f"{room}/") for room in ROOMS[top]):
            found.append(
                f"line {imported.line}: {top} is allowed only in {', '.join(ROOMS[top]) or 'no room'}"
            )
        if top != "firmnet" or target == unit:
            continue
        if target not in FLOOR_OF:
            found.append(f"line {imported.line}: imports {imported.module}, which is on no floor")
        elif FLOOR_OF[target] > FLOOR_OF[unit]:
            found.append(f"line {imported.line}: {unit} (floor {FLOOR_OF[unit]}) imports {target} from above")
        elif {target, unit} <= {*GROUND}:
            if GROUND.index(target) > GROUND.index(unit):
                found.append(f"line {imported.line}: {unit} imports {target}, which stands on it")
        elif FLOOR_OF[target] == FLOOR_OF[unit] and is_folder(target, unit):
            found.append(
                f"line {imported.line}: {unit} and {target} are neighbours on floor {FLOOR_OF[unit]}"
            )
    return found


def is_folder(*units: str) -> bool:
    """Whether any unit is a folder: only files directly in firmnet/ share a folder with each other."""
    return any((PACKAGE / unit).is_dir() for unit in units)


@every("path", FILES, kind=unit_of, said=name_of)
def test_imports_only_from_its_folder_or_a_lower_floor(path: Path) -> None:
    assert unit_of(path) in FLOOR_OF, f"{name_of(path)}.py is on no floor: add it to FLOORS"
    assert complaints(name_of(path), file_imports(path)) == []


def test_units_never_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        inside = (i.module.split(".") for i in file_imports(path) if i.module.startswith("firmnet."))
        graph.setdefault(unit_of(path), set()).update(
            parts[1] for parts in inside if parts[1] != unit_of(path)
        )
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' -> '.join(error.args[1])}")


def files_of(unit: str) -> list[Path]:
    """The files of a room; the first of them says what it answers."""
    folder = PACKAGE / unit
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def row(unit: str) -> str:
    """A room in the table of the architecture: its floor, the question it answers, which rooms it imports."""
    inside = {
        i.module.split(".")[1] for f in files_of(unit) for i in file_imports(f) if "firmnet." in i.module
    }
    imports = sorted(inside - {unit}, key=list(FLOOR_OF).index)
    answer = (ast.get_docstring(ast.parse(files_of(unit)[0].read_text())) or "").partition("\n")[0]
    name = f"`{unit}/`" if is_folder(unit) else f"`{unit}`"
    return f"| {FLOOR_OF[unit]} | {name} | {answer} | {', '.join(imports) or 'nothing'} |"


def test_the_architecture_shows_the_house_as_it_is() -> None:
    heads = "| floor | room | what it answers | imports |\n|---|---|---|---|\n"
    table = heads + "".join(f"{row(unit)}\n" for unit in reversed(FLOOR_OF))
    shown = re.compile(r"^\| floor \| room .*?\n(?=\n)", re.DOTALL | re.MULTILINE)
    text = ARCHITECTURE.read_text()
    if os.environ.get("FIRMNET_UPDATE_DOCS") == "1":
        ARCHITECTURE.write_text(shown.sub(lambda _: table, text, count=1))
    elif table not in text:
        pytest.fail("docs/architecture.md is behind: run FIRMNET_UPDATE_DOCS=1 pytest tests/test_floors.py")


@every("path", OURS, kind=lambda path: path.relative_to(REPO).parts[0], said=str)
def test_file_begins_by_saying_what_it_answers(path: Path) -> None:
    source = path.read_text()
    assert source.removeprefix("#!/usr/bin/env python3\n").startswith('"""'), "the docstring comes first"
    first_line = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    assert len(first_line.split()) >= 4, f"{first_line!r} does not say which question the file answers"


@pytest.mark.parametrize(
    ("unit", "source", "why"),
    [
        ("ir", "from .codegen.model import library", "from above"),
        ("plan", "def f():\n    from . import verify", "line 2: plan (floor 3) imports verify from above"),
        ("plan", "from firmnet import utils", "on no floor"),
        ("passes", "from ..quantize import apply", "neighbours"),
        ("assets", "from .targets import Board", "assets imports targets, which stands on it"),
        ("verify", "import torch.nn", "torch is allowed only in frontends/torch"),
        ("frontends/common/builder", "import torch", "torch is allowed only in frontends/torch"),
        ("build", "import platformio", "platformio is allowed only in no room"),
    ],
    ids=[
        "up",
        "up-inside-function",
        "unknown",
        "sideways",
        "up-on-the-ground",
        "room",
        "other-frontend",
        "never",
    ],
)
def test_a_broken_rule_is_seen(unit: str, source: str, why: str) -> None:
    package = "firmnet.passes" if unit == "passes" else "firmnet"
    (complaint,) = complaints(unit, list(imports_of(source, package)))
    assert why in complaint


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("import firmnet", {"torch", "numpy", "jinja2", "serial"}),
        ("import firmnet.cli", {"torch", "numpy", "jinja2", "serial", "sklearn"}),
        ("import firmnet.pytest_plugin", {"torch", "numpy", "jinja2", "serial", "pydantic"}),
        ("import firmnet.verify, firmnet.devices, firmnet.build", {"torch", "sklearn", "unicorn"}),
    ],
    ids=["package", "command-line", "pytest-plugin", "hardware-test-host"],
)
def test_heavy_libraries_are_not_loaded_before_they_are_needed(command: str, absent: set[str]) -> None:
    code = f"{command}\nimport sys\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert absent.isdisjoint(loaded)
