"""How is a firmware told to a UF2 bootloader? In blocks of 512 bytes that say where their 256 bytes go."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import UserError
from ..image import Region, read_image
from ..targets import Board

PAYLOAD_BYTES = 256
UF2_BLOCK = struct.Struct("<8I476sI")
MAGICS = 0x0A324655, 0x9E5D5157, 0x0AB16F30
HAS_FAMILY = 0x2000


def uf2_of(elf: Path, board: Board) -> bytes:
    """The file for what a firmware puts into the flash of a board with `uf2_family`; UserError: nothing."""
    chip = board.chip
    assert board.flash.uf2_family is not None
    inside = range(chip.flash_origin, chip.flash_origin + chip.flash_bytes)
    regions = [region for region in read_image(elf).regions if region.address in inside]
    if not regions:
        raise UserError(f"{elf} holds nothing for the flash of {board.name}: build it again")
    return uf2(regions, board.flash.uf2_family)


def uf2(regions: Sequence[Region], family: int) -> bytes:
    """The file for what lies in flash; what no region says of a page is 0."""
    pages = dict(sorted(_pages(regions).items()))
    first, second, last = MAGICS
    return b"".join(
        UF2_BLOCK.pack(
            first, second, HAS_FAMILY, address, PAYLOAD_BYTES, i, len(pages), family, bytes(page), last
        )
        for i, (address, page) in enumerate(pages.items())
    )


def read_uf2(file: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Of each block its family, address and bytes; ValueError for what is no whole UF2 file."""
    if not file or len(file) % UF2_BLOCK.size:
        raise ValueError(f"{len(file)} bytes are no number of UF2 blocks")
    count = len(file) // UF2_BLOCK.size
    for i in range(count):
        first, second, flags, address, size, number, total, family, data, last = UF2_BLOCK.unpack_from(
            file, i * UF2_BLOCK.size
        )
        if (first, second, last) != MAGICS or (number, total) != (i, count) or not flags & HAS_FAMILY:
            raise ValueError(f"block {i} is none of UF2's")
        yield family, address, data[:size]


def _pages(regions: Sequence[Region]) -> dict[int, bytearray]:
    pages: dict[int, bytearray] = {}
    for region in regions:
        for address in range(region.address - region.address % PAYLOAD_BYTES, region.end, PAYLOAD_BYTES):
            start, end = max(address, region.address), min(address + PAYLOAD_BYTES, region.end)
            page = pages.setdefault(address, bytearray(PAYLOAD_BYTES))
            page[start - address : end - address] = region.data[start - region.address : end - region.address]
    return pages
