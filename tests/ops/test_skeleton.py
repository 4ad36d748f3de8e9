"""Does the skeleton of a new op pass as it is? Laid into a copy of the tree, as CONTRIBUTING.md says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
SKELETON = REPO / "docs" / "skeleton"
TREE = ("generator", "templates", "boards", "runtime_micropython", "tests", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache")
OP = "tril"


def files() -> list[Path]:
    """Of the skeleton, relative to the top of the tree."""
    return sorted(path.relative_to(SKELETON) for path in SKELETON.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of the op's tests in a copy of the tree with the skeleton."""
    tree: Path = tmp_path_factory.mktemp("tree")
    for name in TREE:
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=LEFT_OUT)
        else:
            shutil.copy(source, tree / name)
    shutil.copytree(SKELETON, tree, dirs_exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests/ops"]
    command += ["-k", f"{OP}- or {OP}.default or {OP}] or every_rule or no_such_row"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment = {**kept, "PYTHONPATH": str(tree / "generator")}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_it_is_new_files_only() -> None:
    """So that laying it into the tree is adding an op, and nothing else has a list of ops."""
    assert [path for path in files() if (REPO / path).exists()] == []


def test_its_rows_are_bit_exact_on_a_core(output: str) -> None:
    rows = re.findall(rf"test_bit_exact\[{OP}-\w+\] PASSED", output)
    assert len(rows) >= 4


def test_its_rows_are_bit_exact_under_sanitizers(output: str) -> None:
    assert re.search(rf"test_op_matrix\[{OP}\] PASSED", output)


def test_its_rule_means_what_pytorch_means(output: str) -> None:
    assert len(re.findall(rf"test_means_what_pytorch_means\[{OP}\.default\S*\] PASSED", output)) == 3


def test_contributing_names_every_file_of_it() -> None:
    text = (REPO / "CONTRIBUTING.md").read_text()
    named = [re.sub(rf"\b{OP}\b", "<name>", str(path)) for path in files()]
    assert [name for name in named if name not in text] == []
