"""How are PyTorch's operators called to prove the rules? In the file of each family of rules."""

from importlib import import_module
from pkgutil import iter_modules

from .arguments import IMAGE, NORM, Call, Indices, Refused, Values, X, Y

FAMILIES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
CALLS: list[Call] = [call for family in FAMILIES for call in getattr(family, "CALLS", [])]
REFUSED: list[Refused] = [call for family in FAMILIES for call in getattr(family, "REFUSED", [])]

__all__ = ["CALLS", "IMAGE", "NORM", "REFUSED", "Call", "Indices", "Refused", "Values", "X", "Y"]
