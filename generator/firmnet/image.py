"""What does a linked firmware put into flash, and what is each byte of it?"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection
from elftools.elf.sections import Symbol as TableEntry

from .errors import UserError

ALLOCATED, EXECUTABLE = 2, 4  # SHF_ALLOC, SHF_EXECINSTR: takes memory on the board, holds instructions
NAMED_TYPES = ("STT_FUNC", "STT_OBJECT")
UNREADABLE_ELF = (OSError, ELFError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
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
    """A firmware file: what of it stays as it is in memory, ascending, and what it calls its parts.

    Names are read when they are asked for: a firmware has thousands, and one that is as built needs none.
    """

    path: Path
    regions: tuple[Region, ...]

    @cached_property
    def _entries(self) -> tuple["_Entry", ...]:
        return read_entries(self.path)

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """Functions and variables."""
        return tuple(_symbol(entry) for entry in self._entries if entry.kind in NAMED_TYPES and entry.size)

    @cached_property
    def marks(self) -> tuple[Symbol, ...]:
        """Where the code and constants of a source begin, ascending."""
        marks = map(_symbol, filter(_is_mark, self._entries))
        return tuple(sorted(marks, key=lambda mark: mark.address))

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
    kind: str
    address: int
    size: int
    source: str


def read_image(elf: Path) -> Image:
    """The image of a firmware.elf; UserError when it is none."""
    with _reading(elf) as parsed:
        sections = [section for section in parsed.iter_sections() if _is_loaded(section)]
        regions = [_region(parsed, section) for section in sections]
    copied = [
        region
        for region, section in zip(regions, sections, strict=True)
        if region.address != region.linked and section["sh_flags"] & EXECUTABLE
    ]
    if copied:
        entries = read_entries(elf)
        regions += [piece for region in copied for piece in _in_ram(entries, region)]
    return Image(elf, tuple(sorted(regions, key=lambda region: region.address)))


def read_entries(elf: Path) -> tuple["_Entry", ...]:
    """The symbol table of a firmware.elf; UserError when it cannot be read."""
    with _reading(elf) as parsed:
        return tuple(_entries(symbol_table(parsed)))


_READ: dict[bytes, tuple[TableEntry, ...]] = {}
_MOST_READ = 4
"""A build, its verification and its profile read the same table several times, a third of a second each."""


def symbol_table(parsed: ELFFile) -> tuple[TableEntry, ...]:
    """All symbols in their order, read once where images have the same; empty where there is no table."""
    table = parsed.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return ()
    key = sha256(table.data() + table.stringtable.data()).digest()
    if key not in _READ:
        found = tuple(table.iter_symbols())
        while len(_READ) >= _MOST_READ:
            _READ.pop(next(iter(_READ)), None)
        _READ[key] = found
    return _READ[key]


@contextmanager
def _reading(elf: Path) -> Iterator[ELFFile]:
    try:
        with elf.open("rb") as file:
            yield ELFFile(file)
    except UNREADABLE_ELF as error:
        raise UserError(f"{elf} is not a complete firmware file ({error}): build it again") from None


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


def _entries(table: Sequence[TableEntry]) -> Iterator[_Entry]:
    """What has an address; local symbols come behind the symbol of their file."""
    source = ""
    for symbol in table:
        kind, local = symbol["st_info"]["type"], symbol["st_info"]["bind"] == "STB_LOCAL"
        if kind == "STT_FILE":
            source = symbol.name
        elif isinstance(symbol["st_shndx"], int):
            address = symbol["st_value"] & ~THUMB if kind == "STT_FUNC" else symbol["st_value"]
            yield _Entry(symbol.name, kind, address, symbol["st_size"], source if local else "")


def _is_mark(entry: _Entry) -> bool:
    """The compiler sets a local symbol ($t, $d) at the begin of every piece of code or constants."""
    return bool(entry.source)


def _symbol(entry: _Entry) -> Symbol:
    return Symbol(entry.name, entry.address, entry.size, entry.source)


def _in_ram(entries: Sequence[_Entry], region: Region) -> Iterator[Region]:
    """Functions that run in RAM: there they must stay as they were copied."""
    for entry in entries:
        start = entry.address - region.linked
        if entry.kind == "STT_FUNC" and entry.size and 0 <= start <= len(region.data) - entry.size:
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
