"""How many cycles does a Cortex-M4 take? Basic blocks priced by the tables of its reference manual.

The manual is Arm DDI 0439: table 3-1 for each instruction, section 3.3.2 for neighbouring loads and stores,
section 7.2.3 (table 7-1) for the floating-point unit. Memory answers at once. What depends on the data has
one price (REFILL, DIVIDE), and a skipped instruction of an IT block costs as much as an executed one.
docs/profiling.md says what that leaves out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import capstone
from capstone import arm

from .recorders import BasicBlock, Edges

REFILL = 2
"""P of table 3-1: refilling the pipeline takes 1 to 3 cycles, by the target's alignment and width."""
DIVIDE = 7
"""SDIV and UDIV take 2 to 12, by the operands' leading zeros and ones."""

LOADS = frozenset(
    f"ldr{kind}" for kind in ("", "b", "h", "sb", "sh", "t", "bt", "ht", "sbt", "sht", "ex", "exb", "exh")
)
STORES = frozenset(f"str{kind}" for kind in ("", "b", "h", "t", "bt", "ht", "ex", "exb", "exh"))
BRANCHES = frozenset({"b", "bl", "bx", "blx", "cbz", "cbnz"})
CONDITION_CODES = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
FLOAT_ACCUMULATE = frozenset({"vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"})
FLOAT_DIVIDE = frozenset({"vdiv", "vsqrt"})
FLOAT_MOVES = frozenset({"vmov", "vmrs", "vmsr"})


@dataclass(frozen=True)
class Instruction:
    """What the table needs to know of one instruction.

    `cycles`: alone, and where it does not branch; `taken`: how many more when it does. `kind` is what matters
    to its neighbours: "load", "store", "it", "float" (arithmetic: its result comes late) or "" for the rest.
    The rest are capstone's numbers of registers; `loaded` comes from memory, `address` says from where.
    """

    mnemonic: str
    size: int
    kind: str
    cycles: int
    taken: int
    reads: frozenset[int]
    writes: frozenset[int]
    loaded: frozenset[int]
    address: frozenset[int]


@dataclass(frozen=True)
class Cost:
    """What a stretch of a run takes; `cycles` those of a Cortex-M4, whatever core it ran on."""

    instructions: int
    cycles: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles)


def cost(edges: Edges, block: Callable[[BasicBlock], tuple[Instruction, ...]]) -> Cost:
    """What executing `edges` costs; `block` gives a block's instructions."""
    instructions = cycles = 0
    for (before, at), count in edges.items():
        here = block(at)
        instructions += count * len(here)
        cycles += count * straight(here)
        if before is not None:
            falls_through = at.address == before.address + before.size
            cycles += count * _transition(block(before), here, falls_through)
    return Cost(instructions, cycles)


def straight(block: tuple[Instruction, ...]) -> int:
    """Cycles of a block whose last instruction does not branch and whose first has no neighbour before it."""
    return sum(one.cycles for one in block) + sum(neighbours(a, b) for a, b in pairwise(block))


def _transition(before: tuple[Instruction, ...], here: tuple[Instruction, ...], falls_through: bool) -> int:
    """Cycles between two blocks: a branch that was taken, or two neighbours."""
    if not falls_through:
        return before[-1].taken
    return neighbours(before[-1], here[0]) if here else 0


def neighbours(first: Instruction, second: Instruction) -> int:
    """Cycles more (or fewer) that `second` takes directly after `first`."""
    if second.kind == "it" and first.size == 2:
        return -1  # table 3-1, note on IT: it is folded onto a 16-bit instruction
    if first.kind == "load" and second.kind in ("load", "store") and not second.address & first.loaded:
        return -1 if second.cycles == 2 else 0  # 3.3.2: LDR are pipelined when possible
    if first.kind == "float" and second.reads & first.writes:
        return 1  # 7.2.3: a result that the next instruction consumes
    return 0


@cache
def _disassembler() -> Any:
    thumb = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    thumb.detail = True
    return thumb


def decode(code: bytes, address: int) -> tuple[Instruction, ...]:
    """The Thumb instructions of a basic block; ValueError for bytes that are none."""
    found = tuple(_instruction(one) for one in _disassembler().disasm(code, address))
    if sum(one.size for one in found) != len(code):
        raise ValueError(
            f"the block at {address:#x} holds bytes that are no Thumb instructions: {code.hex()}"
        )
    return found


def _instruction(raw: Any) -> Instruction:
    name = _base(raw)
    reads, writes = map(frozenset, raw.regs_access())
    kind, cycles, taken = _price(name, raw)
    memory = [operand.mem for operand in raw.operands if operand.type == arm.ARM_OP_MEM]
    address = frozenset(r for m in memory for r in (m.base, m.index) if r)
    loaded = frozenset([raw.operands[0].reg] if kind == "load" else [])  # not a base it writes back
    return Instruction(raw.mnemonic, raw.size, kind, cycles, taken, reads, writes, loaded, address)


def _base(raw: Any) -> str:
    """The mnemonic without condition, width and types: "ldrne.w" → "ldr"."""
    name: str = raw.mnemonic.partition(".")[0]
    if raw.id == arm.ARM_INS_IT:
        return "it"
    return name.removesuffix(_CONDITIONS.get(raw.cc, ""))


_CONDITIONS = dict(
    zip(
        (getattr(arm, f"ARM_CC_{code.upper()}") for code in CONDITION_CODES),
        CONDITION_CODES,
        strict=True,
    )
)


def _price(name: str, raw: Any) -> tuple[str, int, int]:
    """(kind, cycles, more when it branches): table 3-1, and 7-1 for names with a v."""
    registers = [operand.reg for operand in raw.operands if operand.type == arm.ARM_OP_REG]
    to_pc = arm.ARM_REG_PC in registers
    if name in LOADS:
        return ("", 2, 1 + REFILL) if to_pc else ("load", 2, 0)
    if name in STORES:
        return "store", 2 if any(m.mem.index for m in raw.operands if m.type == arm.ARM_OP_MEM) else 1, 0
    if name in ("ldrd", "strd"):
        return "", 3, 0
    if name in ("push", "pop"):
        return "", 1 + len(registers), REFILL if to_pc else 0
    if name.startswith(("ldm", "stm")):
        return "", len(registers), REFILL if to_pc else 0  # one of them is the address
    if name in ("tbb", "tbh"):
        return "", 3, REFILL
    if name in BRANCHES:
        return "", 1, REFILL
    if name in ("sdiv", "udiv"):
        return "", DIVIDE, 0
    if name in ("mrs", "msr"):
        return "", 2, 0
    if name == "it":
        return "it", 1, 0
    if name.startswith("v"):
        return _float_price(name, registers)
    return "", 1, REFILL if registers[:1] == [arm.ARM_REG_PC] else 0


def _float_price(name: str, registers: list[int]) -> tuple[str, int, int]:
    doubles = sum(arm.ARM_REG_D0 <= register <= arm.ARM_REG_D31 for register in registers)
    singles = sum(arm.ARM_REG_S0 <= register <= arm.ARM_REG_S31 for register in registers)
    words = singles + 2 * doubles
    if name.startswith(("vldr", "vstr", "vldm", "vstm", "vpush", "vpop")):
        return "", 1 + words, 0
    if name in FLOAT_ACCUMULATE:
        return "float", 3, 0
    if name in FLOAT_DIVIDE:
        return "float", 14, 0
    if name in FLOAT_MOVES:
        return "", 2 if name == "vmov" and len(registers) > 2 else 1, 0
    return "float", 1, 0
