"""Does `firmnet init` write all of a project or nothing, and over nothing?"""

from pathlib import Path

import pytest

from firmnet.assets import assets
from firmnet.errors import UserError
from firmnet.starter import FILES, start_project


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_file_of_the_starter_is_written(tmp_path: Path) -> None:
    started = start_project(tmp_path / "new" / "project")
    starter = assets("examples") / "starter"
    ours = {path.name for path in starter.iterdir() if path.is_file()}
    assert ours == set(FILES)
    assert contents(started.folder) == {
        name: (starter / source).read_bytes() for source, name in FILES.items()
    }
    assert set(started.written) == set(FILES.values())
    assert started.kept == ()


def test_what_every_repository_has_is_left_alone(tmp_path: Path) -> None:
    mine = {"README.md": b"mine\n", ".gitignore": b"*.log\n", "LICENSE": b"MIT\n"}
    for name, text in mine.items():
        (tmp_path / name).write_bytes(text)
    started = start_project(tmp_path)
    assert contents(tmp_path).items() >= mine.items()
    assert started.kept == ("README.md", ".gitignore")
    assert (tmp_path / ".github/workflows/test.yml").is_file()


def test_nothing_is_written_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "model.py").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has model\.py, pytest\.ini already, and nothing is overwritten:"):
        start_project(tmp_path)
    assert contents(tmp_path) == {"pytest.ini": b"[pytest]\n"}


@pytest.mark.parametrize("in_the_way", [".github", "."])
def test_what_cannot_be_finished_leaves_nothing(tmp_path: Path, in_the_way: str) -> None:
    folder = tmp_path / "project"
    blocked = folder / in_the_way
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("a file, where a folder should be")
    with pytest.raises(UserError, match=r"^cannot write .* \(.*\): choose another directory$"):
        start_project(folder)
    assert [path.name for path in sorted(tmp_path.rglob("*")) if path != folder] in ([".github"], [])
    assert blocked.is_file()
