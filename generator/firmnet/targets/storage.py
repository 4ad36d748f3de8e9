"""Where in a chip's flash is room for files? At its end, in whole sectors, if the firmware ends before."""

from dataclasses import dataclass

from .board import Board, Chip
from .machines import Memory

KIB = 1024
STM32 = 0x0800_0000
"""Where their flash begins."""
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
    """What MicroPython has of a board's flash; None: nobody can write it, or it is too small.

    A firmware may begin behind a bootloader, but the flash must end where the chip's does.
    """
    chip, line = board.chip, board.chip.mcu.lower()
    end = chip.flash_origin + chip.flash_bytes
    plus = line.startswith(("stm32l4p", "stm32l4q", "stm32l4r", "stm32l4s"))
    match board.baremetal.glue:
        case "stm32l4_usart" if end == STM32 + (2048 if plus else 1024) * KIB:
            return _pages("stm32l4_flash", chip, 4 * KIB if plus else 2 * KIB)
        case "stm32f4_usart" if end in (STM32 + 512 * KIB, STM32 + 1024 * KIB):
            return _large_sectors("stm32f4_flash", end, 128 * KIB)
        case "nrf5_uart" if line.startswith("nrf52") and end in (512 * KIB, 1024 * KIB):
            return _pages("nrf52_flash", chip, 4 * KIB)
        case "rp2040_usb" | "rp2040_uart" if end % (64 * KIB) == 0 and chip.flash_bytes >= 1024 * KIB:
            return _pages("rp2040_flash", chip, 4 * KIB)
    return None


def _pages(driver: str, chip: Chip, page_bytes: int) -> SpareFlash:
    """A quarter for files, a quarter for ROMFS, of each at most 256 KB."""
    end = chip.flash_origin + chip.flash_bytes
    size = min(chip.flash_bytes // 4 // (64 * KIB) * 64 * KIB, 256 * KIB)
    return SpareFlash(driver, page_bytes, Memory(end - size, size), Memory(end - 2 * size, size))


def _large_sectors(driver: str, end: int, sector_bytes: int) -> SpareFlash:
    """The last two for files; of 1 MB the two before them for ROMFS."""
    size = 2 * sector_bytes
    romfs = Memory(end - 2 * size, size) if end == STM32 + 1024 * KIB else None
    return SpareFlash(driver, sector_bytes, Memory(end - size, size), romfs, log=True)
