"""Does a folder that is replaced survive a kill at every moment, and does one process at a time write it?"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmnet import folder
from firmnet.folder import Claim

OLD = {"a": b"old a", "sub/b": b"old b", "gone": b"old"}
NEW = {"a": b"new a", "sub/b": b"old b", "more/c": b"new"}
OWN = {*OLD, *NEW}
WRITES = ("os.", "shutil.", "ctypes.dlsym")


def owner(path: Path) -> Claim:
    return Claim(lambda name: name in OWN, lambda name: name in OWN or name.startswith("kept/"))


def replace(path: Path, files: dict[str, bytes]) -> None:
    with folder.lock(path):
        folder.replace(path, files, owner, ("kept",))


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def killed_at(step: int, path: Path) -> bool:
    """Replace in a process of its own that is killed at its `step`-th change of the file system: was it?"""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        opened_to_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if opened_to_write or event.startswith(WRITES):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        replace(path, NEW)
    finally:
        os._exit(0)


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no-exchange"])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_and_the_next_run_clears_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    path = tmp_path / "net"
    mine = {"notes": b"mine", "sub/more notes": b"mine", "kept/x.o": b"compiled"}
    old, new = {**OLD, **mine}, {**NEW, **mine}
    seen = set()
    if not exchange:  # a file system or system without it
        monkeypatch.setattr(folder, "_renameat2", lambda one, other: False)
    replace(path, OLD)
    for name, content in mine.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(content)
    for step in range(1, 1000, 1 if exchange else 2):
        killed = killed_at(step, path)
        if not exchange and not path.exists():  # what opening it does first
            with folder.lock(path):
                folder.recover(path, owner)
        found = contents(path)
        assert found in (old, new), f"step {step}"
        seen.add(found == new)
        if not killed:
            break
        with folder.lock(path):
            folder.recover(path, owner)
        assert [p.name for p in tmp_path.iterdir()] == ["net"], f"step {step}"
        assert contents(path) in (old, new), f"step {step}"
        replace(path, OLD)
        assert contents(path) == old, f"step {step}"
    assert seen == {True, False}
    assert step > 20


def test_a_kill_before_there_is_an_old_one_leaves_nothing_or_the_new_one(tmp_path: Path) -> None:
    for step in range(1, 1000):
        path = tmp_path / f"net{step}"
        killed = killed_at(step, path)
        assert not path.exists() or contents(path) == NEW, f"step {step}"
        replace(path, NEW)
        if not killed:
            break
    assert not [p.name for p in tmp_path.iterdir() if not p.name.startswith("net")]
    assert step > 5


def hold(path: Path, seconds: float, log: Path) -> None:
    with folder.lock(path, lambda sentence: None), log.open("a") as file:
        file.write("begin\n")
        file.flush()
        time.sleep(seconds)
        replace(path, NEW)  # another folder stands there now; the lock goes along
        time.sleep(seconds)
        file.write("end\n")


@contextmanager
def other(path: Path, seconds: float, log: Path) -> Iterator[int]:
    process = multiprocessing.get_context("fork").Process(target=hold, args=(path, seconds, log))
    process.start()
    while not log.exists() or not log.read_text():
        time.sleep(0.005)
    assert process.pid
    yield process.pid
    process.join()


def test_two_writers_wait_for_each_other_and_say_so(tmp_path: Path) -> None:
    path, log, said = tmp_path / "net", tmp_path / "log", list[str]()
    replace(path, OLD)
    with other(path, 0.15, log), folder.lock(path, said.append):
        assert log.read_text() == "begin\nend\n"
    assert said
    assert all(sentence == f"another firmnet works on {path}: waiting for it" for sentence in said)
    with folder.lock(path, said.append), folder.lock(path, said.append):  # one thread may take it twice
        pass
    assert {p.name for p in tmp_path.iterdir()} == {"net", "log"}


def test_a_writer_that_was_killed_holds_no_lock(tmp_path: Path) -> None:
    path, said = tmp_path / "net", list[str]()
    replace(path, OLD)
    with other(path, 60, tmp_path / "log") as pid:
        os.kill(pid, signal.SIGKILL)
    with folder.lock(path, said.append):
        assert not said


def test_read_only_folders_are_replaced_too(tmp_path: Path) -> None:
    path = tmp_path / "net"
    replace(path, OLD)
    (path / "sub").chmod(0o555)
    (path / "a").chmod(0o444)
    replace(path, NEW)
    assert contents(path) == NEW
    assert [p.name for p in tmp_path.iterdir()] == ["net"]
