"""Which small networks do people train for microcontrollers? By kind, written after what was published.

A network is a function without arguments that returns its module, whose weights torch has just drawn (the
caller seeds it); `shapes` are those of one sample of each input, without the batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import nn

Shape = tuple[int, ...]
KINDS = (
    "attention",
    "keywords",
    "audio",
    "activity",
    "heart",
    "vision",
    "images",
    "detection",
    "anomalies",
    "policies",
    "tables",
)
"""Each a file here."""


@dataclass(frozen=True)
class SmallNetwork:
    """`data` names the set that it is trained on (see data.py); "": its weights stay as they were drawn."""

    name: str
    kind: str
    module: Callable[[], nn.Module]
    shapes: tuple[Shape, ...]
    data: str = ""


NETWORKS: dict[str, SmallNetwork] = {}


def network(*shapes: Shape, data: str = "") -> Callable[[Callable[[], nn.Module]], Callable[[], nn.Module]]:
    """Registers a function under its name; its file is its kind."""

    def register(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        name = make.__name__
        assert name not in NETWORKS, f"two networks are called {name}"
        NETWORKS[name] = SmallNetwork(name, make.__module__.rpartition(".")[2], make, shapes, data)
        return make

    return register


for _kind in KINDS:
    import_module(f"{__name__}.{_kind}")
