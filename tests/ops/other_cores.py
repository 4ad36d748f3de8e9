"""On which cores does C run in emulators, beside the one that the whole op matrix runs on?"""

from dataclasses import dataclass

from matrix_rows import MACHINES
from together import NOT_OPTIMIZED

from firmnet.devices import core
from firmnet.emulators import emulator_for
from firmnet.targets import Isa
from firmnet.toolchain import find


@dataclass(frozen=True)
class OtherCore:
    """A core, the machine that has it, and how C is compiled for it beside what is always said."""

    name: str
    machine: str
    isa: Isa
    cflags: tuple[str, ...] = ()

    def require(self) -> None:
        """UserError where this computer has no emulator or no compiler for it."""
        emulator_for(self.machine)
        find(core.core_named(core.MACHINES[self.machine].core).compiler)


OTHER_CORES = {
    each.name: each
    for each in (
        OtherCore("cortex-m3", MACHINES["core_m3"], Isa.SCALAR),
        OtherCore("cortex-m7", MACHINES["core_m7"], Isa.DSP),
        OtherCore("cortex-m33", MACHINES["core_m33"], Isa.DSP),
        OtherCore("cortex-m55", "mps3-an547", Isa.DSP),
        OtherCore("rv32imac", "virt", Isa.SCALAR, NOT_OPTIMIZED),  # no board has it
    )
}
