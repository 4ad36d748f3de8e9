"""What does an image execute? One inference in Unicorn, from reset, cut where layers end."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import unicorn
from unicorn import arm_const

from ..errors import VerificationError
from ..ir import Array
from .image import FLASH_BYTES, FLASH_ORIGIN, RAM_BYTES, RAM_ORIGIN, Image
from .recorders import Recorder

CPU_MODELS = {
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m4f": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}
SYSTEM_ORIGIN, SYSTEM_BYTES = 0xE000_0000, 1 << 20
"""System registers, as plain memory: nothing in the image waits for them."""
TIMEOUT_US = 600_000_000
PAINT = 0xA5


Noted = TypeVar("Noted")


@dataclass(frozen=True)
class Region(Generic[Noted]):
    """A stretch of the run: what was recorded in it, and the deepest stack in bytes below run()'s entry."""

    noted: Noted
    stack_bytes: int


@dataclass(frozen=True)
class Run(Generic[Noted]):
    """One inference: the output, int8 and flat, and its regions: one per marked layer, and the rest."""

    output: Array
    regions: tuple[Region[Noted], ...]


def simulate(
    image: Image,
    core: str,
    output_bytes: int,
    recorder: Callable[[unicorn.Uc], Recorder[Noted]],
    *,
    layers: int = 0,
) -> Run[Noted]:
    """The first call of run() after reset, from entry to return; with `layers`, cut after each.

    Raises VerificationError when the image faults or does not come to its end.
    """
    return _Simulation(image, core, observed=layers > 0).run(output_bytes, recorder, layers)


class _Simulation:
    """A core that has just come out of reset."""

    def __init__(self, image: Image, core: str, *, observed: bool) -> None:
        self.image = image
        self.cpu = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.cpu.ctl_set_cpu_model(CPU_MODELS[core])
        self.cpu.mem_map(FLASH_ORIGIN, FLASH_BYTES)
        self.cpu.mem_map(RAM_ORIGIN, RAM_BYTES)
        self.cpu.mem_map(SYSTEM_ORIGIN, SYSTEM_BYTES)
        for segment in image.segments:
            self.cpu.mem_write(segment.address, segment.content)
        self.cpu.mem_write(image.symbols["profile_layers"], struct.pack("<I", observed))
        stack_top, reset = struct.unpack("<II", self.cpu.mem_read(FLASH_ORIGIN, 8))
        self.cpu.reg_write(arm_const.UC_ARM_REG_SP, stack_top)
        self.cpu.reg_write(arm_const.UC_ARM_REG_PC, reset)

    def run(
        self, output_bytes: int, recorder: Callable[[unicorn.Uc], Recorder[Noted]], layers: int
    ) -> Run[Noted]:
        mark = self.image.symbols["sim_mark"]
        self._advance(mark)
        self._advance(self._word("profile_run"))
        end = self._register("LR")
        top = self._register("SP")
        recording = recorder(self.cpu)
        regions = []
        for _ in range(layers):
            self._paint()
            self._advance(mark)
            regions.append(Region(recording.take(), self._painted(top)))
            # The mark itself is not part of any layer: go on where it would return to.
            self.cpu.reg_write(arm_const.UC_ARM_REG_PC, self._register("LR"))
        self._paint()
        self._advance(end)
        recording.end(end & ~1)
        regions.append(Region(recording.take(), self._painted(top)))
        output = self.cpu.mem_read(self._word("profile_output"), output_bytes)
        return Run(np.frombuffer(bytes(output), np.int8), tuple(regions))

    def _advance(self, until: int) -> None:
        """Execute up to, and without, the instruction at `until`."""
        problem = "it went astray"
        # Translated before, when it was not the end, it would be run through.
        self.cpu.ctl_remove_cache(until & ~1, (until & ~1) + 2)
        try:
            self.cpu.emu_start(self._register("PC") | 1, until & ~1, timeout=TIMEOUT_US)
        except unicorn.UcError as error:
            problem = str(error)
        if self._register("PC") & ~1 != until & ~1:
            at = f"{self._register('PC'):#x}"
            raise VerificationError(
                f"the simulated image stopped at {at} and never came to {until:#x}: {problem}"
            )

    def _register(self, name: str) -> int:
        return int(self.cpu.reg_read(getattr(arm_const, f"UC_ARM_REG_{name}")))

    def _word(self, symbol: str) -> int:
        return int(struct.unpack("<I", self.cpu.mem_read(self.image.symbols[symbol], 4))[0])

    @property
    def _stack_end(self) -> int:
        """The first byte behind all variables."""
        return self.image.symbols["profile_bss_end"]

    def _paint(self) -> None:
        """Mark all of the stack that is free."""
        self.cpu.mem_write(self._stack_end, bytes([PAINT]) * (self._register("SP") - self._stack_end))

    def _painted(self, top: int) -> int:
        """Bytes below `top` down to the lowest word that was written since it was painted."""
        stack = self.cpu.mem_read(self._stack_end, top - self._stack_end)
        written = np.flatnonzero(np.frombuffer(bytes(stack), np.uint32) != PAINT * 0x01010101)
        return len(stack) - 4 * int(written[0]) if len(written) else 0
