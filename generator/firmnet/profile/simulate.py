"""What does an image execute? Inferences in Unicorn, from reset, cut where pieces of layers end."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import unicorn
from unicorn import arm_const

from ..errors import VerificationError
from ..ir import Array
from .image import FLASH_BYTES, FLASH_ORIGIN, RAM_BYTES, RAM_ORIGIN, ProfiledImage
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
FIRST_LAYER_MARK = 2
"""What the observer in templates/profile/harness.c adds to a layer's index."""


Noted = TypeVar("Noted")


@dataclass(frozen=True)
class Stretch(Generic[Noted]):
    """A stretch of the run: what was recorded in it, and the deepest stack in bytes below run()'s entry.

    It ends with a piece of `layer`, or with run() itself (None).
    """

    layer: int | None
    noted: Noted
    stack_bytes: int


@dataclass(frozen=True)
class SimulatedRun(Generic[Noted]):
    """One inference: the outputs as bytes, uint8 and flat, and its regions in order; the last ends with
    run().
    """

    output: Array
    regions: tuple[Stretch[Noted], ...]

    def of(self, layer: int | None) -> list[Stretch[Noted]]:
        """The regions that end with a piece of `layer`, or (None) with run()."""
        return [region for region in self.regions if region.layer == layer]


def simulate(
    image: ProfiledImage,
    core: str,
    output_bytes: Sequence[int],
    recorder: Callable[[unicorn.Uc], Recorder[Noted]],
    *,
    observed: bool = False,
) -> SimulatedRun[Noted]:
    """The first call of run() after reset, from entry to return; `observed`: cut after each piece of a layer.

    Raises VerificationError when the image faults or does not come to its end.
    """
    (run,) = _Simulation(image, core, observed=observed).runs(1, output_bytes, recorder)
    return run


def simulate_runs(
    image: ProfiledImage,
    core: str,
    count: int,
    output_bytes: Sequence[int],
    recorder: Callable[[unicorn.Uc], Recorder[Noted]],
) -> list[SimulatedRun[Noted]]:
    """So many calls of run() after reset, each on the next sample of the image; errors as in `simulate`."""
    return [*_Simulation(image, core, count=count).runs(count, output_bytes, recorder)]


FN_OUTPUT_BYTES = 24
"""Of an fn_output (templates/lib/fn_model.h) in 32 bits: name, data, bytes, dtype, two functions."""


class _Simulation:
    """A core that has just come out of reset."""

    def __init__(self, image: ProfiledImage, core: str, *, observed: bool = False, count: int = 1) -> None:
        self.image = image
        self.cpu = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.cpu.ctl_set_cpu_model(CPU_MODELS[core])
        self.cpu.ctl_exits_enabled(True)
        self.cpu.mem_map(FLASH_ORIGIN, FLASH_BYTES)
        self.cpu.mem_map(RAM_ORIGIN, RAM_BYTES)
        self.cpu.mem_map(SYSTEM_ORIGIN, SYSTEM_BYTES)
        for segment in image.segments:
            self.cpu.mem_write(segment.address, segment.content)
        self.cpu.mem_write(image.symbols["profile_layers"], struct.pack("<I", observed))
        self.cpu.mem_write(image.symbols["profile_runs"], struct.pack("<I", count))
        stack_top, reset = struct.unpack("<II", self.cpu.mem_read(FLASH_ORIGIN, 8))
        self.cpu.reg_write(arm_const.UC_ARM_REG_SP, stack_top)
        self.cpu.reg_write(arm_const.UC_ARM_REG_PC, reset)

    def runs(
        self, count: int, output_bytes: Sequence[int], recorder: Callable[[unicorn.Uc], Recorder[Noted]]
    ) -> Iterator[SimulatedRun[Noted]]:
        self._pass_mark()
        recording = recorder(self.cpu)
        for number in range(count):
            if number:
                self._pass_mark()  # that behind the run before
                self._pass_mark()
            yield self._run(output_bytes, recording)

    def _pass_mark(self) -> None:
        """To the next mark, and through it."""
        self._advance(self._mark)
        self.cpu.reg_write(arm_const.UC_ARM_REG_PC, self._register("LR"))

    def _run(self, output_bytes: Sequence[int], recording: Recorder[Noted]) -> SimulatedRun[Noted]:
        self._advance(self._word("profile_run") & ~1)
        end = self._register("LR") & ~1
        top = self._register("SP")
        recording.end(self._register("PC"))
        recording.take()
        regions = []
        self._paint()
        while self._advance(self._mark, end) == self._mark:
            layer = self._register("R0") - FIRST_LAYER_MARK
            regions.append(Stretch(layer, recording.take(), self._painted(top)))
            # The mark itself is not part of any layer: go on where it would return to.
            self.cpu.reg_write(arm_const.UC_ARM_REG_PC, self._register("LR"))
            self._paint()
        recording.end(end)
        regions.append(Stretch(None, recording.take(), self._painted(top)))
        outputs = b"".join(self._output(i, size) for i, size in enumerate(output_bytes))
        return SimulatedRun(np.frombuffer(outputs, np.uint8), tuple(regions))

    @property
    def _mark(self) -> int:
        return self.image.symbols["sim_mark"] & ~1

    def _output(self, number: int, size: int) -> bytes:
        """An output, by the pointer in its fn_output."""
        (table,) = struct.unpack("<I", self._read(self.image.symbols["profile_outputs"], 4))
        (address,) = struct.unpack("<I", self._read(table + FN_OUTPUT_BYTES * number + 4, 4))
        return self._read(address, size)

    def _read(self, address: int, size: int) -> bytes:
        return bytes(self.cpu.mem_read(address, size))

    def _advance(self, *exits: int) -> int:
        """Execute up to, and without, the instruction at one of these addresses; returns at which."""
        problem = "it went astray"
        for address in exits:
            # Translated before, when it was no exit, it would be run through.
            self.cpu.ctl_remove_cache(address, address + 2)
        self.cpu.ctl_set_exits(exits)
        try:
            self.cpu.emu_start(self._register("PC") | 1, 0, timeout=TIMEOUT_US)
        except unicorn.UcError as error:
            problem = str(error)
        stopped = self._register("PC") & ~1
        if stopped not in exits:
            wanted = " or ".join(f"{address:#x}" for address in exits)
            raise VerificationError(
                f"the simulated image stopped at {stopped:#x} and never came to {wanted}: {problem}"
            )
        return stopped

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
