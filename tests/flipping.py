"""What does verify say of a firmware with one bit flipped, anywhere in what the build puts into flash?"""

import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from elftools.elf.elffile import ELFFile

from firmnet.artifact import Artifact
from firmnet.devices import qemu
from firmnet.devices.parts import Parts
from firmnet.errors import VerificationError
from firmnet.image import Image, Region, read_image
from firmnet.verify import verify

TIMEOUT_S = 2.5
"""How long a dead image may be silent; a live one answers in a tenth of that."""
PATIENCE_S = 30.0
"""Of an image whose code is whole: it answers, however busy the machine is."""


@dataclass(frozen=True)
class Flip:
    """One bit of the byte at `address`, which is at `offset` in the firmware file and belongs to `symbol`."""

    address: int
    offset: int
    bit: int
    symbol: str
    part: str


@dataclass(frozen=True)
class Told:
    """What became of a flip: "named" (the address), "refused" (it does not run or answer), or "verified"."""

    flip: Flip
    how: str
    said: str


def flips(artifact: Artifact, count: int, seed: int = 0) -> list[Flip]:
    """Half of them spread over all bytes alike, half over the parts of the firmware alike."""
    chance = random.Random(seed)
    image = read_image(artifact.firmware / "firmware.elf")
    offsets, names = file_offsets(artifact, image), Parts(artifact, image)

    def flip(region: Region, start: int) -> Flip:
        symbol = image.at(region.linked + start).name
        address, offset = region.address + start, offsets[region.section] + start
        return Flip(address, offset, chance.randrange(8), symbol, part_of(names, region, start))

    parts: dict[str, list[tuple[Region, int]]] = {}
    for region in image.regions:
        for symbol in image.symbols:
            start = symbol.address - region.linked
            if 0 <= start <= len(region.data) - symbol.size:
                places = parts.setdefault(part_of(names, region, start), [])
                places += [(region, start + chance.randrange(symbol.size)) for _ in range(4)]
    sizes = [len(region.data) for region in image.regions]
    chosen = chance.choices(image.regions, sizes, k=count // 2)
    spread = [flip(region, chance.randrange(len(region.data))) for region in chosen]
    rounds = [flip(*chance.choice(parts[kind])) for kind in sorted(parts) * (count // len(parts) + 1)]
    return spread + rounds[: count - len(spread)]


def part_of(names: Parts, region: Region, start: int) -> str:
    """The kind of thing a byte is."""
    return names.owner(replace(region, linked=region.linked + start))


def file_offsets(artifact: Artifact, image: Image) -> dict[str, int]:
    """Where each section begins in the firmware file."""
    with (artifact.firmware / "firmware.elf").open("rb") as file:
        elf = ELFFile(file)
        return {
            region.section: elf.get_section_by_name(region.section)["sh_offset"] for region in image.regions
        }


def told(artifact: Artifact, flip: Flip, elf: Path) -> Told:
    """Boot a copy of the firmware with that bit flipped, and verify it."""
    content = bytearray((artifact.firmware / "firmware.elf").read_bytes())
    content[flip.offset] ^= 1 << flip.bit
    elf.write_bytes(content)
    timeout_s = PATIENCE_S if flip.part.startswith("a constant of layer") else TIMEOUT_S
    try:
        with qemu.QemuDevice(artifact, timeout_s, elf) as device:
            verdict = verify(artifact, device, artifact.samples[:3], layers=True)
    except VerificationError as error:
        return Told(flip, "named" if f"0x{flip.address:08x} is 0x" in str(error) else "refused", str(error))
    return Told(flip, "verified" if verdict.ok else "named", verdict.sentence())


def all_told(artifact: Artifact, wanted: Iterable[Flip], at_once: int = 4) -> Iterator[Told]:
    """In order; a few emulators at a time."""
    with TemporaryDirectory(prefix="firmnet-") as folder, ThreadPoolExecutor(at_once) as pool:
        jobs = [
            pool.submit(told, artifact, flip, Path(folder) / f"{number}.elf")
            for number, flip in enumerate(wanted)
        ]
        for job in jobs:
            yield job.result()
