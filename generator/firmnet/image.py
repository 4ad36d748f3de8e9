"""What does a linked firmware put into flash, and what is each byte of it?"""

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection

from .errors import UserError

ALLOCATED = 2  # SHF_ALLOC: the section takes memory on the board
OBJECT, FUNCTION, FILE = 1, 2, 4  # STT_OBJECT, STT_FUNC, STT_FILE
LOCAL, RESERVED_SECTIONS = 0, 0xFF00  # STB_LOCAL, SHN_LORESERVE
UNREADABLE = (
    *(OSError, ELFError, struct.error, ValueError),
    *(LookupError, TypeError, AttributeError, RecursionError),
)
"""What reading a damaged file may end in."""
THUMB = 1  # the lowest bit of a function's address says which instructions it has


@dataclass(frozen=True)
class Region:
    """Bytes that lie at `address` for as long as the firmware runs; they were linked for address `linked`.

    The two differ for variables: their first values lie in flash, they themselves in RAM.
    """

    section: str
    address: int
    linked: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True)
class Symbol:
    """A named piece of the image: `address` as linked; `source` is the file it comes from, if known."""

    name: str
    address: int
    size: int
    source: str


@dataclass(frozen=True)
class Image:
    """A firmware file: what of it stays as it is in memory, ascending, and what it calls its parts."""

    regions: tuple[Region, ...]
    symbols: tuple[Symbol, ...]
    marks: tuple[Symbol, ...]
    """Where the code and constants of a source begin, ascending."""

    @property
    def size(self) -> int:
        """Bytes of all regions."""
        return sum(len(region.data) for region in self.regions)

    def value(self, symbol: str) -> bytes:
        """The bytes of a symbol; empty when there is none."""
        for found in self.symbols:
            if found.name == symbol:
                for region in self.regions:
                    start = found.address - region.linked
                    if 0 <= start < len(region.data):
                        return region.data[start : start + found.size]
        return b""

    def at(self, linked: int) -> Symbol:
        """What was linked for an address; a symbol without a name where nothing is known."""
        around = [s for s in self.symbols if s.address <= linked < s.address + s.size]
        smallest = min(around, key=lambda symbol: symbol.size, default=Symbol("", linked, 0, ""))
        return replace(smallest, source=smallest.source or self._source(linked))

    def _source(self, linked: int) -> str:
        """The source of the last mark before an address, if it is in the same region."""
        before = bisect_right([mark.address for mark in self.marks], linked) - 1
        mark = self.marks[before] if before >= 0 else None
        for region in self.regions:
            if (
                mark
                and region.linked <= min(mark.address, linked)
                and linked < region.linked + len(region.data)
            ):
                return mark.source
        return ""


@dataclass(frozen=True)
class _Entry:
    """A line of the symbol table that has an address."""

    name: str
    kind: int
    address: int
    size: int
    source: str


def read_image(elf: Path) -> Image:
    """The image of a firmware.elf; UserError when it is none."""
    try:
        with elf.open("rb") as file:
            parsed = ELFFile(file)
            regions = [_region(parsed, section) for section in parsed.iter_sections() if _is_loaded(section)]
            entries = list(_entries(parsed))
    except UNREADABLE as error:
        raise UserError(f"{elf} is not a complete firmware file ({error}): build it again") from None
    moved = [region for region in regions if region.address != region.linked]
    functions = [piece for region in moved for piece in _in_ram(entries, region)]
    return Image(
        tuple(sorted((*regions, *functions), key=lambda region: region.address)),
        tuple(_symbol(entry) for entry in entries if entry.kind in (OBJECT, FUNCTION) and entry.size),
        tuple(sorted(map(_symbol, filter(_is_mark, entries)), key=lambda mark: mark.address)),
    )


def _is_loaded(section: Section) -> bool:
    return bool(section["sh_flags"] & ALLOCATED and section["sh_type"] != "SHT_NOBITS" and section["sh_size"])


def _region(parsed: ELFFile, section: Section) -> Region:
    """A section where its segment has it loaded, which for variables is not where they live."""
    linked, start, data = section["sh_addr"], section["sh_offset"], section.data()
    for segment in parsed.iter_segments("PT_LOAD"):
        into = start - segment["p_offset"]
        if into >= 0 and into + len(data) <= segment["p_filesz"]:
            return Region(section.name, segment["p_paddr"] + into, linked, data)
    return Region(section.name, linked, linked, data)


def _entries(parsed: ELFFile) -> Iterator[_Entry]:
    """What has an address; local symbols come behind the symbol of their file.

    Read here by hand: pyelftools takes half a second for the thousands that a firmware has.
    """
    table = parsed.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return
    names, source = table.stringtable.data(), ""
    for start, address, size, info, _, section in struct.iter_unpack("<IIIBBH", table.data()):
        kind, local = info & 15, info >> 4 == LOCAL
        name = names[start : names.index(b"\0", start)].decode(errors="replace")
        if kind == FILE:
            source = name
        elif section and section < RESERVED_SECTIONS:
            address = address & ~THUMB if kind == FUNCTION else address
            yield _Entry(name, kind, address, size, source if local else "")


def _is_mark(entry: _Entry) -> bool:
    """The compiler sets a local symbol ($t, $d) at the begin of every piece of code or constants."""
    return bool(entry.source)


def _symbol(entry: _Entry) -> Symbol:
    return Symbol(entry.name, entry.address, entry.size, entry.source)


def _in_ram(entries: Sequence[_Entry], region: Region) -> Iterator[Region]:
    """Functions that run in RAM: there they must stay as they were copied."""
    for entry in entries:
        start = entry.address - region.linked
        if entry.kind == FUNCTION and entry.size and 0 <= start <= len(region.data) - entry.size:
            data = region.data[start : start + entry.size]
            yield Region(f"{region.section} in RAM", entry.address, entry.address, data)


def contiguous(regions: Sequence[Region]) -> list[Region]:
    """Neighbours that touch, joined: fewer to ask for. Names of sections are those of the first."""
    joined: list[Region] = []
    for region in regions:
        last = joined[-1] if joined else None
        if (
            last
            and last.end == region.address
            and last.address - last.linked == region.address - region.linked
        ):
            joined[-1] = Region(last.section, last.address, last.linked, last.data + region.data)
        else:
            joined.append(region)
    return joined
