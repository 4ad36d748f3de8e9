"""What does torch look up anew for every export though it stays the same? Most of what an import would take.

To take a program apart torch goes through all operators once for each of its 25 libraries, and prepares
hundreds for 22 kinds of device: two thirds of the time of an import. What another version of torch calls
otherwise is left as it is.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import RLock
from types import ModuleType
from typing import Any

import torch
from torch._export import utils
from torch.export import exported_program

FOUND_AGAIN = ((utils, "_materialize_cpp_cia_ops"),)
"""Functions without arguments that find the same each time: objects for all of C++'s operators."""
KEYS_OF_DEVICES = (
    (exported_program, "_AUTOGRAD_ALIAS_BACKEND_KEYS_TO_OVERRIDE"),
    (exported_program, "_BACKEND_KEYS_TO_OVERRIDE"),
)
"""Lists of the devices that operators are prepared for."""
ONE_AT_A_TIME = RLock()
"""Of several threads: what the last leaves behind must be what the first has found."""


def _of_this_machine(keys: list[Any]) -> list[Any]:
    """Those of the devices that it has; shapes are followed on one that is called Meta."""
    accelerator = torch.accelerator.current_accelerator()
    devices = {"CPU", "Meta", *([accelerator.type.upper()] if accelerator else [])}
    return [key for key in keys if key.name.removeprefix("Autograd") in devices]


@contextmanager
def looked_up_once() -> Iterator[None]:
    """Meanwhile nothing must add operators to torch."""

    def replace(module: ModuleType, name: str, made: Any) -> None:
        known = getattr(module, name, None)
        if known is not None:
            undone.callback(setattr, module, name, known)
            setattr(module, name, made(known))

    with ONE_AT_A_TIME, ExitStack() as undone:
        for module, name in FOUND_AGAIN:
            replace(module, name, cache)
        for module, name in KEYS_OF_DEVICES:
            replace(module, name, _of_this_machine)
        yield
