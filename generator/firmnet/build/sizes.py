"""How big is a firmware, and does it fit its board? Read from the ELF, byte for byte."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from ..board import Board
from ..errors import VerificationError

ALLOCATED = 2  # SHF_ALLOC: the section takes memory on the board
RESERVE = ".reserve"  # cortexm.ld: stack and least heap, which are counted by their own names


@dataclass(frozen=True)
class Sizes:
    """Bytes of flash and RAM.

    `ram_bytes` are the variables: `arena_bytes` of the model and everything else's. Beside them lie the stack
    and MicroPython's heap: on bare metal all RAM that is left, under an Arduino core what was reserved (a
    variable too, so part of `ram_bytes`).
    """

    flash_bytes: int
    flash_limit_bytes: int
    ram_bytes: int
    ram_limit_bytes: int
    arena_bytes: int
    stack_bytes: int
    heap_bytes: int
    model_flash_bytes: int

    def lines(self) -> list[str]:
        """For people: what the firmware takes of its board, and what it leaves."""
        other = self.ram_bytes - self.arena_bytes
        flash = f"{self.flash_bytes:,} of {self.flash_limit_bytes:,} bytes, the model {self.model_flash_bytes:,}"
        ram = f"{self.ram_limit_bytes:,} bytes: arena {self.arena_bytes:,}, stack {self.stack_bytes:,}"
        heap = f"MicroPython heap left {self.heap_bytes:,}, other variables {other:,}"
        return [f"flash     {flash}", f"RAM       {ram}, {heap}"]


def measure(elf: Path, board: Board, model: str) -> Sizes:
    """Sizes of a linked firmware of `board` that carries `model`."""
    with elf.open("rb") as file:
        image = ELFFile(file)
        flash, ram = 0, 0
        for section in image.iter_sections():
            if not section["sh_flags"] & ALLOCATED or section.name == RESERVE:
                continue
            in_ram = (
                board.chip.ram_origin <= section["sh_addr"] < board.chip.ram_origin + board.chip.ram_bytes
            )
            ram += section["sh_size"] if in_ram else 0
            flash += section["sh_size"] if section["sh_type"] != "SHT_NOBITS" else 0
        symbols = {symbol.name: symbol for symbol in _symbols(image)}
        heap = (
            symbols["__heap_bytes"]["st_value"] if "__heap_bytes" in symbols else board.micropython.heap_bytes
        )
        return Sizes(
            flash_bytes=flash,
            flash_limit_bytes=board.chip.flash_bytes,
            ram_bytes=ram,
            ram_limit_bytes=board.chip.ram_bytes,
            arena_bytes=_size_in_file(image, f"{model}.c", ("STT_OBJECT",), writable=True),
            stack_bytes=board.micropython.stack_bytes,
            heap_bytes=heap,
            model_flash_bytes=_model_flash(image, model),
        )


def check_fit(sizes: Sizes, board: Board) -> None:
    """Raise VerificationError, saying by how many bytes, unless the firmware fits the board."""
    for kind, used, limit in (
        ("flash", sizes.flash_bytes, sizes.flash_limit_bytes),
        ("RAM", sizes.ram_bytes, sizes.ram_limit_bytes),
    ):
        if used > limit:
            raise too_big(board, kind, used - limit)


def too_big(board: Board, kind: str, excess_bytes: int) -> VerificationError:
    limit = board.chip.flash_bytes if kind == "flash" else board.chip.ram_bytes
    return VerificationError(
        f"the firmware does not fit {board.name}: {excess_bytes:,} bytes too many for its {limit:,} bytes of {kind}; "
        "make the network smaller or choose a larger board (`firmnet boards`)"
    )


def _symbols(image: ELFFile) -> Iterator[Any]:
    table = image.get_section_by_name(".symtab")
    return iter(()) if table is None else table.iter_symbols()


def _size_in_file(image: ELFFile, source: str, kinds: tuple[str, ...], *, writable: bool) -> int:
    """Bytes of the local symbols that came from one C file; the symbol table lists them under the file's name."""
    total, current = 0, ""
    for symbol in _symbols(image):
        if symbol["st_info"]["bind"] != "STB_LOCAL":
            continue
        if symbol["st_info"]["type"] == "STT_FILE":
            current = symbol.name
        elif current == source and symbol["st_info"]["type"] in kinds:
            section = image.get_section(symbol["st_shndx"]) if isinstance(symbol["st_shndx"], int) else None
            if section is not None and bool(section["sh_flags"] & 1) == writable:
                total += symbol["st_size"]
    return total


def _model_flash(image: ELFFile, model: str) -> int:
    """Code and constants of the model's own C files: local symbols by file, global ones by their prefix."""
    local = _size_in_file(image, f"{model}.c", ("STT_OBJECT", "STT_FUNC"), writable=False)
    shared = (symbol for symbol in _symbols(image) if symbol.name.startswith(f"{model}_"))
    return local + sum(s["st_size"] for s in shared if s["st_info"]["bind"] == "STB_GLOBAL")
