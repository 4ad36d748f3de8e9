"""Which image is profiled? The model's C, unchanged, with a harness around it; and how big it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from ..assets import assets
from ..codegen.templates import render
from ..devices.compiled import Compiler, compiled
from ..devices.runner import Model
from ..ir import Array
from ..targets import core_named
from .recorders import BasicBlock

FLASH_ORIGIN, FLASH_BYTES = 0x0800_0000, 4 << 20
RAM_ORIGIN, RAM_BYTES = 0x2000_0000, 1 << 20
"""The linker script's memory: larger than any supported board's, so that every model can be looked at."""

VALUES_PER_ROW = 24


@dataclass(frozen=True)
class LoadedSegment:
    """Bytes that lie at an address before reset."""

    address: int
    content: bytes


@dataclass(frozen=True)
class ProfiledImage:
    """An ELF: what is loaded before reset, addresses and sizes of symbols, sizes of sections."""

    elf: Path
    segments: tuple[LoadedSegment, ...]
    symbols: dict[str, int]
    symbol_bytes: dict[str, int]
    sections: dict[str, int]

    def code(self, block: BasicBlock) -> bytes:
        """The machine code of a basic block."""
        for segment in self.segments:
            start = block.address - segment.address
            if start >= 0 and start + block.size <= len(segment.content):
                return segment.content[start : start + block.size]
        raise ValueError(f"the image has no code at {block.address:#x}")

    def bytes_of(self, *parts: str) -> int:
        """Bytes of the model's sections (see profile.ld), libraries it calls included, the harness not."""
        return sum(self.sections.get(f".model.{part}", 0) for part in parts)


def build(model: Model, samples: Array, core: str) -> ProfiledImage:
    """Compile and link `model` for `core` with samples, the bytes of all its inputs side by side.

    Raises UserError with the compiler's output when it does not build.
    """
    folder = assets("templates") / "profile"
    files = {f"model/{name}": text for name, text in model.files.items() if name.endswith((".c", ".h"))}
    values = samples.ravel().tolist()
    rows = [values[i : i + VALUES_PER_ROW] for i in range(0, len(values), VALUES_PER_ROW)]
    files["profile_subject.h"] = render(
        "profile/profile_subject.h.j2", name=model.name, rows=rows, sample_bytes=len(values)
    )
    files["harness/harness.c"] = (folder / "harness.c").read_text()
    files["profile.ld"] = (folder / "profile.ld").read_text()
    symbols = {"profile_flash_origin": FLASH_ORIGIN, "profile_ram_origin": RAM_ORIGIN}
    defined = (f"-Wl,--defsym={name}={value:#x}" for name, value in symbols.items())
    compiler = Compiler(
        "arm-none-eabi-gcc",
        core_named(core).cflags,
        ("-nostartfiles", "-specs=nano.specs", "-Tprofile.ld", *defined),
    )
    return read(compiled(files, compiler))


def read(elf: Path) -> ProfiledImage:
    """What the ELF says of itself."""
    with elf.open("rb") as file:
        image = ELFFile(file)
        segments = tuple(
            LoadedSegment(part["p_paddr"], part.data())
            for part in image.iter_segments("PT_LOAD")
            if part["p_filesz"]
        )
        table: Any = image.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        named = [s for s in table.iter_symbols() if s.name and s["st_shndx"] != "SHN_UNDEF"]
        symbols = {s.name: int(s["st_value"]) for s in named}
        symbol_bytes = {s.name: int(s["st_size"]) for s in named}
        sections = {s.name: int(s["sh_size"]) for s in image.iter_sections() if s["sh_flags"] & 2}
    return ProfiledImage(elf, segments, symbols, symbol_bytes, sections)
