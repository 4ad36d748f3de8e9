"""How big is a firmware, and does it fit its board? Read from the ELF, byte for byte."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, Symbol

from ..codegen.symbols import is_of
from ..errors import VerificationError
from ..image import symbol_table
from ..ir import Graph
from ..plan import least
from ..targets import RUNTIME_NAMES, Board, Runtime, isa, needs, storage_of

WRITABLE, ALLOCATED = 1, 2  # SHF_WRITE, SHF_ALLOC: the section takes memory on the board
ROOM = re.compile("heap|stack|reserve")
"""Sections of these names are room, not contents: mbed's `.heap` and `.stack` take all that is left of RAM,
stm32duino's `._user_heap_stack` and our `.reserve` the least that must stay."""
THREAD_STACK = "_main_stack"
"""mbed runs the sketch in a thread whose stack this variable is; other stacks begin at the end of RAM."""
CORE_GUARD_BYTES = 1_312
"""Below the stack, on a core without threads: its guard, and what a fault leaves for after a reset
(arduino_faults.c).
"""
CORE_HEAP = "fn_heap"
"""arduino.cpp's variable that MicroPython's heap is; on bare metal it is what is left."""


@dataclass(frozen=True)
class FirmwareSizes:
    """Bytes of flash and RAM.

    RAM is the model's arena, all other variables, the stack, what the Arduino core's own malloc must find,
    and MicroPython's heap: on bare metal whatever is left, under an Arduino core what the board file says.
    The C runtime has none: `heap_bytes` is what nobody uses.
    """

    flash_bytes: int
    flash_limit_bytes: int
    model_flash_bytes: int
    ram_limit_bytes: int
    arena_bytes: int
    variables_bytes: int
    stack_bytes: int
    heap_bytes: int
    malloc_bytes: int = 0
    runtime: Runtime = "micropython"
    files_bytes: int | None = None
    romfs_bytes: int = 0
    """Of spare flash, beside the firmware; None: nobody writes this board's flash."""

    @property
    def ram_bytes(self) -> int:
        """Everything but MicroPython's heap, or what nobody uses."""
        return self.arena_bytes + self.variables_bytes + self.stack_bytes + self.malloc_bytes

    def lines(self) -> list[str]:
        """For people, in the words of `firmnet profile`; docs/profiling.md puts both beside each other."""
        flash = f"{self.flash_bytes:,} of {self.flash_limit_bytes:,} B"
        ram = f"{self.ram_bytes:,} of {self.ram_limit_bytes:,} B"
        model, rest = self.model_flash_bytes, self.flash_bytes - self.model_flash_bytes
        malloc = f", the core's malloc {self.malloc_bytes:,}" if self.malloc_bytes else ""
        parts = f"arena {self.arena_bytes:,}, variables {self.variables_bytes:,}, stack {self.stack_bytes:,}"
        runtime = RUNTIME_NAMES[self.runtime]
        left = f"MicroPython heap left {self.heap_bytes:,}"
        if self.runtime == "c":
            left = f"{self.ram_limit_bytes - self.ram_bytes:,} left"
        return [
            f"flash     {flash}: the model {model:,} (code, weights, tables), {runtime} and board {rest:,}",
            f"RAM       {ram}: {parts}{malloc}; {left}",
            *self._files_lines(),
        ]

    def _files_lines(self) -> list[str]:
        if self.files_bytes is None:
            return []
        if not self.files_bytes:
            return ["files     no room: the firmware reaches into the flash where they would lie"]
        romfs = f"{self.romfs_bytes:,} B for a ROMFS" if self.romfs_bytes else "none for a ROMFS"
        return [f"files     {self.files_bytes:,} B of spare flash, {romfs}"]


def measure(elf: Path, board: Board, model: str, runtime: Runtime = "micropython") -> FirmwareSizes:
    """Sizes of a linked firmware of `board` that carries `model`."""
    chip, taken = board.chip, needs(board, runtime)
    with elf.open("rb") as file:
        image = ELFFile(file)
        symbols = symbol_table(image)
        placed = [section for section in image.iter_sections() if section["sh_flags"] & ALLOCATED]
        in_ram = [s for s in placed if chip.ram_origin <= s["sh_addr"] < chip.ram_origin + chip.ram_bytes]
        used = sum(_contents_bytes(symbols, section) for section in in_ram)
        local = list(_local_sizes(image, symbols, f"{model}.c"))
        arena = sum(size for size, writable in local if writable)
        code = sum(size for size, writable in local if not writable)
        left = next((s["st_value"] for s in symbols if s.name == "__heap_bytes"), None)
        heap = (_symbol_bytes(symbols, CORE_HEAP) or taken.heap_bytes) if left is None else left
        thread = _symbol_bytes(symbols, THREAD_STACK)
        guarded = taken.stack_bytes + (CORE_GUARD_BYTES if left is None else 0)
        files, romfs = _spare(image, board, official=left is None) if runtime == "micropython" else (None, 0)
        official = board.platformio if left is None else None
        return FirmwareSizes(
            flash_bytes=sum(s["sh_size"] for s in placed if s["sh_type"] != "SHT_NOBITS"),
            flash_limit_bytes=chip.flash_bytes,
            model_flash_bytes=code + _global_bytes(symbols, model),
            ram_limit_bytes=chip.ram_bytes,
            arena_bytes=arena,
            variables_bytes=used - arena - thread - (heap if left is None else 0),
            stack_bytes=_stack_bytes(in_ram, thread, guarded),
            heap_bytes=heap,
            malloc_bytes=official.malloc_bytes if official else 0,
            runtime=runtime,
            files_bytes=files,
            romfs_bytes=romfs,
        )


