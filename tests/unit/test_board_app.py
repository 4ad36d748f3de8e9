"""Is a program for the board taken as its folder has it, and is what is wrong with it named?"""

from pathlib import Path

import pytest

from firmnet.board_app import BoardApp, check_names, read_app
from firmnet.errors import UserError


def written(folder: Path, **files: str) -> Path:
    """A folder with these files; "lib__x" is lib/x.py."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_file_starts_under_its_own_name(tmp_path: Path) -> None:
    folder = written(tmp_path, blink="print(1)\n", other="print(2)\n")
    assert read_app(folder / "blink.py", "cortex-m4f") == BoardApp("blink.py", {"blink.py": "print(1)\n"})


def test_of_a_folder_main_starts_and_lib_lies_beside_it(tmp_path: Path) -> None:
    folder = written(tmp_path, main="import a.b, c", boot="", a__b="", lib__c="x = 1", __pycache____d="(")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "site.py").write_text("(")
    app = read_app(folder, "cortex-m4f")
    assert app.names == ("main.py", "a/b.py", "boot.py", "c.py")
    assert app.files["c.py"] == "x = 1"


def test_what_microcontrollers_alone_have_is_compiled_for_the_core(tmp_path: Path) -> None:
    text = "import micropython\n@micropython.viper\ndef add(a: int, b: int) -> int:\n    return a + b\n"
    path = written(tmp_path, fast=text) / "fast.py"
    assert read_app(path, "cortex-m7").files["fast.py"] == text
    with pytest.raises(UserError, match=r"fast.py, line 2: invalid arch"):
        read_app(path, "cortex-m0plus")


@pytest.mark.parametrize(
    ("files", "start", "said"),
    [
        ({"main": "", "a__b": "def f(:\n"}, "", r"a/b.py, line 1: invalid syntax"),
        ({"main": "", "x": "", "lib__x": ""}, "", r"would both be x.py"),
        ({"main": "", "my-driver": ""}, "", r"'my-driver' is no name in Python"),
        ({"main": "", "class__x": ""}, "", r"'class' is no name in Python"),
        ({"boot": ""}, "boot.py", r"what MicroPython runs before a main.py"),
        ({"app": ""}, "", r"has no main.py"),
    ],
)
def test_what_cannot_run_is_named(tmp_path: Path, files: dict[str, str], start: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_app(written(tmp_path, **files) / start, "cortex-m4f")


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(b"x = '\xff'")
    with pytest.raises(UserError, match=r"main.py is not text in UTF-8"):
        read_app(tmp_path, "cortex-m4f")


@pytest.mark.parametrize("name", ["net.py", "net/__init__.py", "time.py", "firmnet_link.py"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="rename it"):
        check_names(BoardApp("main.py", {"main.py": "", name: ""}), "net", ("time", "firmnet_link"))


def test_names_inside_a_package_are_free() -> None:
    check_names(BoardApp("main.py", {"main.py": "", "parts/time.py": ""}), "net", ("time",))
