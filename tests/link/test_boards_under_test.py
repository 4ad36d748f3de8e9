"""Does a project's own pytest get the board it asks for, alone, flashed once, or one clear sentence?"""

from itertools import pairwise
from pathlib import Path

import pytest
from board_twin import BoardTwin, powered, save_artifact, two_layers
from boards_under_test import ran

from firmnet.artifact import Artifact

ONE_TEST = "def test_it(firmnet_device): pass"
COUNTED = """
from pathlib import Path
from firmnet import api, bench

class Report:
    env = "netduinoplus2"

def build(artifact, *, emulate):
    with Path("done").open("a") as file:
        file.write("build\\n")
    return Report()

def flash(artifact, port):
    with Path("done").open("a") as file:
        file.write(f"flash {port}\\n")
    return port.replace("gone", "tty")

api.build, api.flash = build, flash
bench.check_flashable = lambda board, computer, port: None
bench.is_connection = lambda port: False
there = bench.devices.open
bench.devices.open = lambda address, artifact: there(address.replace("tty", "socket"), artifact)
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return save_artifact(tmp_path_factory.mktemp("twin") / "twin", two_layers())


def test_two_workers_share_a_board_that_is_flashed_once(artifact: Artifact, tmp_path: Path) -> None:
    with powered(BoardTwin(two_layers())) as url:
        port = url.replace("socket", "gone")
        seen = ran(
            tmp_path, *("-n", "2", "--firmnet-flash"), *("--firmnet-device", f"serial:{port}"),
            *("--firmnet-artifact", artifact.path), conftest=COUNTED,
        )  # fmt: skip
    assert (tmp_path / "done").read_text().splitlines() == ["build", f"flash {port}"]
    assert seen.outcomes == {
        **{f"test_{name}[serial:{port}]": "passed" for name in ("bits", "golden", "board", "counters")},
        **{f"test_alone[serial:{port}-{turn}]": "passed" for turn in range(3)},
        f"test_core[serial:{port}]": f"skipped: needs cortex-m7: serial:{port} is cortex-m4f",
    }, seen.said
    spans = sorted([float(t) for t in row.split()] for row in (tmp_path / "spans").read_text().splitlines())
    assert len(spans) == 3
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    properties = seen.properties[f"test_golden[serial:{port}]"]
    assert properties["firmnet_board"] == "netduinoplus2"
    assert properties["firmnet_fingerprint"] == artifact.manifest.fingerprint
    assert properties["firmnet_clock_hz"] == str(artifact.board.clock_hz("netduinoplus2"))
    inferences = len(artifact.samples)
    assert properties["firmnet_inferences"] == str(inferences)
    assert properties["firmnet_microseconds"] == str(42 * inferences)


def test_another_firmware_is_told_before_any_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stale = save_artifact(tmp_path / "other", two_layers(), bytes(32))
    with powered(BoardTwin(two_layers())) as url:
        said = told(tmp_path, capsys, f"--firmnet-port={url}", f"--firmnet-artifact={stale.path}")
    assert "runs another firmware: its fingerprint is" in said
    assert "Traceback" not in said


def told(folder: Path, capsys: pytest.CaptureFixture[str], *options: str, test: str = ONE_TEST) -> str:
    """What a pytest in this process says of one test."""
    (folder / f"{folder.name}_test.py").write_text(test)  # a module of its own
    (folder / "pytest.ini").write_text("[pytest]")
    pytest.main(
        [
            "-c",
            f"{folder}/pytest.ini",
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
            *options,
            str(folder),
        ]
    )
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


SENTENCES = {
    "unknown": (
        ["--firmnet-device=ttyUSB0"],
        "--firmnet-device ttyUSB0: there is no such device; it is one of host, core, qemu, rp2040js, serial",
    ),
    "no url": (["--firmnet-device=serial:"], "--firmnet-device serial:: there is no such device"),
    "twice": (["--firmnet-device=host", "--firmnet-port=host"], "host is to be tested twice"),
    "count": (
        [*("--firmnet-device=host", "--firmnet-device=core"), *(f"--firmnet-artifact={i}" for i in "abc")],
        "there are 2 devices and 3 artifacts or boards: give one for all devices, or one for each",
    ),
    "both": (
        ["--firmnet-artifact=a", "--firmnet-model=m.py:model", "--firmnet-board=pico"],
        "--firmnet-artifact and --firmnet-model cannot be used together: leave one out",
    ),
    "no board": (["--firmnet-model=m.py:model"], "that it was generated for: give --firmnet-board ID, too"),
    "no model": (["--firmnet-board=pico"], "that it was generated for: give --firmnet-model MODEL, too"),
    "no runtime": (["--firmnet-runtime=lua"], "--firmnet-runtime lua: it is one of auto, micropython, c"),
    "no artifact": (["--firmnet-device=host", "--firmnet-artifact=a"], "a is not a firmnet artifact"),
    "not there": (
        ["--firmnet-device=serial:rfc2217://127.0.0.1:1", "--firmnet-artifact={artifact}"],
        "cannot open serial port rfc2217://127.0.0.1:1",
    ),
    "connection": (
        ["--firmnet-flash", "--firmnet-device=serial:socket://localhost:1", "--firmnet-artifact={artifact}"],
        "socket://localhost:1 is a connection, over which nothing can be flashed",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_what_cannot_be_tested_is_one_sentence(
    artifact: Artifact, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options, sentence = SENTENCES[name]
    said = told(tmp_path, capsys, *(option.format(artifact=artifact.path) for option in options))
    assert sentence in said
    assert "Traceback" not in said


def test_a_model_is_generated_with_the_runtime_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\ndef model():\n    net = torch.nn.Linear(4, 2).eval()\n"
        "    return net, torch.zeros(1, 4), torch.rand(8, 4)\n"
    )
    test = "def test_it(firmnet_artifact): assert firmnet_artifact.manifest.runtime == 'c'"
    options = ("--firmnet-device=host", "--firmnet-board=netduinoplus2", "--firmnet-runtime=c")
    assert "1 passed" in told(
        tmp_path, capsys, *options, f"--firmnet-model={tmp_path}/net.py:model", test=test
    )


MARKS = {
    "firmnet_needs_core": ("firmnet_device", "the mark firmnet_needs_core names no core"),
    "firmnet_needs_core('m4')": ("firmnet_device", "unknown core 'm4': firmnet knows"),
    "firmnet_needs_board": ("tmp_path", "is of use only to a test that has firmnet_device"),
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_that_would_never_do_anything_is_refused(
    artifact: Artifact, tmp_path: Path, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fixture, sentence = MARKS[mark]
    test = f"import pytest\n@pytest.mark.{mark}\ndef test_it({fixture}): pass"
    options = ("--firmnet-device=host", f"--firmnet-artifact={artifact.path}")
    assert sentence in told(tmp_path, capsys, *options, test=test)
