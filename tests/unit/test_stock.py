"""Is a board with a MicroPython of its own known for what it can load, and does the module for it keep up?"""

import re

import pytest

from firmnet.assets import assets
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