def _spare(image: ELFFile, board: Board, *, official: bool) -> tuple[int | None, int]:
    """What is left of flash for files and for a ROMFS, as files.c finds it; none in an emulator."""
    storage = storage_of(board) if board.flashable else None
    if storage is None or (official and not board.chip.mcu.startswith("stm32")):  # see arduino.cpp
        return None, 0
    end = image_end(image)
    romfs = storage.romfs if storage.romfs and end <= storage.romfs.origin else None
    return storage.usable_bytes if end <= storage.files.origin else 0, romfs.size_bytes if romfs else 0


def image_end(image: ELFFile) -> int:
    """The first address in flash behind a firmware and what it copies to RAM."""
    return max(int(s["p_paddr"] + s["p_filesz"]) for s in image.iter_segments("PT_LOAD") if s["p_filesz"])


def _contents_bytes(symbols: Sequence[Symbol], section: Section) -> int:
    """What a section holds: of room that is left for heap or stack, only the variables that lie in it."""
    if not ROOM.search(section.name):
        return int(section["sh_size"])
    start, end = section["sh_addr"], section["sh_addr"] + section["sh_size"]
    inside = (s for s in symbols if s["st_info"]["type"] == "STT_OBJECT")
    return sum(int(s["st_size"]) for s in inside if start <= s["st_value"] < end)


def _stack_bytes(in_ram: Sequence[Section], thread_bytes: int, board_bytes: int) -> int:
    """The main thread's stack and the interrupts', or the board file's where one stack serves both."""
    reserved = sum(int(s["sh_size"]) for s in in_ram if "stack" in s.name and "heap" not in s.name)
    return thread_bytes + reserved if thread_bytes else max(board_bytes, reserved)


def check_fit(sizes: FirmwareSizes, board: Board, graph: Graph) -> None:
    """Raise VerificationError, saying by how many bytes, unless the firmware fits the board."""
    if sizes.flash_bytes > sizes.flash_limit_bytes:
        excess = sizes.flash_bytes - sizes.flash_limit_bytes
        raise too_big(board, "flash", excess, sizes.arena_bytes, graph, sizes.runtime)
    if sizes.ram_bytes + sizes.heap_bytes > sizes.ram_limit_bytes:
        excess = sizes.ram_bytes + sizes.heap_bytes - sizes.ram_limit_bytes
        raise too_big(board, "RAM", excess, sizes.arena_bytes, graph, sizes.runtime)


def overflow(said: str) -> tuple[str, int] | None:
    """("RAM" or "flash", bytes too many) where the linker said so; mbed's script has its own way."""
    if region := re.search(r"region [`'](\w+)' overflowed by (\d+) bytes", said):
        return "RAM" if "RAM" in region[1].upper() else "flash", int(region[2])
    if back := re.search(r"cannot move location counter backwards \(from (\w+) to (\w+)\)", said):
        return "RAM", int(back[1], 16) - int(back[2], 16)
    return None


def too_big(
    board: Board,
    kind: str,
    excess_bytes: int,
    arena_bytes: int,
    graph: Graph,
    runtime: Runtime = "micropython",
) -> VerificationError:
    """The sentence for a firmware that is `excess_bytes` over the board's flash or RAM.

    It advises a RAM limit only where `graph` can be planned to keep it.
    """
    fix = "make the network smaller or choose a larger board (`firmnet boards`)"
    room = f"{board.chip.flash_bytes:,} of flash"
    if kind == "RAM":
        heap_bytes = needs(board, runtime).heap_bytes
        room = f"{board.chip.ram_bytes:,} of RAM" + (f" with {heap_bytes:,} of heap" if heap_bytes else "")
        smallest = least(graph, isa=isa(board.chip.core))
        left = arena_bytes + smallest.stack_bytes - excess_bytes
        if left >= smallest.ram_bytes:
            fix = f"generate it with --ram-limit {left}, {fix}"
        else:
            fix = f"the model cannot be planned for less than {smallest.ram_bytes:,} bytes, {fix}"
    if kind == "flash" and runtime == "micropython":
        fix = f"generate it with --runtime c, which has no prompt and takes little, {fix}"
    return VerificationError(
        f"the firmware does not fit {board.name}: {excess_bytes:,} bytes more than its {room}; {fix}"
    )


def _symbol_bytes(symbols: Sequence[Symbol], name: str) -> int:
    """Bytes of a variable; 0 where there is none of that name."""
    return next((int(s["st_size"]) for s in symbols if s.name == name), 0)


def _local_sizes(image: ELFFile, symbols: Sequence[Symbol], source: str) -> Iterator[tuple[int, bool]]:
    """(bytes, writable?) of one C file's static data and functions: they follow the file's own symbol."""
    current = ""
    for symbol in symbols:
        kind, place = symbol["st_info"]["type"], symbol["st_shndx"]
        if kind == "STT_FILE":
            current = symbol.name
        local = symbol["st_info"]["bind"] == "STB_LOCAL" and isinstance(place, int)
        if local and current == source and kind in ("STT_OBJECT", "STT_FUNC"):
            yield symbol["st_size"], bool(image.get_section(place)["sh_flags"] & WRITABLE)


def _global_bytes(symbols: Sequence[Symbol], model: str) -> int:
    """Bytes of the model's global symbols: its constants."""
    found = (s for s in symbols if is_of(model, s.name) and s["st_info"]["bind"] == "STB_GLOBAL")
    return sum(int(symbol["st_size"]) for symbol in found)
