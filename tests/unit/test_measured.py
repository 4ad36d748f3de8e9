"""Is every byte of a board's flash compared with what was built, and a board that lies about it refused?"""

import shutil
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from board_twin import FLASH, FLASH_ORIGIN, elf, save_artifact, two_layers

from firmnet.artifact import Artifact
from firmnet.errors import UserError, VerificationError
from firmnet.image import contiguous, read_image
from firmnet.measured import BLOCK_BYTES, measure


class Memory:
    """A device with this in its flash; it counts what it was asked."""

    name = "fake"

    def __init__(self, flash: bytes = FLASH) -> None:
        self.flash = flash
        self.asked: list[tuple[int, int]] = []

    def memory_crc(self, address: int, size: int, crc: int) -> int:
        self.asked.append((address, size))
        start = address - FLASH_ORIGIN
        assert 0 <= start <= len(self.flash) - size
        return zlib.crc32(self.flash[start : start + size], crc)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return save_artifact(tmp_path / "twin", two_layers())


def changed(*places: int, by: int = 1) -> bytes:
    flash = bytearray(FLASH)
    for place in places:
        flash[place] ^= by
    return bytes(flash)


def test_all_bytes_are_measured_in_few_requests(artifact: Artifact) -> None:
    memory = Memory()
    assert measure(artifact, memory) == len(FLASH)
    assert sum(size for _, size in memory.asked) == len(FLASH)
    assert len(memory.asked) == -(-len(FLASH) // BLOCK_BYTES)


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("place", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 70_000])
def test_one_bit_anywhere_is_named(artifact: Artifact, place: int, bit: int) -> None:
    with pytest.raises(VerificationError) as caught:
        measure(artifact, Memory(changed(place, by=1 << bit)))
    there, built = FLASH[place] ^ 1 << bit, FLASH[place]
    wanted = f"0x{FLASH_ORIGIN + place:08x} is 0x{there:02x}, built as 0x{built:02x}, in .text"
    assert wanted in str(caught.value)


def test_the_first_of_many_bytes_are_named_and_the_rest_told(artifact: Artifact) -> None:
    memory = Memory(bytes(reversed(FLASH)))
    with pytest.raises(VerificationError, match=r"there may be more; 2 of 2 blocks differ"):
        measure(artifact, memory)
    assert len(memory.asked) < 100


@pytest.mark.parametrize(
    "lie",
    [
        lambda true, asked: true ^ 1,
        lambda true, asked: 0,
        lambda true, asked: true ^ (asked > 1),
        lambda true, asked: true ^ (asked == BLOCK_BYTES),
    ],
    ids=["always-wrong", "constant", "wrong-but-for-bytes", "wrong-as-a-whole"],
)
def test_answers_that_no_memory_gives_are_called_so(artifact: Artifact, lie: object) -> None:
    class Liar(Memory):
        def memory_crc(self, address: int, size: int, crc: int) -> int:
            return int(lie(super().memory_crc(address, size, crc), size))  # type: ignore[operator]

    with pytest.raises(VerificationError):
        measure(artifact, Liar())


def test_answers_learnt_earlier_are_of_no_use(artifact: Artifact) -> None:
    known: dict[tuple[int, int], int] = {}

    class Replay(Memory):
        def memory_crc(self, address: int, size: int, crc: int) -> int:
            return known.setdefault((address, size), super().memory_crc(address, size, crc))

    assert measure(artifact, Replay()) == len(FLASH)
    with pytest.raises(VerificationError):
        measure(artifact, Replay())


def test_a_firmware_file_that_is_none_is_refused(tmp_path: Path) -> None:
    whole = elf({".text": (0x100, b"code"), ".data": (0x104, b"first values")})
    path = tmp_path / "firmware.elf"
    path.write_bytes(whole)
    image = read_image(path)
    assert [(region.section, region.address, region.data) for region in image.regions] == [
        (".text", 0x100, b"code"),
        (".data", 0x104, b"first values"),
    ]
    (joined,) = contiguous(image.regions)
    assert joined.data == b"codefirst values"
    for damaged in (b"", b"\x7fELF", whole[:60], whole[:-30]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is not a complete firmware file"):
            read_image(path)
    chance = np.random.default_rng(0)
    for _ in range(300):
        noise = bytearray(whole)
        for place in chance.integers(0, len(whole), 3):
            noise[place] = chance.integers(256)
        path.write_bytes(noise)
        with suppress(UserError):
            read_image(path)


LINKED = """
MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1M  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 64K }
SECTIONS {
  .text : { *(.text*) *(.rodata*) } > FLASH
  .data : ALIGN(8) { *(.fast*) *(.data*) } > RAM AT > FLASH
  .bss (NOLOAD) : { *(.bss*) } > RAM
}
"""
SOURCE = """
int counter = 5;
int cleared[100];
const int table[3] = {1, 2, 3};
__attribute__((section(".fast"), noinline)) int fast(int x) { return x * counter + table[x]; }
int _start(void) { return fast(cleared[2]); }
"""


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="arm-none-eabi-gcc is not installed")
def test_variables_are_measured_where_they_are_stored_and_code_also_where_it_runs(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(SOURCE)
    (tmp_path / "x.ld").write_text(LINKED)
    flags = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-nostdlib", "-T", "x.ld", "-o", "x.elf"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "x.c"], cwd=tmp_path, check=True, capture_output=True)
    image = read_image(tmp_path / "x.elf")
    text, data, fast = image.regions
    assert (text.section, text.address) == (".text", 0x0800_0000)
    assert (data.section, data.linked) == (".data", 0x2000_0000)
    assert text.end <= data.address < text.end + 16, "the first values lie behind the code"
    assert (fast.section, fast.address) == (".data in RAM", 0x2000_0000)
    assert data.data.startswith(fast.data)
    assert image.value("counter") == bytes([5, 0, 0, 0])
    assert image.value("table") == bytes([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])
    counter = next(symbol for symbol in image.symbols if symbol.name == "counter")
    assert image.at(counter.address).name == "counter"
    assert image.at(fast.address + 2).name == "fast"
    assert image.at(text.linked).source == "x.c"
