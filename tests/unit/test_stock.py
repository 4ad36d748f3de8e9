"""Is a board with a MicroPython of its own known for what it can load, and does the module for it keep up?"""

import re

import pytest

from firmnet.assets import assets
from firmnet.build.romfs import IN_PLACE_ALIGNMENT, ROMFS_MAGIC, image
from firmnet.devices.stock import check_runs, runs
from firmnet.errors import UserError


def test_python_has_every_function_of_the_module_in_c() -> None:
    templates = assets("templates")
    in_c = re.findall(
        r"MP_QSTR_(\w+)\), MP_ROM_PTR\(&firmnet_", (templates / "micropython" / "modfirmnet.c").read_text()
    )
    for engine in ("native", "plain"):
        parts = [(templates / "stock" / f"{name}.py.j2").read_text() for name in ("module", engine)]
        in_python = re.findall(r"^def (\w+)\(", "\n".join(parts), re.M)
        assert {*in_c} <= {*in_python}
    assert len(in_c) > 20


@pytest.mark.parametrize(
    ("mpy", "architecture", "why"),
    [
        (6 | 3 << 8 | 7 << 10, "armv7emsp", ""),
        (6 | 3 << 8 | 7 << 10, "armv6m", ""),
        (6 | 3 << 8 | 5 << 10, "armv7emsp", "runs machine code for armv7m, this is for armv7emsp"),
        (6 | 3 << 8, "armv6m", "runs machine code for no architecture"),
        (6 | 2 << 8 | 7 << 10, "armv6m", r"runs machine code for version 6\.2, .* install MicroPython 1\.23"),
        (6 | 2 << 8 | 10 << 10, "python", ""),
        (6 | 2 << 8 | 10 << 10, "armv6m", "runs machine code for xtensawin, this is for armv6m"),
        (6 | 3 << 8 | 9 << 10, "python", ""),
        (5 | 7 << 10, "python", r"version 5, these are of 6"),
        (None, "armv6m", r"loads no \.mpy files"),
    ],
)
def test_a_board_that_cannot_load_the_code_is_told_apart(
    mpy: int | None, architecture: str, why: str
) -> None:
    if not why:
        return check_runs(runs(mpy, "COM3"), architecture, "COM3")
    with pytest.raises(UserError, match=why):
        check_runs(runs(mpy, "COM3"), architecture, "COM3")


@pytest.mark.parametrize(
    "size", [0, 1, 112, 113, 120, 121, 126, 127, 128, 129, 16_360, 16_376, 16_384, 40_000]
)
def test_files_in_an_image_begin_at_a_words_address(size: int) -> None:
    """Also where the length of one takes a digit more because another does."""
    files = {"a.mpy": b"\x01" * size, "longer_name.mpy": b"\x02" * (size + 1), "m.bin": b"\x03" * 9}
    made, at = image(files), len(ROMFS_MAGIC)
    whole, at = number(made, at)
    end = at + whole
    found = {}
    while at < end:
        kind, at = number(made, at)
        length, at = number(made, at)
        following = at + length
        length, name_at = number(made, at)
        name, at = made[name_at : name_at + length], name_at + length
        verbatim, at = number(made, at)
        length, at = number(made, at)
        assert (kind, verbatim, at % IN_PLACE_ALIGNMENT) == (5, 2, 0)
        found[name.decode()] = made[at : at + length]
        at = following
    assert found == files
    assert not any(made[end:])


def number(data: bytes, at: int) -> tuple[int, int]:
    """Base 128 as ROMFS has it, and where it ends."""
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
