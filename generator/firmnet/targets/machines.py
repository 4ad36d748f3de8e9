"""Which machines of emulators does firmnet know, and which firmware can each of them run?"""

from dataclasses import dataclass

from .isa import CoreName, EmulatedCore

LPUART1 = 0
"""What FN_USART is for a low-power UART, which is counted apart from the others."""
_M4F: tuple[CoreName, ...] = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f")


@dataclass(frozen=True)
class Memory:
    """A stretch of addresses with memory; it may be seen again behind itself, `copies` times in all."""

    origin: int
    size_bytes: int
    copies: int = 1

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.origin + self.copies * self.size_bytes

    def __str__(self) -> str:
        return f"{self.size_bytes:,} bytes from {self.origin:#x}"

    def holds(self, other: "Memory") -> bool:
        """Whether the other lies in it, and no part of that twice."""
        return other.size_bytes <= self.size_bytes and self.origin <= other.origin and other.end <= self.end


@dataclass(frozen=True)
class Machine:
    """A machine, its core, where code and data may lie, and which glue drives its UART ("": none does).

    `runs`: the cores whose code it executes. `vectors`: where it looks for what to do after reset.
    `counter`: its TIM2 can count instructions. `part`: it has less RAM than others of its family, and runs
    what takes no more (devices/qemu.py looks at each firmware). `serials`: which UART (FN_USART) each
    `-serial` of QEMU is. `since`: the first release of QEMU's in which a firmware can run there; (0, 0): any.
    `program`: the QEMU that has it; `arguments`: what that must be told beside. `asks`: its UARTs ask for
    the next byte as one is read; where they do not (those of b-l475e-iot01a), a multiplexer would keep it.
    """

    name: str
    core: EmulatedCore
    runs: tuple[EmulatedCore, ...]
    flash: Memory
    ram: Memory
    vectors: int
    glue: str
    counter: bool = False
    part: bool = False
    serials: tuple[int, ...] = (1,)
    since: tuple[int, int] = (0, 0)
    program: str = "qemu-system-arm"
    arguments: tuple[str, ...] = ()
    asks: bool = False


_CODE, _DATA = Memory(0, 4 << 20, copies=2), Memory(0x2000_0000, 4 << 20, copies=2)
"""Of the MPS2 machines of ARMv7-M."""
MACHINES = {  # of QEMU
    machine.name: machine
    for machine in (
        Machine("mps2-an386", "cortex-m4f", _M4F, _CODE, _DATA, 0, "cmsdk_uart", asks=True),
        Machine(
            "netduinoplus2",
            "cortex-m4f",
            _M4F,
            Memory(0x0800_0000, 1 << 20),
            Memory(0x2000_0000, 192 << 10),
            0x0800_0000,
            "stm32f4_usart",
            counter=True,
            serials=(1, 2, 3, 4, 5, 6),
            asks=True,
        ),
        Machine(
            "b-l475e-iot01a",
            "cortex-m4f",
            _M4F,
            Memory(0x0800_0000, 1 << 20),
            Memory(0x2000_0000, 96 << 10),
            0x0800_0000,
            "stm32l4_usart",
            serials=(1, 2, 3, 4, 5, LPUART1),
            since=(9, 1),  # 9.0 has no UART there
        ),
        Machine(
            "stm32vldiscovery",
            "cortex-m3",
            ("cortex-m0plus", "cortex-m3"),
            Memory(0x0800_0000, 128 << 10),
            Memory(0x2000_0000, 8 << 10),
            0x0800_0000,
            "stm32f1_usart",
            part=True,
            serials=(1, 2, 3),
            asks=True,
        ),
        Machine(
            "microbit",
            "cortex-m0plus",
            ("cortex-m0plus",),
            Memory(0, 256 << 10),
            Memory(0x2000_0000, 16 << 10),
            0,
            "nrf5_uart",
            part=True,
            serials=(0,),
            asks=True,
        ),
        Machine(
            "mps2-an385",
            "cortex-m3",
            ("cortex-m0plus", "cortex-m3"),
            _CODE,
            _DATA,
            0,
            "cmsdk_uart",
            asks=True,
        ),
        Machine("mps2-an500", "cortex-m7", (*_M4F, "cortex-m7"), _CODE, _DATA, 0, "cmsdk_uart", asks=True),
        Machine(
            "mps2-an505",
            "cortex-m33",
            ("cortex-m0plus", "cortex-m3", "cortex-m33"),
            Memory(0x1000_0000, 4 << 20),
            Memory(0x3800_0000, 4 << 20),
            0x1000_0000,
            "",
        ),
        Machine(
            "mps3-an547",
            "cortex-m55",
            ("cortex-m0plus", "cortex-m3", "cortex-m33", "cortex-m55"),
            Memory(0, 512 << 10),
            Memory(0x0100_0000, 2 << 20),
            0,
            "",
        ),
        Machine(
            "virt",
            "rv32imac",
            ("rv32imac",),
            Memory(0x8000_0000, 32 << 20),
            Memory(0x8200_0000, 32 << 20),
            0x8000_0000,
            "",
            since=(7, 2),
            program="qemu-system-riscv32",
            arguments=("-bios", "none"),
        ),
    )
}


RP2040 = Machine(
    "rp2040",
    "cortex-m0plus",
    ("cortex-m0plus",),
    Memory(0x1000_0000, 16 << 20),
    Memory(0x2000_0000, 264 << 10),
    0x1000_0100,
    "rp2040_usb",
    program="node",
)
"""The one that rp2040js has; its UART0 is driven by the glue rp2040_uart."""


def misfit(kind: str, machine: str, glue: str, core: str, flash: Memory, ram: Memory) -> str:
    """Why that firmware cannot run on a machine; "" where it can, or where the machine is not known."""
    known = RP2040 if kind == "rp2040js" else MACHINES.get(machine)
    if known is RP2040 and machine != RP2040.name:
        return f"rp2040js has only {RP2040.name!r}"
    if known is None:
        return ""
    if glue != known.glue and not (known is RP2040 and glue == "rp2040_uart"):
        drives = f"the glue {known.glue!r} drives its UART" if known.glue else "no glue drives its UART"
        return f"{drives}, {glue!r} does not"
    if core not in known.runs:
        return f"it has a {known.core}, which does not run code for {core}"
    if not known.flash.holds(Memory(flash.origin, 1)):
        return f"it has no code at 'chip.flash_origin' = {flash.origin:#x}, but {known.flash}"
    if not known.ram.holds(Memory(ram.origin, 1) if known.part else ram):
        return f"it has no {ram.size_bytes:,} bytes at 'chip.ram_origin' = {ram.origin:#x}, but {known.ram}"
    return ""
