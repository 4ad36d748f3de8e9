"""What is an image of ROMFS, MicroPython's file system of files that are read where they lie?"""

from collections.abc import Mapping

ROMFS_MAGIC = b"\xd2\xcd\x31"
VERBATIM, FILE = 2, 5
"""Kinds of records: the bytes of a file, and its name before them."""
LENGTH_BYTES = 5
"""Of the whole, so that what follows begins at a word's address."""
IN_PLACE_ALIGNMENT = 8
"""Every file's bytes begin at such an address, where the image does: constants are used in place."""
WRITTEN_BYTES = 16
"""An image is a whole number of what flash is written in."""


def image(files: Mapping[str, bytes]) -> bytes:
    """An image with these files at its top."""
    body = b""
    for name, data in files.items():
        body += _file(name.encode(), data, len(ROMFS_MAGIC) + LENGTH_BYTES + len(body))
    made = ROMFS_MAGIC + _number(len(body), LENGTH_BYTES) + body
    return made + bytes(-len(made) % WRITTEN_BYTES)


def _file(name: bytes, data: bytes, at: int) -> bytes:
    """The record at `at`, the length of its data written longer than it need be until that is aligned."""
    for digits in range(LENGTH_BYTES, LENGTH_BYTES + 2 * IN_PLACE_ALIGNMENT):
        inside = _number(len(name)) + name + _number(VERBATIM) + _number(len(data), digits) + data
        record = _number(FILE) + _number(len(inside)) + inside
        if (at + len(record) - len(data)) % IN_PLACE_ALIGNMENT == 0:
            return record
    raise AssertionError("one of eight in a row is a multiple of eight")


def _number(value: int, digits: int = 1) -> bytes:
    """Base 128, the most significant first; all but the last have their top bit set."""
    found = [value & 0x7F]
    while value := value >> 7:
        found.insert(0, 0x80 | value & 0x7F)
    return b"\x80" * (digits - len(found)) + bytes(found)
