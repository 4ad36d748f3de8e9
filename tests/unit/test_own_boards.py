"""Are a user's own boards found, told apart from ours, and does a broken one break nothing else?"""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

import firmnet
from firmnet import cli
from firmnet.assets import assets
from firmnet.errors import BoardWarning, UserError
from firmnet.targets import board_ids, board_of_json, board_to_json, known_boards, load_board, user_folder

NANO, NUCLEO = ((assets("boards") / f"{id}.toml").read_text() for id in ("nano33ble", "nucleo_f446re"))
BROKEN = NANO.replace("baud =", "buad =")


def shelf(folder: Path, **files: str) -> Path:
    """A folder of board files."""
    folder.mkdir(exist_ok=True)
    for id, text in files.items():
        (folder / f"{id}.toml").write_text(text)
    return folder


def renamed(name: str) -> str:
    return NANO.replace("Arduino Nano 33 BLE", name)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """Three folders with a board "mine" of different names: the option's, the variable's, the platform's."""
    monkeypatch.setattr(platformdirs, "user_config_path", lambda app: tmp_path / app)
    (tmp_path / "firmnet").mkdir()
    option = shelf(tmp_path / "option", mine=renamed("Option"))
    variable = shelf(tmp_path / "variable", mine=renamed("Variable"))
    monkeypatch.setenv("FIRMNET_BOARDS", str(variable))
    return option, variable, shelf(tmp_path / "firmnet" / "boards", mine=renamed("Settings"))


