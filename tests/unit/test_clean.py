"""Does cleaning remove what is old, large or left over, and never what is not firmnet's?"""

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from firmnet import clean
from firmnet.cache import in_use, kept_program
from firmnet.errors import UserError

DAY_S = 24 * 3600
FOREIGN = (
    *("thesis.txt", "objects/lens.stl", "objects/AB/notes.txt", "objects/photos/0123", "programs/game"),
    *("programs/ab/src.c", "platformio/packages/mine/package.json", "platformio/.cache/mine"),
    *("platformio/platforms/oil/plan.txt", "micropython-fork/py/vm.c", "micropython-1.25.0/py/vm.c"),
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in a folder that is also somebody's home."""
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for name in (
        "thesis.txt",
        "objects/lens.stl",
        "objects/AB/notes.txt",
        "programs/game",
        "programs/ab/src.c",
    ):
        put(tmp_path / "home" / name)
    for name in (
        "platformio/packages/mine/package.json",
        "micropython-fork/py/vm.c",
        "platformio/.cache/mine",
    ):
        put(tmp_path / "home" / name)
    put(tmp_path / "tmp" / "firmnet-notes" / "thesis.txt")
    return tmp_path / "home"


def put(path: Path, size: int = 10, days: float = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    then = time.time() - days * DAY_S
    os.utime(path, (then, then))
    os.utime(path.parent, (then, then))
    return path


def put_object(cache: Path, number: int, **how: float) -> Path:
    name = f"{number:032x}"
    path = put(cache / "objects" / f"{number % 256:02X}" / name, **how)  # type: ignore[arg-type]
    path.with_name(f"{name}.sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    os.utime(path.with_name(f"{name}.sha256"), (path.stat().st_mtime,) * 2)
    return path


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_everything_goes_but_what_is_not_ours(cache: Path, tmp_path: Path) -> None:
    foreign = names(tmp_path)
    put_object(cache, 1)
    put(cache / "programs" / ("ab" * 32) / "program")
    put(cache / "emulators" / "qemu-system-arm" / "program")
    put(cache / "compiled" / ("ab" * 32))
    put(cache / "micropython-1.25.0-6e0da5e40249" / "py" / "vm.c")
    put(cache / "platformio" / "packages" / "tool-scons" / ".piopm")
    put(cache / "platformio" / "platforms" / "ststm32" / ".piopm")
    put(cache / "_tmp_installing1" / "half")
    put(cache / "objects" / "AB" / "tmpx1y2z3_w" / "half")
    copy = put(tmp_path / "tmp" / "firmnet-build-x_1y" / "firmware" / "half").parents[1]
    os.utime(copy, (0, 0))
    young = put(tmp_path / "tmp" / "firmnet-build-young" / "firmware" / "half")
    freed = clean.clean(everything=True)
    assert names(tmp_path) - {"home/.lock", "home/.cleaned", str(young.relative_to(tmp_path))} == foreign
    assert set(freed.removed) == {
        "objects",
        "programs",
        "emulators",
        "MicroPython",
        "PlatformIO",
        "leftovers",
    }
    assert freed.kept == {}


def test_what_was_not_used_for_long_goes(cache: Path) -> None:
    old, young = put_object(cache, 1, days=40), put_object(cache, 2, days=20)
    source = put(cache / "micropython-1.25.0-6e0da5e40249" / "py" / "vm.c")
    freed = clean.clean()
    assert not old.exists()
    assert young.exists()
    assert source.exists(), "fetching it again needs a network"
    assert freed.removed == {"objects": 10 + 64}
    clean.clean(older_than_days=10)
    assert not young.exists()


def test_of_too_much_the_longest_unused_goes(cache: Path) -> None:
    objects = [put_object(cache, number, size=1000, days=number) for number in range(1, 6)]
    clean.clean(max_bytes=3300)
    assert [path.exists() for path in objects] == [True, True, True, False, False]


def test_cleaning_waits_for_a_build(cache: Path) -> None:
    put_object(cache, 1)
    waited = threading.Event()
    with in_use():
        cleaning = threading.Thread(target=lambda: clean.clean(everything=True, on_wait=waited.set))
        cleaning.start()
        assert waited.wait(10)
        assert list((cache / "objects" / "01").iterdir())
    cleaning.join(10)
    assert not (cache / "objects" / "01" / f"{1:032x}").exists()


def test_a_build_cleans_once_a_day_and_only_when_it_is_alone(cache: Path) -> None:
    old = put_object(cache, 1)
    with in_use():
        clean.clean_by_itself()
    assert old.exists()
    clean.clean_by_itself()
    assert not old.exists()
    old = put_object(cache, 1)
    clean.clean_by_itself()
    assert old.exists()


def test_a_program_that_is_being_made_is_no_leftover(cache: Path) -> None:
    """A build that ends meanwhile cleans up after itself; so may somebody by hand, who waits."""
    waited: list[str] = []

    def make(folder: Path) -> Path:
        clean.clean_by_itself()
        by_hand = threading.Thread(target=lambda: clean.clean(on_wait=lambda: waited.append("for it")))
        by_hand.start()
        while by_hand.is_alive() and not waited:
            time.sleep(0.01)
        assert folder.parent.is_dir()
        folder.write_bytes(b"made")
        return folder

    assert kept_program(hashlib.sha256(b"new").hexdigest(), make).read_bytes() == b"made"


def test_what_is_damaged_is_counted(cache: Path) -> None:
    put_object(cache, 1)
    put_object(cache, 2).write_bytes(b"")
    put(cache / "emulators" / "qemu-system-arm" / "program")
    put(cache / "emulators" / "qemu-system-arm" / "sha256")
    assert clean.damaged() == {"objects": 1, "programs": 0, "emulators": 1}


def test_a_program_is_made_once_and_again_when_it_is_damaged(cache: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> Path:
        made.append(folder)
        folder.mkdir()
        (folder / "out").write_text("program")
        return folder / "out"

    key = "cd" * 32
    program = kept_program(key, make)
    assert kept_program(key, make) == program
    assert len(made) == 1
    for damage in ("program", "sha256"):
        (program.parent / damage).write_text("progr")
        assert kept_program(key, make).read_text() == "program"
    assert len(made) == 3
    assert {path.name for path in program.parent.parent.iterdir()} == {key, "game", "ab"}


@pytest.mark.parametrize("part", ["", "objects", "programs", "platformio"])
def test_a_cache_of_somebody_elses_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    from firmnet.cache import check_writable

    (tmp_path / part).mkdir(exist_ok=True)
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / part)  # as it is for others
    with pytest.raises(UserError, match=r"Permission denied\): set FIRMNET_CACHE to a directory of yours"):
        check_writable()
