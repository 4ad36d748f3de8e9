"""Is what cannot fit a board refused before it is built, and does the advice help?"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from firmnet.build.sizes import too_big
from firmnet.codegen.firmware import firmware
from firmnet.errors import UserError
from firmnet.frontends.common.builder import Builder
from firmnet.ir import Graph
from firmnet.ops.spec import OPS
from firmnet.plan import STACK_BYTES, least, plan, plan_for, ram_room
from firmnet.plan.arena import TooLarge
from firmnet.plan.room import OWN_BYTES
from firmnet.quantize import quantize
from firmnet.targets import Board, Isa, isa, load_board, needs

BOARD = load_board("nucleo_f446re")
STACK = STACK_BYTES[isa(BOARD.chip.core)]


@cache
def wide() -> Graph:
    """Between two convolutions lies what is twelve times as large as the input."""
    rng = np.random.default_rng(0)
    builder = Builder("wide")
    x = first = builder.input("image", (1, 32, 32, 4))
    for name, shape, padding in [
        ("widen", (48, 1, 1, 4), (0, 0, 0, 0)),
        ("narrow", (4, 3, 3, 48), (1, 1, 1, 1)),
    ]:
        constants = (
            builder.constant(f"{name}_weight", rng.normal(size=shape)),
            builder.constant(f"{name}_bias", np.zeros(shape[0])),
        )
        x = builder.add("conv2d", OPS["conv2d"].attrs(padding=padding), x, *constants, name=name)
    return quantize(builder.graph(first, x), rng.normal(size=(2, 32, 32, 4))).graph


def free_bytes() -> int:
    return plan(wide(), isa=Isa.DSP).ram_bytes


def with_room(room: int) -> Board:
    """The board with so much RAM that arena and stack of run() may have `room`."""
    missing = room - ram_room(BOARD)
    return replace(BOARD, chip=replace(BOARD.chip, ram_bytes=BOARD.chip.ram_bytes + missing))


def fast_bytes() -> int:
    """What the layers one by one need."""
    return plan(wide(), isa=Isa.DSP, cascades=()).ram_bytes


def test_where_there_is_room_the_board_changes_nothing() -> None:
    assert plan_for(wide(), with_room(free_bytes()), None) == (plan(wide(), isa=Isa.DSP), None)
    found, limit = plan_for(wide(), with_room(fast_bytes()), fast_bytes())
    assert (found.ram_bytes, limit) == (fast_bytes(), fast_bytes())


@pytest.mark.parametrize("asked", [None, 64 * 1024])
def test_a_plan_is_made_to_fit_the_board(asked: int | None) -> None:
    room = (least(wide(), isa=Isa.DSP).ram_bytes + free_bytes()) // 2
    assert room < free_bytes() < 64 * 1024
    found, limit = plan_for(wide(), with_room(room), asked)
    assert limit == room
    assert found.ram_bytes <= room
    made = firmware(wide(), with_room(room), ram_limit_bytes=asked).manifest
    assert (made.arena_bytes, made.ram_limit_bytes) == (found.arena_bytes, room)


@pytest.mark.parametrize("asked", [None, 1024, 64 * 1024])
def test_what_no_plan_makes_fit_is_refused_with_the_least_it_needs(asked: int | None) -> None:
    smallest = least(wide(), isa=Isa.DSP).ram_bytes
    board = with_room(smallest - 4)
    with pytest.raises(UserError) as refused:
        firmware(wide(), board, ram_limit_bytes=asked)
    told = str(refused.value)
    assert (
        f"'wide' does not fit ST Nucleo-F446RE: with any --ram-limit it needs at least {smallest:,}" in told
    )
    assert f"MicroPython leaves {smallest - 4:,} of {board.chip.ram_bytes:,}" in told
    assert "raise the limit" not in told


def test_a_limit_that_is_too_low_is_told_one_that_is_kept() -> None:
    with pytest.raises(TooLarge, match="raise the limit") as refused:
        plan_for(wide(), BOARD, 1024)
    needed = int(str(refused.value).partition(" bytes of RAM")[0].split()[-1].replace(",", ""))
    assert plan_for(wide(), BOARD, needed)[0].ram_bytes == needed == least(wide(), isa=Isa.DSP).ram_bytes


def test_constants_that_leave_no_flash_for_micropython_are_refused() -> None:
    flash_bytes = needs(BOARD, "micropython").flash_bytes
    constants = sum(layer.flash_bytes for layer in firmware(wide(), BOARD).layers)

    def with_flash(bytes_: int) -> Board:
        return replace(BOARD, chip=replace(BOARD.chip, flash_bytes=bytes_))

    firmware(wide(), with_flash(flash_bytes + constants))
    said = rf"take {constants:,} of .* bytes of flash.* at least {flash_bytes:,}; make"
    with pytest.raises(UserError, match=said):
        firmware(wide(), with_flash(flash_bytes + constants - 1))


def with_ram(bytes_: int) -> Board:
    """A board with so much RAM, whose file says nothing of MicroPython."""
    return replace(BOARD, chip=replace(BOARD.chip, ram_bytes=bytes_), micropython=None)


def test_auto_takes_micropython_where_it_fits_and_else_the_c_runtime() -> None:
    smallest = least(wide(), isa=Isa.DSP).ram_bytes
    enough = with_room(smallest)
    roomy, small = (firmware(wide(), board, runtime="auto") for board in (enough, with_room(smallest - 4)))
    assert (roomy.manifest.runtime, roomy.note) == ("micropython", "")
    assert small.manifest.runtime == "c"
    assert "MicroPython does not fit ST Nucleo-F446RE (with any --ram-limit it needs" in small.note
    assert small.note.endswith("stack 16,384))")
    flash_bytes = replace(BOARD, chip=replace(BOARD.chip, flash_bytes=65_536))
    assert firmware(wide(), flash_bytes, runtime="auto").manifest.runtime == "c"


def test_what_fits_with_neither_is_told_what_the_smaller_leaves() -> None:
    fixed = needs(BOARD, "c").variables_bytes + needs(BOARD, "c").stack_bytes + 4 * len(wide().nodes) - STACK
    least_ram = fixed + least(wide(), isa=Isa.DSP).ram_bytes
    assert firmware(wide(), with_ram(least_ram), runtime="auto").manifest.runtime == "c"
    with pytest.raises(UserError, match=r"the C runtime leaves [\d,]+ of [\d,]+ \(stack 1,536\): make"):
        firmware(wide(), with_ram(least_ram - 4), runtime="auto")


def test_a_board_without_micropython_says_so() -> None:
    board = with_ram(131_072)
    made = firmware(wide(), board, runtime="auto")
    assert (made.manifest.runtime, made.note) == ("c", "")
    with pytest.raises(UserError, match=r"has no MicroPython: its board file .* with --runtime c"):
        firmware(wide(), board, runtime="micropython")


def test_room_for_a_sample_is_reserved_where_there_is_any() -> None:
    ram_bytes = 4 * 32 * 32 * 4  # a float for each value of the input, and of the output

    def reserved(board: Board) -> int:
        own = replace(board, platformio=None, flash=type(board.flash)())
        text = firmware(wide(), own, runtime="c").files["src/deployed.c"]
        return int(text.partition("fn_sample_bytes = ")[2].partition("u")[0])

    planned = firmware(wide(), BOARD, runtime="c").manifest
    taken = BOARD.chip.ram_bytes - ram_room(BOARD, "c", 4 * len(wide().nodes))
    whole = taken + planned.arena_bytes + planned.stack_bytes + ram_bytes + OWN_BYTES
    assert reserved(with_ram(whole)) == ram_bytes
    assert reserved(with_ram(whole - 4)) == 0


def advice(excess_bytes: int) -> str:
    """What the linker's verdict on the layers one by one is told as."""
    return str(too_big(BOARD, "RAM", excess_bytes, fast_bytes() - STACK, wide()))


def test_a_ram_limit_is_advised_only_where_it_can_be_kept() -> None:
    most = fast_bytes() - least(wide(), isa=Isa.DSP).ram_bytes
    told = advice(most)
    limit = int(told.partition("--ram-limit ")[2].partition(",")[0])
    assert plan(wide(), isa=Isa.DSP, ram_limit_bytes=limit).ram_bytes <= limit
    told = advice(most + 1)
    assert "--ram-limit" not in told
    assert f"cannot be planned for less than {least(wide(), isa=Isa.DSP).ram_bytes:,} bytes" in told
