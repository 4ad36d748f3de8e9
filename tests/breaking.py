"""How is a processor made to stop in the middle of a layer? By a firmware with other instructions there."""

import struct
from pathlib import Path

from elftools.elf.elffile import ELFFile

from firmnet.artifact import Artifact
from firmnet.image import read_image

UNDEFINED = struct.pack("<H", 0xDE01)
CALL_FOR_EVER = struct.pack("<3H", 0xB500, 0xF7FF, 0xFFFD)
"""push {lr}; bl to that push."""
CALL_SLOWLY_FOR_EVER = struct.pack("<6H", 0xB500, 0x20FF, 0x3801, 0xD1FD, 0xF7FF, 0xFFFA)
"""push {lr}; movs r0, #255; subs r0, #1; bne to that; bl to the push: who looks every millisecond sees it."""
HANG = struct.pack("<H", 0xE7FE)


def address_of(artifact: Artifact, symbol: str) -> int:
    with (artifact.firmware / "firmware.elf").open("rb") as file:
        (found,) = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(symbol)
    return int(found["st_value"])


def store_to(address: int) -> bytes:
    return struct.pack("<2HI", 0x4800, 0x6000, address)  # ldr r0, [pc]; str r0, [r0]


def jump_to(address: int) -> bytes:
    return struct.pack("<2HI", 0x4800, 0x4780, address)  # ldr r0, [pc]; blx r0


def load_two_from(address: int) -> bytes:
    return struct.pack("<4HI", 0x4801, 0xE9D0, 0x1200, 0xBF00, address)  # ldr r0, [pc, #4]; ldrd r1, r2, [r0]


def changed(elf: Path, symbol: str, code: bytes) -> None:
    """Puts other bytes in the file where a symbol lies."""
    with elf.open("rb") as file:
        image = ELFFile(file)
        (found,) = image.get_section_by_name(".symtab").get_symbol_by_name(symbol)
        section = image.get_section(found["st_shndx"])
        offset = section["sh_offset"] + (found["st_value"] & ~1) - section["sh_addr"]
    content = bytearray(elf.read_bytes())
    content[offset : offset + len(code)] = code
    elf.write_bytes(content)


def broken(artifact: Artifact, layer: str, code: bytes, folder: Path) -> Path:
    """A copy of the firmware whose layer begins with other instructions; at a word, as what they load is."""
    elf = artifact.firmware / "firmware.elf"
    start = address_of(artifact, f"{artifact.manifest.name}__{layer}__kernel") & ~1
    content = bytearray(elf.read_bytes())
    (region,) = [r for r in read_image(elf).regions if r.linked <= start < r.linked + len(r.data)]
    code = bytes.fromhex("00bf") + code if start % 4 else code
    with elf.open("rb") as file:
        offset = ELFFile(file).get_section_by_name(region.section)["sh_offset"] + start - region.linked
    content[offset : offset + len(code)] = code
    (folder / "broken.elf").write_bytes(content)
    return folder / "broken.elf"
