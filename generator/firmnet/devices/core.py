"""How are models run on an emulated core? In one bare image, many inferences per boot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..artifact import Artifact
from ..emulators import emulator_for
from ..errors import UserError, VerificationError
from ..ir import Array, unwrapped
from ..targets import MACHINES, Machine, core_named
from ..toolchain import run
from .compiled import Compiler, compiled
from .device import (
    Closing,
    Counters,
    Remembering,
    RunResult,
    RunsDone,
    alone,
    side_by_side,
    stored,
    taken_apart,
)
from .runner import Answer, Model, Request, Runner, Wanted, from_artifact, program_files

BOOT_TIMEOUT_S = 120.0
RUNS_PER_BOOT = 100
"""Inferences per boot of a device; progress is reported in these steps."""
_START = {
    "arm-none-eabi-gcc": ("core.h", "startup.c"),
    "riscv64-unknown-elf-gcc": ("core.h", "startup_riscv.c", "string.h"),
}
"""Compiler → what of templates/core goes from reset to main()."""
_LIBRARY = {
    "arm-none-eabi-gcc": ("-specs=nano.specs",),
    "riscv64-unknown-elf-gcc": ("-nostdlib", "-lgcc"),  # Debian has newlib for Arm only
}
FAULT = 70
"""Exit code of an image that hit a fault handler (templates/core/core.h)."""


def open(artifact: Artifact, address: str = "") -> "CoreDevice":
    """The artifact's C on the emulated machine `address`; "" or "core": one with the board's core.

    On netduinoplus2 every run is counted in instructions. Raises UserError for an unknown machine or
    when the compiler or QEMU is missing.
    """
    core = artifact.board.chip.core
    default = next((m.name for m in MACHINES.values() if m.core == core and not m.part), "mps2-an386")
    return CoreDevice(artifact, _machine(default if address in ("", "core") else address))


def image(
    models: Sequence[Model],
    machine: str,
    *,
    cflags: Sequence[str] = (),
    count_instructions: bool = False,
    timeout_s: float = BOOT_TIMEOUT_S,
) -> Runner:
    """Many models in one bare-metal image; every `ask` boots it once.

    With `count_instructions` (netduinoplus2 only) ticks are instructions. `ask` raises VerificationError when
    the image faults or is not done in `timeout_s`.
    """
    target = _machine(machine)
    if count_instructions and not target.counter:
        raise UserError(f"{machine} cannot count instructions: use netduinoplus2")
    counter = ("-DCORE_TIM2",) if count_instructions else ()
    files = program_files(models, *_START[core_named(target.core).compiler], "semihosting.c", "core.ld")
    elf = compiled(files, _compiler(target, (*cflags, *counter)))
    speed = ("-icount", "shift=0") if count_instructions else ()
    return Runner(tuple(models), lambda folder: _boot(elf, target, speed, folder, timeout_s))


class CoreDevice(Closing, Remembering):
    """Device: one artifact's model in an image of its own, booted for every batch of inputs."""

    def __init__(self, artifact: Artifact, machine: Machine) -> None:
        self._manifest, self._machine, self._runs = artifact.manifest, machine, 0
        self._state: bytes | None = None  # between the boots; None: as after a reset
        self._model = from_artifact(artifact)
        self._program = image([self._model], machine.name, count_instructions=machine.counter)

    @property
    def name(self) -> str:
        return f"{self._machine.core} (core)"

    def fingerprint(self) -> bytes:
        return self._ask(np.empty((1, 0), np.int8), Wanted.IDENTIFY).outputs.tobytes()

    def run(self, inputs: Any, *, layers: bool = False, progress: RunsDone | None = None) -> RunResult:
        kind = Wanted.CHECK if layers else Wanted.COUNT if self._machine.counter else Wanted.RUN
        answers, rows = [], self._stored(inputs)
        for start in range(0, len(rows), RUNS_PER_BOOT):
            answers.append(self._ask(rows[start : start + RUNS_PER_BOOT], kind))
            self._runs += len(answers[-1].outputs)
            if progress:
                progress(min(start + RUNS_PER_BOOT, len(rows)))
        words = np.concatenate([answer.words for answer in answers])
        outputs = np.concatenate([answer.outputs for answer in answers])
        return RunResult(
            unwrapped(taken_apart(self._manifest.outputs, outputs)),
            cycles=words[:, 0] if kind is Wanted.COUNT else None,
            layers=words[:, : len(self._manifest.layers)] if layers else None,
            states=words[:, len(self._manifest.layers) :] if layers else None,
        )

    def _snapshot(self) -> bytes:
        if self._state is None and self._manifest.states:  # nobody knows but the model
            empty = np.empty((0, sum(edge.byte_count for edge in self._manifest.inputs)), np.int8)
            self._ask(empty, Wanted.RUN)
        return self._state or b""

    def _restore(self, data: bytes, step: int) -> None:
        self._state = data

    def reset(self) -> None:
        self._state = None

    def dump(self, x: Any, layer: int) -> Array:
        answer = self._ask(self._stored(alone(x)), Wanted.DUMP, layer)
        return self._manifest.layers[layer].values(answer.outputs[0].tobytes())

    def profile(self, x: Any) -> Array:
        """Instructions of each layer for one input, uint32 (layers,); zeros where nothing counts."""
        words: Array = self._ask(self._stored(alone(x)), Wanted.PROFILE).words[0]
        return words

    def counters(self) -> Counters:
        return Counters(runs=self._runs)

    def close(self) -> None:
        """Nothing runs between batches."""

    def _stored(self, inputs: Any) -> Array:
        return side_by_side(stored(self._manifest.inputs, inputs))

    def _ask(self, rows: Array, kind: Wanted, layer: int = 0) -> Answer:
        request = Request(self._model.name, rows, kind, layer, self._state)
        (answer,) = self._program.ask([request])
        if kind is not Wanted.IDENTIFY:
            self._state = answer.state
        return answer


