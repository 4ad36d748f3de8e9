"""Which rows has the op matrix? Those of every op, in its file: an odd size, both ends, every option."""

from importlib import import_module
from pkgutil import iter_modules

from casework import Case

WITH_CASES = sorted(module.name for module in iter_modules(__path__))
"""Names of ops."""


def cases_of(op: str) -> list[Case]:
    """The rows of one op: those that `cases()` in its file gives, or none."""
    return list(import_module(f"{__name__}.{op}").cases()) if op in WITH_CASES else []
