"""Where in a chip's flash is room for files? At its end, in whole sectors, if the firmware ends before."""

from dataclasses import dataclass, replace

from .board import Board, Chip
from .machines import Memory

KIB = 1024
STM32 = 0x0800_0000
"""Where their flash begins."""
_F7_OF_1_MB = ("stm32f745", "stm32f746", "stm32f756")
"""Whose last three sectors have 256 KB each."""


@dataclass(frozen=True)
class SpareFlash:
    """Two areas: of files that the board writes, and of ROMFS, which is written whole and read in place.

    `driver`: the file of glue/ that erases and writes this flash, `erase_bytes` at once, and multiples of
    `write_bytes`. `log_bytes`: where sectors are too large for a block of a file system, what is written goes
    to the end of a log on two of them (flash_log.c), and so much may count of it; else 0.
    """

    driver: str
    erase_bytes: int
    files: Memory
    romfs: Memory | None
    log_bytes: int = 0
    write_bytes: int = 8

    @property
    def usable_bytes(self) -> int:
        """What fits into the file system."""
        return self.log_bytes or self.files.size_bytes


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
            romfs = 256 * KIB if end == STM32 + 1024 * KIB else 0
            return _log("stm32f4_flash", end, sector_bytes=128 * KIB, log_bytes=96 * KIB, romfs_bytes=romfs)
        case "stm32f7_usart" if line.startswith(_F7_OF_1_MB) and end == STM32 + 1024 * KIB:
            return _log("stm32f7_flash", end, sector_bytes=256 * KIB, log_bytes=192 * KIB)
        case "stm32h7_usart" if end == STM32 + 2048 * KIB:  # of the second bank, each half of four sectors
            made = _log("stm32h7_flash", end, 256 * KIB, log_bytes=160 * KIB, romfs_bytes=512 * KIB)
            return replace(made, write_bytes=32)
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


def _log(driver: str, end: int, sector_bytes: int, log_bytes: int, romfs_bytes: int = 0) -> SpareFlash:
    """Files in the last two sectors, a ROMFS before them."""
    files = Memory(end - 2 * sector_bytes, 2 * sector_bytes)
    romfs = Memory(files.origin - romfs_bytes, romfs_bytes) if romfs_bytes else None
    return SpareFlash(driver, sector_bytes, files, romfs, log_bytes)
