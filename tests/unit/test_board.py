"""Are boards read whole, and is every mistake in a board file named?"""

from pathlib import Path

import pytest

from firmnet.assets import assets
from firmnet.board import board_ids, isa, load_board, read_board
from firmnet.errors import UserError

GOOD = (assets("boards") / "nano33ble.toml").read_text()


@pytest.mark.parametrize("id", board_ids())
def test_board_can_be_loaded(id: str) -> None:
    board = load_board(id)
    assert board.id == id
    assert board.baremetal_env in board.envs
    assert (assets("boards") / "baremetal" / "glue" / f"{board.baremetal.glue}.c").is_file()
    assert board.micropython.heap_bytes + board.micropython.stack_bytes < board.chip.ram_bytes


def test_the_boards_of_the_issue_are_there() -> None:
    assert {"netduinoplus2", "nucleo_f446re", "blackpill_f411ce", "nano33ble"} <= set(board_ids())


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("baud = 115_200", "baud = 115_200\nbuad = 9600", "unknown key 'link.buad'"),
        ("[chip]", "[chips]", "missing key 'chip'"),
        ('mcu = "nrf52840"\n', "", "missing key 'chip.mcu'"),
        ("clock_hz = 64_000_000", "clock_hz = 64.5", "'chip.clock_hz' = 64.5 should be a valid integer"),
        ("flash_bytes = 983_040", "flash_bytes = 0", "'chip.flash_bytes' = 0 should be greater than 0"),
        ('"cortex-m4f"', '"cortex-m5"', "'chip.core' = 'cortex-m5' should be 'cortex-m0plus'"),
        ('"2341:805a"', '"2341:805A"', "'link.usb_ids.0' = '2341:805A'"),
        ('framework = "arduino"', 'framework = "mbed"', "'platformio.framework' = 'mbed'"),
        ("[chip]", "[chip", "is not TOML"),
        ("[chip]", 'id = "other"\n[chip]', "a board is named by its file"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    (tmp_path / "mine.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        read_board(tmp_path / "mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("nano33", "nano33ble"), ("Nucleo-F446RE", "nucleo_f446re"), ("netduino", "netduinoplus2")],
)
def test_a_misspelt_board_gets_close_matches(wrong: str, right: str) -> None:
    with pytest.raises(UserError, match=rf"no board '{wrong}': did you mean {right}.*`firmnet boards`"):
        load_board(wrong)


def test_a_board_like_no_other_is_pointed_to_the_list() -> None:
    with pytest.raises(UserError, match="there is no board 'zzz': `firmnet boards` lists them"):
        load_board("zzz")


@pytest.mark.parametrize(
    ("core", "dsp", "fpu"),
    [
        ("cortex-m0plus", False, False),
        ("cortex-m3", False, False),
        ("cortex-m4", True, False),
        ("cortex-m4f", True, True),
        ("cortex-m7", True, True),
        ("cortex-m33", True, True),
    ],
)
def test_core_capabilities(core: str, dsp: bool, fpu: bool) -> None:
    known = isa(core)
    assert (known.dsp, known.fpu) == (dsp, fpu)
    assert f"-mfloat-abi={'hard' if fpu else 'soft'}" in known.cflags
    assert f"-mcpu={core.removesuffix('f')}" in known.cflags


def test_an_unknown_core_is_refused() -> None:
    with pytest.raises(UserError, match="unknown core 'cortex-m99'"):
        isa("cortex-m99")
