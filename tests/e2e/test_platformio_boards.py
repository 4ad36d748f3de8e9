"""Do our board files say what PlatformIO's own say of chip, memory, uploaders? If those are installed."""

import json
from pathlib import Path
from typing import Any

import pytest

from firmnet.cache import cache_dir
from firmnet.targets import board_ids, load_board

OTHER_CLOCK = {"blackpill_f411ce": 96_000_000, "nucleo_h743zi": 480_000_000, "pico": 125_000_000}
"""What the Arduino core sets where that is not the `f_cpu` of PlatformIO's file."""


def installed(platform: str, board: str) -> Path | None:
    """PlatformIO's file of a board: of firmnet's cache, else of the user's own PlatformIO."""
    for core in (cache_dir() / "platformio", Path.home() / ".platformio"):
        path = core / "platforms" / platform / "boards" / f"{board}.json"
        if path.is_file():
            return path
    return None


@pytest.mark.parametrize("id", [id for id in board_ids() if load_board(id).platformio])
def test_the_board_is_as_platformio_knows_it(id: str) -> None:
    board = load_board(id)
    chip, official = board.chip, board.platformio
    assert official is not None
    path = installed(official.platform.partition("@")[0], official.board)
    if path is None:
        pytest.skip(f"PlatformIO's {official.platform} is not installed")
    theirs: dict[str, Any] = json.loads(path.read_text())
    build, upload = theirs["build"], theirs["upload"]
    assert build["mcu"].startswith(chip.mcu)
    assert chip.core in (build["cpu"], build["cpu"] + "f")
    assert int(build["f_cpu"].rstrip("L")) == chip.clock_hz or OTHER_CLOCK.get(id) == chip.clock_hz
    assert (chip.flash_bytes, chip.ram_bytes) == (upload["maximum_size"], upload["maximum_ram_size"])
    assert official.framework in theirs["frameworks"]
    assert official.upload_protocol in upload["protocols"]
    assert upload.get("use_1200bps_touch", False) == board.link.touch_1200
