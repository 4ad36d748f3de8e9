"""What can a core do? Which instructions it has, in an order, and how GCC is told about it."""

from dataclasses import dataclass
from enum import Enum, unique
from functools import total_ordering
from typing import Literal

from ..errors import UserError

CoreName = Literal[
    "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33", "cortex-m55"
]

"""Of boards: the cores that our own platform builds for."""
EmulatedCore = CoreName | Literal["rv32imac"]
"""Those on which models run in a bare image (devices/core.py)."""


@unique
@total_ordering
class Isa(Enum):
    """Which instructions kernels may use, in an order: each has all that those below it have.

    SCALAR: any C. DSP: two int16 products at once, saturation by shift (SMLAD, SMMLA, SSAT). HELIUM: vectors.
    """

    SCALAR = "scalar"
    DSP = "dsp"
    HELIUM = "helium"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Isa):
            return NotImplemented
        ranks = list(Isa)
        return ranks.index(self) < ranks.index(other)


@dataclass(frozen=True)
class Core:
    """A core by its name: its instructions, whether it has a float32 unit, GCC's flags, and which GCC."""

    name: EmulatedCore
    isa: Isa
    fpu: bool
    cflags: tuple[str, ...]
    compiler: str = "arm-none-eabi-gcc"


def _core(name: CoreName, isa: Isa, cpu: str, fpu: str = "") -> Core:
    floats = ("-mfloat-abi=hard", f"-mfpu={fpu}") if fpu else ("-mfloat-abi=soft",)
    return Core(name, isa, bool(fpu), (f"-mcpu={cpu}", "-mthumb", *floats))


CORES: dict[str, Core] = {
    core.name: core
    for core in (
        _core("cortex-m0plus", Isa.SCALAR, "cortex-m0plus"),
        _core("cortex-m3", Isa.SCALAR, "cortex-m3"),
        _core("cortex-m4", Isa.DSP, "cortex-m4"),
        _core("cortex-m4f", Isa.DSP, "cortex-m4", "fpv4-sp-d16"),
        _core("cortex-m7", Isa.DSP, "cortex-m7", "fpv5-sp-d16"),
        _core("cortex-m33", Isa.DSP, "cortex-m33", "fpv5-sp-d16"),
        _core("cortex-m55", Isa.HELIUM, "cortex-m55", "auto"),
        Core(
            "rv32imac",
            Isa.SCALAR,
            False,
            ("-march=rv32imac", "-mabi=ilp32", "-mcmodel=medany", "-mno-relax"),
            "riscv64-unknown-elf-gcc",
        ),
    )
}


MPY_ARCHITECTURES = {
    "cortex-m0plus": "armv6m",
    "cortex-m3": "armv7m",
    "cortex-m4": "armv7em",
    "cortex-m4f": "armv7emsp",
    "cortex-m7": "armv7emsp",
    "cortex-m33": "armv7emsp",
}
"""Core → what MicroPython calls machine code for it, where it knows such."""


def core_named(name: str) -> Core:
    """The core of that name; UserError for an unknown one."""
    if name not in CORES:
        raise UserError(f"unknown core {name!r}: firmnet knows {', '.join(CORES)}")
    return CORES[name]


def isa(core: str) -> Isa:
    """Which instructions the core of that name has; UserError for an unknown one."""
    return core_named(core).isa
