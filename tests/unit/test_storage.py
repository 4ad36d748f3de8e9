"""Does every board's room for files lie at the end of its flash, in whole sectors, clear of each other?"""

from dataclasses import replace

import pytest

from firmnet.assets import assets
from firmnet.targets import Board, board_ids, load_board, storage_of


@pytest.mark.parametrize("id", [id for id in board_ids() if storage_of(load_board(id))])
def test_the_places_are_whole_sectors_at_the_end_of_flash(id: str) -> None:
    board = load_board(id)
    chip, storage = board.chip, storage_of(board)
    assert storage
    assert storage.files.end == chip.flash_origin + chip.flash_bytes
    areas = [storage.files, *([storage.romfs] if storage.romfs else [])]
    for area in areas:
        assert (area.origin - chip.flash_origin) % storage.erase_bytes == 0
        assert area.size_bytes % max(storage.erase_bytes, 4096) == 0
    assert storage.romfs is None or storage.romfs.end == storage.files.origin
    assert min(area.origin for area in areas) >= chip.flash_origin + chip.flash_bytes // 2
    assert (assets("boards") / "baremetal" / "glue" / f"{storage.driver}.c").is_file()


def behind_a_bootloader(id: str, flash_bytes: int, taken_bytes: int) -> Board:
    board = load_board(id)
    origin = board.chip.flash_origin + taken_bytes
    return replace(
        board, chip=replace(board.chip, flash_origin=origin, flash_bytes=flash_bytes - taken_bytes)
    )


@pytest.mark.parametrize("id", ["blackpill_f411ce", "nucleo_h743zi", "b_l475e_iot01a", "pico"])
def test_behind_a_bootloader_they_are_where_they_were(id: str) -> None:
    board = load_board(id)
    behind = storage_of(behind_a_bootloader(id, board.chip.flash_bytes, 0x8000))
    before = storage_of(board)
    assert behind
    assert before
    assert behind.files.end == before.files.end
    assert (behind.files.origin - before.files.origin) % before.erase_bytes == 0


def test_flash_that_does_not_end_where_the_chips_does_is_left_alone() -> None:
    for id in ("blackpill_f411ce", "b_l475e_iot01a", "microbit_v2"):
        bytes_there = load_board(id).chip.flash_bytes
        assert storage_of(behind_a_bootloader(id, bytes_there - 0x8000, 0)) is None


def test_boards_whose_flash_nobody_writes_have_none() -> None:
    assert [storage_of(load_board(id)) for id in ("nano33ble", "bluepill_f103c8")] == [None, None]
