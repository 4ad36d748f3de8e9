"""How big is a firmware, and does it fit its board? Read from the ELF, byte for byte."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection

from ..board import Board, isa
from ..errors import VerificationError
from ..plan import STACK_BYTES

WRITABLE, ALLOCATED = 1, 2  # SHF_WRITE, SHF_ALLOC: the section takes memory on the board
RESERVE = ".reserve"  # cortexm.ld: room for stack and least heap, which are counted by their own names


@dataclass(frozen=True)
class Sizes:
    """Bytes of flash and RAM.

    RAM is the model's arena, all other variables, the stack, and MicroPython's heap: on bare metal whatever
    is left, under an Arduino core what the board file reserves.
    """

    flash_bytes: int
    flash_limit_bytes: int
    model_flash_bytes: int
    ram_limit_bytes: int
    arena_bytes: int
    variables_bytes: int
    stack_bytes: int
    heap_bytes: int

    @property
    def ram_bytes(self) -> int:
        """Everything but the heap."""
        return self.arena_bytes + self.variables_bytes + self.stack_bytes

    def lines(self) -> list[str]:
        """For people."""
        flash = f"{self.flash_bytes:,} of {self.flash_limit_bytes:,} bytes"
        ram = f"{self.ram_bytes:,} of {self.ram_limit_bytes:,} bytes"
        parts = f"arena {self.arena_bytes:,}, stack {self.stack_bytes:,}, other {self.variables_bytes:,}"
        return [
            f"flash     {flash} (the model {self.model_flash_bytes:,})",
            f"RAM       {ram} ({parts}); MicroPython heap left {self.heap_bytes:,}",
        ]


def measure(elf: Path, board: Board, model: str) -> Sizes:
    """Sizes of a linked firmware of `board` that carries `model`."""
    chip = board.chip
    with elf.open("rb") as file:
        image = ELFFile(file)
        flash = variables = 0
        for section in image.iter_sections():
            if section["sh_flags"] & ALLOCATED and section.name != RESERVE:
                in_ram = chip.ram_origin <= section["sh_addr"] < chip.ram_origin + chip.ram_bytes
                variables += section["sh_size"] if in_ram else 0
                flash += section["sh_size"] if section["sh_type"] != "SHT_NOBITS" else 0
        arena = sum(size for size, writable in _local_sizes(image, f"{model}.c") if writable)
        code = sum(size for size, writable in _local_sizes(image, f"{model}.c") if not writable)
        left = next((s["st_value"] for s in _symbols(image) if s.name == "__heap_bytes"), None)
        heap = board.micropython.heap_bytes if left is None else left
        return Sizes(
            flash_bytes=flash,
            flash_limit_bytes=chip.flash_bytes,
            model_flash_bytes=code + _global_bytes(image, f"{model}_"),
            ram_limit_bytes=chip.ram_bytes,
            arena_bytes=arena,
            variables_bytes=variables - arena - (heap if left is None else 0),
            stack_bytes=board.micropython.stack_bytes,
            heap_bytes=heap,
        )


def check_fit(sizes: Sizes, board: Board) -> None:
    """Raise VerificationError, saying by how many bytes, unless the firmware fits the board."""
    if sizes.flash_bytes > sizes.flash_limit_bytes:
        raise too_big(board, "flash", sizes.flash_bytes - sizes.flash_limit_bytes, sizes.arena_bytes)
    if sizes.ram_bytes + sizes.heap_bytes > sizes.ram_limit_bytes:
        excess = sizes.ram_bytes + sizes.heap_bytes - sizes.ram_limit_bytes
        raise too_big(board, "RAM", excess, sizes.arena_bytes)


def too_big(board: Board, kind: str, excess_bytes: int, arena_bytes: int) -> VerificationError:
    """The sentence for a firmware that is `excess_bytes` over the board's flash or RAM."""
    room, hint = f"{board.chip.flash_bytes:,} of flash", ""
    if kind == "RAM":
        room = f"{board.chip.ram_bytes:,} of RAM with {board.micropython.heap_bytes:,} of heap"
        left = arena_bytes + STACK_BYTES[isa(board.chip.core).dsp] - excess_bytes
        hint = f"generate it with --ram-limit {left}, " if left > 0 else ""
    return VerificationError(
        f"the firmware does not fit {board.name}: {excess_bytes:,} bytes more than its {room}; "
        f"{hint}make the network smaller or choose a larger board (`firmnet boards`)"
    )


def _symbols(image: ELFFile) -> Iterator[Symbol]:
    table = image.get_section_by_name(".symtab")
    if isinstance(table, SymbolTableSection):
        yield from table.iter_symbols()


def _local_sizes(image: ELFFile, source: str) -> Iterator[tuple[int, bool]]:
    """(bytes, writable?) of one C file's static data and functions: they follow the file's own symbol."""
    current = ""
    for symbol in _symbols(image):
        kind, place = symbol["st_info"]["type"], symbol["st_shndx"]
        if kind == "STT_FILE":
            current = symbol.name
        local = symbol["st_info"]["bind"] == "STB_LOCAL" and isinstance(place, int)
        if local and current == source and kind in ("STT_OBJECT", "STT_FUNC"):
            yield symbol["st_size"], bool(image.get_section(place)["sh_flags"] & WRITABLE)


def _global_bytes(image: ELFFile, prefix: str) -> int:
    """Bytes of the global symbols of a name's family: the model's constants."""
    found = (s for s in _symbols(image) if s.name.startswith(prefix) and s["st_info"]["bind"] == "STB_GLOBAL")
    return sum(int(symbol["st_size"]) for symbol in found)
