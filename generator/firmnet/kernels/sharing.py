"""Which calls share functions although their outputs' zero points and shifts differ?"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from ..ir import Call
from ..ops.spec import Constants
from .spec import Kernel

Alike = tuple[Hashable, ...]


@dataclass(frozen=True)
class Prepared:
    """A layer, or a piece of one, as its kernel runs it, and the integer constants of its op."""

    call: Call
    kernel: Kernel
    k: Constants

    @property
    def alike(self) -> Alike | None:
        """What parts have in common that can share functions; None: this one has its own."""
        made_of = self.kernel.alike(self.call, self.k)
        if made_of is None or not self.k["requant"].shift or self.k["requant"].pre_shift:
            return None
        return made_of, self.k["lo"], self.k["hi"]


@dataclass(frozen=True)
class Told:
    """What functions that parts alike share take as arguments; the largest of these parts' shifts."""

    arguments: tuple[str, ...]
    shift: int


def told(parts: Iterable[Prepared]) -> dict[Alike, Told]:
    """What the functions that parts alike share take as arguments, where their outputs differ.

    The rounding constant, which holds the zero point; and the shift where that differs.
    """
    found: dict[Alike, set[tuple[int, int]]] = {}
    for part in parts:
        alike = part.alike
        if alike is not None:
            found.setdefault(alike, set()).add((part.k["requant"].shift, part.k["zero_point"]))
    return {
        alike: _told({shift for shift, _ in outputs}) for alike, outputs in found.items() if len(outputs) > 1
    }


def _told(shifts: set[int]) -> Told:
    return Told(("rounding", "shift") if len(shifts) > 1 else ("rounding",), max(shifts))