def test_the_option_goes_before_the_variable_and_that_before_the_settings(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    option, variable, settings = places
    assert load_board("mine", option).name == "Option"
    assert (load_board("mine").name, user_folder()) == ("Variable", variable)
    for unset in ("", None):
        monkeypatch.setenv("FIRMNET_BOARDS", unset) if unset == "" else monkeypatch.delenv("FIRMNET_BOARDS")
        assert (load_board("mine").name, user_folder()) == ("Settings", settings)


def test_a_folder_in_the_home_directory_may_be_written_with_its_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shelf(tmp_path / "mine", mine=NANO)
    monkeypatch.setenv("FIRMNET_BOARDS", "~/mine")
    assert "mine" in board_ids()


def test_no_settings_folder_is_nothing_to_speak_of(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRMNET_BOARDS")
    for path in places[2].iterdir():
        path.unlink()
    places[2].rmdir()
    assert known_boards().notes() == ()
    assert "netduinoplus2" in board_ids()


def test_a_board_of_the_users_takes_the_place_of_ours_and_that_is_told(tmp_path: Path) -> None:
    folder = shelf(tmp_path / "mine", nucleo_f446re=NUCLEO.replace("180_000_000", "100_000_000"))
    with pytest.warns(BoardWarning, match=r"'nucleo_f446re' is yours of .*nucleo_f446re\.toml") as told:
        assert load_board("nucleo_f446re", folder).chip.clock_hz == 100_000_000
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing to tell to who wants another board
        load_board("nano33ble", folder)
    assert load_board("nucleo_f446re").chip.clock_hz == 180_000_000


FILES: dict[str, Callable[[Path], object]] = {
    "unknown-key": lambda path: path.write_text(BROKEN),
    "glue-of-another-chip": lambda path: path.write_text(NANO.replace("cmsdk_uart", "stm32f4_usart")),
    "folder": Path.mkdir,
    "dangling-link": lambda path: path.symlink_to("nowhere"),
    "loop-of-links": lambda path: path.symlink_to(path),
    "not-text": lambda path: path.write_bytes(bytes(range(256))),
    "half-written": lambda path: path.write_text(NANO[:200]),
}


@pytest.mark.parametrize("case", FILES)
def test_a_broken_file_breaks_its_own_board_only(tmp_path: Path, case: str) -> None:
    folder = shelf(tmp_path / "mine", fine=NANO)
    FILES[case](folder / "broken.toml")
    with pytest.warns(BoardWarning, match=r"broken\.toml.* \(this board is left out\)"):
        assert load_board("fine", folder).id == "fine"
    with pytest.warns(BoardWarning, match=r"broken\.toml"):
        assert load_board("netduinoplus2", folder).id == "netduinoplus2"
    with pytest.raises(UserError, match=r"broken\.toml"):
        load_board("broken", folder)


def test_a_broken_file_does_not_bring_back_the_board_that_it_was_to_replace(tmp_path: Path) -> None:
    folder = shelf(tmp_path / "mine", nano33ble=BROKEN)
    with pytest.raises(UserError, match=r"nano33ble\.toml: unknown key 'link\.buad'"):
        load_board("nano33ble", folder)


def test_our_own_folder_may_be_named_too() -> None:
    found = known_boards(assets("boards"))
    assert found.notes() == ()
    assert all(known.ours for known in found.known.values())


def test_a_file_may_begin_as_windows_writes_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + NANO.replace("\n", "\r\n").encode())
    assert load_board("mine", tmp_path).link == load_board("nano33ble").link


def test_other_files_in_the_folder_are_no_boards(tmp_path: Path) -> None:
    folder = shelf(tmp_path / "mine", mine=NANO)
    for name in ("README.md", "mine.toml~", ".#mine.toml", "mine.toml.orig"):
        (folder / name).write_text("no board")
    assert known_boards(folder).notes() == ()


def test_what_is_misspelt_is_compared_with_the_users_boards_too(tmp_path: Path) -> None:
    folder = shelf(tmp_path / "mine", greenhouse=NANO)
    with pytest.raises(UserError, match=r"did you mean greenhouse.*yours are looked for in .*mine"):
        load_board("greenhuose", folder)


def refusals(folder: Path) -> tuple[str, str]:
    """What is said of the folder as the option, and as the variable, where other boards can still be had."""
    with pytest.raises(UserError) as caught:
        known_boards(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRMNET_BOARDS", str(folder))
        found = known_boards()
    assert "netduinoplus2" in found.known
    (note,) = found.notes("netduinoplus2")
    return str(caught.value), note


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    (tmp_path / "file.toml").write_text(NANO)
    for folder, why in ((tmp_path / "gone", "there is no folder"), (tmp_path / "file.toml", "is a file")):
        for said in refusals(folder):
            assert why in said
            assert str(folder) in said


def test_a_board_is_read_back_from_an_artifact_as_it_was(tmp_path: Path) -> None:
    for id in board_ids():
        assert board_of_json(board_to_json(load_board(id)).encode()) == load_board(id)
    with pytest.raises(ValueError, match="glue"):
        board_of_json(board_to_json(load_board("nano33ble")).replace("cmsdk_uart", "/etc/passwd").encode())


def test_boards_shows_where_each_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shelf(tmp_path / "mine", mine=NANO, broken=BROKEN, nucleo_f446re=NUCLEO)
    with pytest.raises(SystemExit) as ended:
        cli.main(["boards", "--json", "--boards", str(folder)])
    said = capsys.readouterr()
    assert ended.value.code == 0
    listed = {board["id"]: (board["from"], Path(board["file"])) for board in json.loads(said.out)}
    assert listed == {
        **{id: ("firmnet", assets("boards") / f"{id}.toml") for id in board_ids() if id != "nucleo_f446re"},
        "mine": ("user", folder / "mine.toml"),
        "nucleo_f446re": ("user", folder / "nucleo_f446re.toml"),
    }
    assert f"{folder / 'broken.toml'}: unknown key 'link.buad' (this board is left out)" in said.err
    assert "board 'nucleo_f446re' is yours" in said.err


def test_a_program_finds_them_too(tmp_path: Path) -> None:
    assert firmnet.load_board("mine", shelf(tmp_path / "mine", mine=NANO)).id == "mine"
