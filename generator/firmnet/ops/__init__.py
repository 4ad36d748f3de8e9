"""What does an op mean? Options, shape, floats, integers; importing this registers each file beside it."""

from importlib import import_module
from pkgutil import iter_modules

from .numbers import counted, least_rows, numbered
from .spec import (
    OPS,
    Op,
    Slide,
    Stripe,
    check_quantized,
    check_states,
    check_types,
    circle_of,
    overwritten,
    roots,
)

for _module in sorted(m.name for m in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")

__all__ = [
    "OPS",
    "Op",
    "Slide",
    "Stripe",
    "check_quantized",
    "check_states",
    "check_types",
    "circle_of",
    "counted",
    "least_rows",
    "numbered",
    "overwritten",
    "roots",
]
