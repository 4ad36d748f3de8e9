"""Does every public name of the package mean one thing? A class or constant of a module is nowhere else."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import firmnet
from firmnet.kernels import Kernel
from firmnet.ops import Op

PACKAGE = Path(firmnet.__file__).parent
ALIKE = {"RULES"}
"""Names that mean the same in each of a folder's files."""


def public(path: Path) -> Iterator[str]:
    """Classes, types and constants that a module defines at its top: names that begin with a capital."""
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [node.name] if isinstance(node, ast.ClassDef) else [getattr(t, "id", "") for t in targets]
        yield from (name for name in names if name[:1].isupper() and name not in ALIKE)


def of_an_op(path: Path, name: str) -> bool:
    """An op, and the kernels that compute it, share its name."""
    if path.relative_to(PACKAGE).parts[0] not in ("ops", "kernels"):
        return False
    module = ".".join(["firmnet", *path.relative_to(PACKAGE).with_suffix("").parts])
    found = getattr(import_module(module), name)
    return isinstance(found, type) and issubclass(found, (Op, Kernel))


def test_no_name_means_two_things() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in dict.fromkeys(public(path)):
            if not of_an_op(path, name):
                homes[name].append(str(path.relative_to(PACKAGE)))
    twice = [f"{name}: {' and '.join(files)}" for name, files in sorted(homes.items()) if len(files) > 1]
    assert twice == [], "rename one of each, or import the one from the other"
