"""How does chance call PyTorch's operators? In the table of each family: a new operator adds a line."""

from importlib import import_module
from pkgutil import iter_modules

from .drawing import PLACES, At, Call, Constant, Draw, Family, Generator, Known, Misfit

FAMILIES: dict[str, Family] = {
    module.name: found
    for module in sorted(iter_modules(__path__), key=lambda module: module.name)
    if (found := getattr(import_module(f"{__name__}.{module.name}"), "FAMILY", None))
}
CALLS: dict[str, Generator] = {
    name: call for family in FAMILIES.values() for name, call in family.calls.items()
}

__all__ = [
    "CALLS",
    "FAMILIES",
    "PLACES",
    "At",
    "Call",
    "Constant",
    "Draw",
    "Family",
    "Generator",
    "Known",
    "Misfit",
]