def _machine(name: str) -> Machine:
    if name not in MACHINES:
        raise UserError(f"there is no emulated core {name!r}: firmnet knows {', '.join(MACHINES)}")
    return MACHINES[name]


def _compiler(machine: Machine, cflags: Sequence[str]) -> Compiler:
    memory = {
        "core_flash_origin": machine.flash.origin,
        "core_flash_bytes": machine.flash.size_bytes,
        "core_ram_origin": machine.ram.origin,
        "core_ram_bytes": machine.ram.size_bytes,
    }
    symbols = (f"-Wl,--defsym={name}={value:#x}" for name, value in memory.items())
    core = core_named(machine.core)
    library = _LIBRARY[core.compiler]
    flags = (*core.cflags, *cflags, *(("-ffreestanding",) if "-nostdlib" in library else ()))
    return Compiler(core.compiler, flags, ("-nostartfiles", *library, "-Tcore.ld", *symbols))


def _boot(elf: Path, machine: Machine, speed: Sequence[str], folder: Path, timeout_s: float) -> None:
    """Run the image in `folder`; VerificationError unless it ends by itself and in peace."""
    screen = ("-display", "none", "-monitor", "none", "-serial", "none")
    semihosting = ("-semihosting-config", "enable=on,target=native")
    command: list[str | Path] = [
        emulator_for(machine.name),
        "-machine",
        machine.name,
        *screen,
        *semihosting,
        *speed,
        *machine.arguments,
        "-kernel",
        elf,
    ]
    what = f"the image on {machine.name}"
    try:
        ended = run(command, what=what, cwd=folder, timeout_s=timeout_s, check=False)
    except UserError as error:
        raise VerificationError(str(error)) from None
    if ended.returncode == FAULT:
        raise VerificationError(f"{what} hit a {ended.stdout.strip()}")
    if ended.returncode:
        raise VerificationError(f"{what} ended with code {ended.returncode}: {ended.stdout.strip()}")
