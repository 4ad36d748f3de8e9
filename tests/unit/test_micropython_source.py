"""Is only an unchanged MicroPython 1.25.0 accepted, and does every failed way of getting it say why?"""

import subprocess
from pathlib import Path

import pytest

from firmnet import debian
from firmnet.build import micropython
from firmnet.errors import UserError


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MICROPYTHON_TOP", raising=False)
    return tmp_path / "cache"


def test_patterns_with_alternatives_find_each_file(tmp_path: Path) -> None:
    for name in (
        "py/vm.c",
        "py/vm.h",
        "py/makeqstrdata.py",
        "py/other.txt",
        "extmod/vfs.c",
        "extmod/vfs_posix.c",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = micropython.needed_files(tmp_path)
    assert sorted(found) == ["extmod/vfs.c", "py/makeqstrdata.py", "py/vm.c", "py/vm.h"]


def test_the_checksum_covers_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("y")
    files = {"a": tmp_path / "a", "b": tmp_path / "b"}
    sums = {
        micropython.checksum(files),
        micropython.checksum({"a": files["b"], "b": files["a"]}),
        micropython.checksum({"a": files["a"], "c": files["b"]}),
        micropython.checksum({"a": files["a"]}),
    }
    assert len(sums) == 4


def test_another_source_in_micropython_top_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "py").mkdir()
    (tmp_path / "py" / "vm.c").write_text("changed")
    monkeypatch.setenv("MICROPYTHON_TOP", str(tmp_path))
    with pytest.raises(UserError, match=r"not an unchanged source of MicroPython 1\.25\.0 \(1 of its files"):
        micropython.micropython_source()


def test_without_any_way_each_reason_is_given(monkeypatch: pytest.MonkeyPatch, empty_cache: Path) -> None:
    monkeypatch.setenv("PATH", "")
    tried: list[str] = []
    with pytest.raises(UserError) as caught:
        micropython.micropython_source(tried.append)
    assert [line.split("(")[1] for line in tried] == ["Debian's source package)", "git)"]
    assert "set MICROPYTHON_TOP" in str(caught.value)
    assert "- Debian's source package: " in str(caught.value)
    assert "- git: git is not installed" in str(caught.value)
    assert [path.name for path in empty_cache.iterdir()] == [".lock"], "something half-fetched stayed"


def test_a_source_with_another_checksum_does_not_enter_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_cache: Path
) -> None:
    repository = tmp_path / "repository"
    (repository / "py").mkdir(parents=True)
    (repository / "py" / "vm.c").write_text("evil")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"], ["tag", "v1.25.0"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    monkeypatch.setattr(micropython, "REPOSITORY", repository.as_uri())
    monkeypatch.setattr(debian, "APT_SOURCES", ())
    with pytest.raises(UserError, match=r"git: what arrived is not MicroPython 1\.25\.0"):
        micropython.micropython_source()
    assert [path.name for path in empty_cache.iterdir()] == [".lock"]


def test_assembling_again_touches_nothing_and_drops_what_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "source" / "py").mkdir(parents=True)
    (tmp_path / "source" / "py" / "vm.c").write_text("int vm;")
    micropython.assemble(tmp_path / "source", tmp_path / "lib")
    (tmp_path / "lib" / "stale.c").touch()
    before = (tmp_path / "lib" / "py" / "vm.c").stat().st_mtime_ns
    micropython.assemble(tmp_path / "source", tmp_path / "lib")
    assert [p.name for p in (tmp_path / "lib").rglob("*.c")] == ["vm.c"]
    assert (tmp_path / "lib" / "py" / "vm.c").stat().st_mtime_ns == before
