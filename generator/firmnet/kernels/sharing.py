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
        return self.kernel.label, made_of, self.k["lo"], self.k["hi"]


def varying(parts: Iterable[Prepared]) -> frozenset[Alike | None]:
    """What those have in common that differ in zero point or shift: arguments of the functions they share."""
    found: dict[Alike, set[tuple[int, int]]] = {}
    for part in parts:
        alike = part.alike
        if alike is not None:
            found.setdefault(alike, set()).add((part.k["zero_point"], part.k["requant"].shift))
    return frozenset(alike for alike, outputs in found.items() if len(outputs) > 1)
