"""Does a board's flash hold, byte for byte, the firmware that was built? If not, what is it that differs?"""

import secrets
import zlib
from collections.abc import Iterator
from itertools import chain, islice

from .artifact import Artifact
from .devices.device import HasFlash
from .devices.parts import Parts
from .errors import VerificationError
from .image import Region, contiguous, read_image
from .provenance import published

BLOCK_BYTES = 65536
"""Asked for at once: 50 ms of work for a slow core."""
MOST_BYTES = 3
"""So many differing bytes are looked for and named."""


def measure(artifact: Artifact, device: HasFlash) -> int:
    """Compare everything that the build put into flash (and code that runs in RAM); returns its bytes.

    VerificationError naming the first bytes that differ: address, symbol, and the layer or part of the
    firmware it belongs to; or what the board said when it would not tell.
    """
    image = read_image(published(artifact))
    seed = secrets.randbits(32)  # an answer learnt earlier is of no use
    blocks = [block for region in contiguous(image.regions) for block in _blocks(region)]
    wrong = [block for block in blocks if not _holds(device, block, seed)]
    if wrong:
        changes = chain.from_iterable(_changes(device, block, seed) for block in wrong)
        found, parts = list(islice(changes, MOST_BYTES)), Parts(artifact, image)
        raise VerificationError(_sentence(artifact, device.name, parts, found, len(wrong), len(blocks)))
    return image.size


def _blocks(region: Region) -> Iterator[Region]:
    for start in range(0, len(region.data), BLOCK_BYTES):
        yield _piece(region, start, start + BLOCK_BYTES)


def _piece(region: Region, start: int, stop: int) -> Region:
    return Region(region.section, region.address + start, region.linked + start, region.data[start:stop])


def _holds(device: HasFlash, block: Region, seed: int) -> bool:
    return device.memory_crc(block.address, len(block.data), seed) == zlib.crc32(block.data, seed)


def _changes(device: HasFlash, block: Region, seed: int) -> Iterator[tuple[Region, int | None]]:
    """The differing bytes of a block that differs, one by one, and what the board has there.

    None: one byte has no such CRC-32, or the block's halves are right though the whole was not; then the
    board's answers do not fit each other.
    """
    if len(block.data) == 1:
        told = device.memory_crc(block.address, 1, seed)
        yield block, next((byte for byte in range(256) if zlib.crc32(bytes([byte]), seed) == told), None)
        return
    half = len(block.data) // 2
    halves = [_piece(block, 0, half), _piece(block, half, len(block.data))]
    wrong = [piece for piece in halves if not _holds(device, piece, seed)]
    if not wrong:
        yield block, None
    for piece in wrong:
        yield from _changes(device, piece, seed)


def _sentence(
    artifact: Artifact,
    device: str,
    parts: Parts,
    found: list[tuple[Region, int | None]],
    wrong: int,
    blocks: int,
) -> str:
    """What differs, for people."""
    if any(byte is None for _, byte in found):
        return (
            f"{device} does not tell what is in its flash: its answers about 0x{found[0][0].address:08x} "
            f"contradict each other; flash it with `firmnet flash {artifact.path}`"
        )
    told = [
        f"0x{at.address:08x} is 0x{byte:02x}, built as 0x{at.data[0]:02x}, {parts.name(at)}"
        for at, byte in found
    ]
    more = "" if len(found) < MOST_BYTES else f" (there may be more; {wrong} of {blocks} blocks differ)"
    return (
        f"the flash of {device} does not hold the firmware that was built: {'; '.join(told)}{more}; "
        f"flash it with `firmnet flash {artifact.path}`"
    )
