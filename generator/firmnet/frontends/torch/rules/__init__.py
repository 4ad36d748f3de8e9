"""Which operators of PyTorch does firmnet read, and what does each become? Every file here has its RULES.

A rule is a function of the builder and the operator's arguments; its annotations are checked before it is
called (common/arguments.py).
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from ...common.arguments import Rule


def _collected() -> Mapping[str, Rule]:
    """Every file's RULES in one table; ValueError where two files claim an operator."""
    found: dict[str, Rule] = {}
    for name in sorted(module.name for module in iter_modules(__path__)):
        own: Mapping[str, Rule] = getattr(import_module(f"{__name__}.{name}"), "RULES", {})
        if twice := sorted(found.keys() & own.keys()):
            raise ValueError(f"rules/{name}.py has {', '.join(twice)}, which another file has too")
        found.update(own)
    return found


RULES = _collected()
"""Operator of an exported program ("aten.linear.default") → its rule."""
