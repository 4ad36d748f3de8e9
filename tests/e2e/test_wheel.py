"""Does the wheel work where there is no checkout?"""

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

REPO = Path(__file__).parents[2]
ASSETS = ("templates", "boards", "runtime_micropython", "examples")

MODEL = '''
"""A small network for the wheel's own use."""
import torch
from torch import nn

def model():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
    return net, torch.zeros(1, 1, 6, 6), torch.rand(8, 1, 6, 6)
'''

GUARD = '''
"""Fails whatever opens, lists or runs a file of the checkout."""
import sys

def refuse(event, arguments, checkout={checkout!r}, allowed={allowed!r}):
    if event in ("open", "os.listdir", "os.scandir", "subprocess.Popen"):
        for argument in arguments:
            text = str(argument)
            if checkout in text and allowed not in text:
                raise PermissionError(f"{{event}} of {{text}}: the checkout is out of bounds here")

sys.addaudithook(refuse)
'''


def pip(*arguments: str | Path) -> None:
    """Run pip without network and without dependencies."""
    options = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", *arguments, *options], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as `pip wheel` builds it; hatchling is in this environment already."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", REPO, "--no-build-isolation", "--wheel-dir", folder)
    (built,) = folder.glob("firmnet-*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clean environment, the wheel in it and nothing of the checkout.

    The dependencies are not installed again, which would take minutes for torch alone: a .pth file adds this
    environment's site-packages behind the new one's own. The editable firmnet in there is one .pth file, and
    .pth files of added folders are not read.
    """
    place = tmp_path_factory.mktemp("elsewhere")
    venv.create(place / "venv", symlinks=True)
    python = place / "venv" / "bin" / "python"
    pip("--python", python, "install", wheel)
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.check_output(asked, text=True).strip())
    packages = sysconfig.get_path("purelib")
    (site / "dependencies.pth").write_text(f"{packages}\n")
    (site / "guard.py").write_text(GUARD.format(checkout=f"{REPO}{os.sep}", allowed=packages))
    (site / "guard.pth").write_text("import guard\n")
    (place / "small.py").write_text(MODEL)
    return place


def run(place: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment elsewhere, with no PYTHON… variable of this process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | variables
    program = place / "venv" / "bin" / command[0]
    return subprocess.run([program, *command[1:]], cwd=place, env=kept, capture_output=True, text=True)


def assets_of_checkout() -> Iterator[str]:
    """Every file of the asset folders that git knows or would add, relative to the top."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *ASSETS]
    for name in subprocess.check_output(listed, cwd=REPO, text=True).splitlines():
        if (REPO / name).is_file():
            yield name


def test_wheel_holds_every_asset(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    expected = {f"firmnet/_assets/{name}": (REPO / name).read_bytes() for name in assets_of_checkout()}
    assert len(expected) > 20
    assert {name: content for name, content in packed.items() if "_assets/" in name} == expected


def test_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"firmnet", f"{wheel.name.split('-py3')[0]}.dist-info"}


def test_all_that_is_imported_is_installed_with_it(wheel: Path) -> None:
    """A dependency that only developers have would be missing after `pip install`."""
    with ZipFile(wheel) as archive:
        (metadata,) = (archive.read(name) for name in archive.namelist() if name.endswith("/METADATA"))
    wanted = re.findall(r"^Requires-Dist: ([\w.-]+)(.*)$", metadata.decode(), re.MULTILINE)
    asked = {name.lower() for name, when in wanted if not re.search(r"extra == .dev.", when)}
    homes = packages_distributions()
    for path in sorted((REPO / "generator" / "firmnet").rglob("*.py")):
        tree = ast.walk(ast.parse(path.read_text()))
        modules = [name.name for node in tree if isinstance(node, ast.Import) for name in node.names]
        tree = ast.walk(ast.parse(path.read_text()))
        modules += [n.module or "" for n in tree if isinstance(n, ast.ImportFrom) and not n.level]
        tops = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - {"firmnet"}
        missing = {top for top in tops if not asked & {home.lower() for home in homes.get(top, [])}}
        assert missing - {"pytest"} == set(), path


def test_guard_refuses_the_checkout(elsewhere: Path) -> None:
    ended = run(elsewhere, "python", "-c", f"open({str(REPO / 'README.md')!r})")
    assert "the checkout is out of bounds here" in ended.stderr


def test_wheel_generates_firmware_without_the_checkout(elsewhere: Path) -> None:
    imported = run(elsewhere, "python", "-c", "import firmnet; print(firmnet.__file__)")
    assert str(elsewhere) in imported.stdout, imported.stderr
    ended = run(elsewhere, "firmnet", "generate", "small.py:model", "--board", "nucleo_f446re", "-o", "made")
    assert ended.returncode == 0, ended.stderr
    assert (elsewhere / "made" / "manifest.json").is_file()
    assert (elsewhere / "made" / "firmware" / "platformio.ini").is_file()
    assert "small" in {path.name for path in (elsewhere / "made" / "firmware" / "lib").iterdir()}


def test_wheel_takes_a_board_of_the_users_own(elsewhere: Path) -> None:
    settings = elsewhere / "settings"
    own = settings / "firmnet" / "boards"
    own.mkdir(parents=True)
    listed = json.loads(run(elsewhere, "firmnet", "boards", "--json").stdout)
    nearest = next(Path(board["file"]) for board in listed if board["id"] == "nucleo_f446re")
    (own / "greenhouse.toml").write_text(nearest.read_text().replace("ST Nucleo-F446RE", "Greenhouse"))
    by_settings = {"FIRMNET_BOARDS": "", "XDG_CONFIG_HOME": str(settings)}
    by_variable, by_option = {"FIRMNET_BOARDS": str(own)}, ("--boards", str(own))
    for options, variables in (((), by_settings), ((), by_variable), (by_option, {})):
        listed = json.loads(run(elsewhere, "firmnet", "boards", "--json", *options, **variables).stdout)
        assert "greenhouse" in {board["id"] for board in listed if board["from"] == "user"}
    command = ("firmnet", "generate", "small.py:model", "--board", "greenhouse", "-o", "green")
    ended = run(elsewhere, *command, **by_settings)
    assert ended.returncode == 0, ended.stderr
    assert json.loads((elsewhere / "green/firmware/board.json").read_text())["name"] == "Greenhouse"
    refused = run(elsewhere, *command)
    assert refused.returncode == 2
    assert "there is no board 'greenhouse'" in refused.stderr
    assert os.environ["FIRMNET_BOARDS"] in refused.stderr
