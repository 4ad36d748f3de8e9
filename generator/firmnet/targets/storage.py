"""Where in a chip's flash is room for files? At its end, in whole sectors, if the firmware ends before."""

from dataclasses import dataclass

from .board import Board, Chip
from .machines import Memory

KIB = 1024
LOG_BYTES = 96 * KIB
"""Of a log on two sectors of 128 KB: FN_LOG_BYTES."""


@dataclass(frozen=True)
class SpareFlash:
    """Two areas: of files that the board writes, and of ROMFS, which is written whole and read in place.

    `driver`: the file of glue/ that erases and writes this flash, `erase_bytes` at once. `log`: these are too
    large for a block of a file system, so that what is written goes to the end of a log (flash_log.c).
    """

    driver: str
    erase_bytes: int
    files: Memory
    romfs: Memory | None
    log: bool = False

    @property
    def usable_bytes(self) -> int:
        """What fits into the file system."""
        return LOG_BYTES if self.log else self.files.size_bytes


def storage_of(board: Board) -> SpareFlash | None:
    """What MicroPython has of a board's flash; None: nobody can write it, or it is too small."""
    chip = board.chip
    line = chip.mcu.lower()
    plus = line.startswith(("stm32l4p", "stm32l4q", "stm32l4r", "stm32l4s"))
    if board.baremetal.glue == "stm32l4_usart" and chip.flash_bytes == (2 if plus else 1) * KIB * KIB:
        return _pages("stm32l4_flash", chip, 4 * KIB if plus else 2 * KIB)
    if board.baremetal.glue == "nrf5_uart" and line.startswith("nrf52") and chip.flash_bytes >= 512 * KIB:
        return _pages("nrf52_flash", chip, 4 * KIB)
    if board.baremetal.glue == "stm32f4_usart" and 512 * KIB <= chip.flash_bytes <= KIB * KIB:
        return _large_sectors("stm32f4_flash", chip, 128 * KIB)
    if board.baremetal.glue in ("rp2040_usb", "rp2040_uart") and chip.flash_bytes >= 1024 * KIB:
        return _pages("rp2040_flash", chip, 4 * KIB)
    return None


def _pages(driver: str, chip: Chip, page_bytes: int) -> SpareFlash:
    """A quarter for files, a quarter for ROMFS, of each at most 256 KB."""
    size = min(chip.flash_bytes // 4, 256 * KIB)
    end = chip.flash_origin + chip.flash_bytes
    return SpareFlash(driver, page_bytes, Memory(end - size, size), Memory(end - 2 * size, size))


def _large_sectors(driver: str, chip: Chip, sector_bytes: int) -> SpareFlash:
    """The last two for files; of 1 MB the two before them for ROMFS."""
    size, end = 2 * sector_bytes, chip.flash_origin + chip.flash_bytes
    romfs = Memory(end - 2 * size, size) if chip.flash_bytes >= 8 * sector_bytes else None
    return SpareFlash(driver, sector_bytes, Memory(end - size, size), romfs, log=True)
