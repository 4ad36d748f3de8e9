"""What must a kernel say about itself?"""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import Array, Call, Dtype
from ..ops.spec import Constants
from ..targets import Isa

FAMILIES = {Isa.SCALAR: "portable", Isa.DSP: "dsp"}
"""The least instructions that kernels need → the folder of their files and templates."""


class Kernel(ABC):
    """One way in which a core computes an op: which calls it takes, what they cost it, and its template.

    The template, `templates/kernels/<family>/<op>[.<name>].c.j2`, equals `Op.run_int` bit for bit. It reads
    the integer constants of the op as `k`, what `layout` gives as `layout`, the C names of what `pack` gives
    as `arrays`, and calls its function `fn`.
    """

    op: str
    name: ClassVar[str] = ""
    """Tells kernels of one op and family apart."""
    isa: ClassVar[Isa] = Isa.SCALAR
    """The least instructions it needs; of those that need none, one at least takes every call of their op."""

    dtypes: ClassVar[tuple[Dtype, ...]] = (Dtype.INT8,)
    """What the activations of its calls may hold; where a kernel says its `isa`, it says this anew."""

    def __init_subclass__(cls) -> None:
        if "isa" in vars(cls) and "dtypes" not in vars(cls):  # what plain C takes says nothing of assembly
            cls.dtypes = Kernel.dtypes

    def accepts(self, call: Call) -> bool:
        """Whether it can compute the call."""
        return True

    @abstractmethod
    def cycles(self, call: Call) -> float:
        """Its price: about what it takes on a Cortex-M4, as `firmnet profile` models it.

        `choices` compares these prices, so what matters most is that the order of kernels is right.
        """

    def scratch_bytes(self, call: Call) -> int:
        """Memory that it needs beside input and output; 0: its function takes none."""
        return 0

    def begins_at(self, call: Call) -> int:
        """Bytes of its first activation that it leaves out: its function is given the address of the next."""
        return 0

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """Per activation: by how many bytes at least the output must begin before it to share its memory.

        0 allows in place: the kernel has read what it overwrites. None: the two must lie apart.
        """
        return tuple(None for tensor in call.inputs if tensor.data is None)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """The arrays that go to flash, in the order the kernel reads them: name → int8/int32/uint32 array."""
        return {key: value for key, value in k.items() if isinstance(value, np.ndarray)}

    def alike(self, call: Call, k: Constants) -> Hashable:
        """What its functions are made of beside the output's bounds, zero point and shift; None: never mind.

        Layers that are alike in it and in their bounds share functions though zero points and shifts differ:
        `k.told` then names what the functions take as arguments, "rounding" alone or also "shift", of which
        `k.told_shift` is the largest.
        """
        return None

    def layout(self, call: Call, k: Constants) -> object:
        """A frozen dataclass of sizes, loops and tiles: all that the template reads beside `k`."""
        return None

    @property
    def label(self) -> str:
        """Unique, for people too: "dsp/conv2d.rows"."""
        return f"{FAMILIES[self.isa]}/{self.op}{'.' * bool(self.name)}{self.name}"

    @property
    def template(self) -> str:
        return f"kernels/{self.label}.c.j2"


@dataclass(frozen=True)
class Size:
    """For kernels that go through all values alike."""

    size: int


KERNELS: dict[str, list[Kernel]] = {}
"""Op → its kernels."""


def register(kernel: Kernel) -> Kernel:
    known = KERNELS.setdefault(kernel.op, [])
    if kernel.label in [other.label for other in known]:
        raise ValueError(f"kernel {kernel.label!r} is already registered")
    known.append(kernel)
    return kernel
