"""Does every wrong command line end in one sentence and the right exit code, with nothing left behind?"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from firmnet import cli

SMALL = '''
"""Models good and bad for the command line."""
import torch
from torch import nn

def model():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
    return net, torch.zeros(1, 1, 6, 6), torch.rand(8, 1, 6, 6)

def uncalibrated():
    return model()[:2]

def pixels():
    return *model()[:2], (255 * model()[2]).to(torch.uint8)

def labelled():
    return dict(zip(("module", "example", "calibration"), model()), labels=["cat", "dog"])

def tested(classes=3):
    x, _, samples = model()
    test = torch.rand(9, 1, 6, 6), torch.arange(9) % classes
    return {"module": x, "example": samples[:1], "calibration": samples, "test": test}

def tested_wrongly():
    return tested(4)

def broken():
    return 1 / 0

class Gamma(nn.Module):
    def forward(self, x):
        return torch.lgamma(x)

def unsupported():
    return nn.Sequential(nn.Linear(4, 4), Gamma()).eval(), torch.zeros(1, 4), torch.rand(8, 4)

def two_inputs():
    return nn.Bilinear(2, 2, 2), (torch.zeros(1, 2), torch.zeros(1, 2)), torch.rand(8, 2)

def interrupted():
    raise KeyboardInterrupt
'''


@dataclass(frozen=True)
class Ended:
    """How one command line ended."""

    code: int
    out: str
    err: str


Firmnet = Callable[..., Ended]


@pytest.fixture
def firmnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Firmnet:
    """Runs `firmnet ARGUMENTS` in a folder with some inputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FIRMNET_TRACEBACK", raising=False)
    (tmp_path / "small.py").write_text(SMALL)
    (tmp_path / "text.pt2").write_text("not an archive")
    (tmp_path / "blink.py").write_text("while True:\n    pass\n")
    (tmp_path / "typo.py").write_text("import time\nwhile True\n    pass\n")
    (tmp_path / "random.py").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("months of work")
    np.save(tmp_path / "integers.npy", np.ones((4, 1, 6, 6), np.int32))
    np.save(tmp_path / "none.npy", np.ones((0, 1, 6, 6), np.float32))
    np.save(tmp_path / "nan.npy", np.full((4, 1, 6, 6), np.nan, np.float32))

    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return run


GENERATE = "generate small.py:model --board netduinoplus2"
WRONG = {
    "unknown-command": ("deploi", "deploy"),
    "unknown-option": (f"{GENERATE} --bord x", "--bord"),
    "no-board": ("generate small.py:model", "--board"),
    "unknown-range-method": (f"{GENERATE} --ranges guess", "'--ranges': 'guess' is not one of 'auto', 'mse'"),
    "unknown-precision": (f"{GENERATE} --precision float16", "NAME=int16"),
    "precision-of-no-layer": (f"{GENERATE} --precision layer_9=int16", "'layer_3'"),
    "target-of-nothing": (f"{GENERATE} --precision int16 --target-snr 40", "--precision auto"),
    "accuracy-without-test": (f"{GENERATE} --precision auto --target-accuracy 0.9", "`test`"),
    "misspelt-board": ("generate small.py:model --board netduinoplus", "netduinoplus2"),
    "misspelt-board-deploy": ("deploy small.py:model --board nano33bel --emulate", "nano33ble"),
    "missing-model": ("generate nothing.pt2 --board netduinoplus2", "nothing.pt2"),
    "missing-python-file": ("generate nothing.py:model --board netduinoplus2", "nothing.py"),
    "missing-function": ("generate small.py:modell --board netduinoplus2", "model"),
    "not-an-archive": ("generate text.pt2 --board netduinoplus2", "text.pt2"),
    "neither-kind": ("generate small.py --board netduinoplus2", "file.py:function"),
    "failing-function": ("generate small.py:broken --board netduinoplus2", "ZeroDivisionError"),
    "unsupported-layer": ("generate small.py:unsupported --board netduinoplus2", "lgamma"),
    "two-inputs": ("generate small.py:two_inputs --board netduinoplus2", "must be 2 arrays"),
    "no-calibration": ("generate small.py:uncalibrated --board netduinoplus2", "--calib"),
    "missing-calibration-file": (f"{GENERATE} --calib nothing.npy", "nothing.npy"),
    "integer-calibration": (f"{GENERATE} --calib integers.npy", "int32"),
    "integer-calibration-of-the-function": ("generate small.py:pixels --board netduinoplus2", "uint8"),
    "empty-calibration": (f"{GENERATE} --calib none.npy", "is empty"),
    "too-few-labels": ("generate small.py:labelled --board netduinoplus2", "2 labels"),
    "nan-calibration": (f"{GENERATE} --calib nan.npy", "sample 0"),
    "output-is-a-file": (f"{GENERATE} -o small.py", "small.py"),
    "output-inside-a-file": (f"{GENERATE} -o small.py/inside", "small.py"),
    "output-in-proc": (f"{GENERATE} -o /proc/firmnet", "/proc"),
    "output-is-taken": (f"{GENERATE} -o taken", "not empty"),
    "output-is-here": (f"{GENERATE} -o .", "current directory"),
    "missing-app": (f"{GENERATE} --app nothing.py", "no file or folder nothing.py"),
    "app-with-a-typo": (f"{GENERATE} --app typo.py", "typo.py, line 2: invalid syntax"),
    "app-that-is-no-python": (f"{GENERATE} --app nan.npy", "nan.npy is no Python file"),
    "app-folder-without-a-start": (f"{GENERATE} --app empty", "empty has no main.py"),
    "app-called-as-the-model": (f"{GENERATE} --app blink.py --name blink", "which is the model's"),
    "app-called-as-a-module": (f"{GENERATE} --app random.py", "which is one of the firmware's"),
    "app-without-python": (
        f"{GENERATE} --app blink.py --runtime c",
        "the C runtime has no Python for blink.py",
    ),
    "app-on-a-small-board": (
        "generate small.py:model --board bluepill_f103c8 --app blink.py",
        "the C runtime",
    ),
    "emulator-only": ("deploy small.py:model --board netduinoplus2", "--emulate"),
    "build-nothing": ("build nothing", "nothing"),
    "build-no-artifact": ("build empty", "firmnet generate"),
    "flash-no-artifact": ("flash empty", "firmnet generate"),
    "verify-no-artifact": ("verify empty --emulate", "firmnet generate"),
    "emulate-own-firmware": ("verify empty --emulate --own-firmware", "--own-firmware"),
    "emulate-and-port": ("verify empty --emulate --port /dev/ttyACM0", "--port"),
}


def files(folder: Path) -> set[str]:
    """All that is there, but for what is kept between runs."""
    kept = ("__pycache__", f"{folder}/cache")
    return {str(path) for path in folder.rglob("*") if not any(name in str(path) for name in kept)}


@pytest.mark.parametrize(("line", "named"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_one_sentence_and_exit_2(
    firmnet: Firmnet, tmp_path: Path, line: str, named: str
) -> None:
    before = files(tmp_path)
    ended = firmnet(*line.split())
    assert ended.code == 2, ended
    assert ended.err.startswith("error: ")
    assert named in ended.err
    assert not re.search(r"Traceback|File \".*\", line", ended.out + ended.err)
    assert ended.out == ""
    assert files(tmp_path) == before


def test_deploy_misses_a_tool_before_it_does_any_work(
    firmnet: Firmnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    before = files(tmp_path)
    for line in ("deploy small.py:model --board netduinoplus2 --emulate", "demo"):
        ended = firmnet(*line.split())
        assert (ended.code, ended.out) == (2, "")
        assert "apt-get install -y" in ended.err
        assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("--emulate --inputs nothing.npy", "nothing.npy"),
        ("--emulate --inputs integers.npy", "int32"),
        ("--emulate --inputs tall.npy", "7, 6)"),
        ("--port sockt://there:1", "there are no sockt:// ports"),
        ("--port socket://there", "write it as socket://host:port"),
        ("--port rfc2217://there:99999", "write it as rfc2217://host:port"),
    ],
)
def test_deploy_says_what_verify_cannot_use_before_it_builds(
    firmnet: Firmnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, named: str
) -> None:
    np.save(tmp_path / "tall.npy", np.ones((4, 1, 7, 6), np.float32))
    monkeypatch.setattr(cli, "build", lambda *_: pytest.fail("it was built"))
    ended = firmnet("deploy", "small.py:model", "--board", "netduinoplus2", *options.split())
    assert ended.code == 2
    assert named in ended.err


def test_a_place_that_is_taken_is_refused_before_the_model_is_read(firmnet: Firmnet) -> None:
    ended = firmnet("deploy", "small.py:broken", "--board", "netduinoplus2", "--emulate", "-o", "small.py")
    assert "small.py is a file" in ended.err


@pytest.mark.parametrize("line", ["generate small.py:model --board nono --json", "deploi --json"])
def test_an_error_is_json_too(firmnet: Firmnet, line: str) -> None:
    ended = firmnet(*line.split())
    said = json.loads(ended.out)
    assert said["exit_code"] == ended.code == 2
    assert ended.err == f"error: {said['error']}\n"


def test_generate_says_where_its_artifact_lies_and_what_comes_next(firmnet: Firmnet) -> None:
    ended = firmnet(*GENERATE.split(), "-o", "of mine")
    assert ended.code == 0
    assert "artifact in of mine; next: `firmnet build 'of mine'`" in ended.out


def test_ctrl_c_is_quiet(firmnet: Firmnet) -> None:
    ended = firmnet("generate", "small.py:interrupted", "--board", "netduinoplus2")
    assert ended == Ended(130, "", "")


def test_a_fault_of_our_own_is_logged(
    firmnet: Firmnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmnet.targets.known_boards", None)
    ended = firmnet("boards")
    assert ended.code == 70
    assert ended.err.count("\n") == 1
    assert "TypeError" in ended.err
    log = tmp_path / "cache" / "fault.log"
    assert str(log) in ended.err
    assert "firmnet boards" in log.read_text()
    assert "Traceback" in log.read_text()


def test_the_traceback_is_shown_on_request(firmnet: Firmnet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMNET_TRACEBACK", "1")
    assert "Traceback" in firmnet("build", "nothing").err


def test_version(firmnet: Firmnet) -> None:
    ended = firmnet("--version")
    assert ended.code == 0
    assert re.fullmatch(r"firmnet \d+\.\d+\.\d+\n", ended.out)


def test_alone_it_shows_its_commands(firmnet: Firmnet) -> None:
    ended = firmnet()
    assert ended.code == 2
    for command in ("deploy", "generate", "build", "flash", "verify", "boards", "doctor", "clean", "demo"):
        assert f" {command} " in ended.out
        assert firmnet(command, "--help").code == 0
    assert ended.err == ""


def test_boards_lists_every_board(firmnet: Firmnet) -> None:
    ended = firmnet("boards", "--json")
    assert ended.code == 0
    known = {board["id"] for board in json.loads(ended.out)}
    assert known >= {"netduinoplus2", "nucleo_f446re", "blackpill_f411ce", "nano33ble"}
    assert {line.split()[0] for line in ended.err.splitlines()[1:]} == known
    assert firmnet("boards").out == ended.err


def test_doctor_names_what_brings_each_missing_tool(
    firmnet: Firmnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("FIRMNET_PLATFORMIO", "offline")
    ended = firmnet("doctor", "--json")
    assert ended.code == 1
    fixes = {check["name"]: check["fix"] for check in json.loads(ended.out) if check["state"] == "missing"}
    assert "apt-get install -y gcc libc6-dev" in fixes["compiler"]
    assert "gcc-arm-none-eabi" in fixes["ARM compiler"]
    assert "libnewlib-arm-none-eabi" in fixes["ARM C library"]
    assert "qemu-system-arm" in fixes["emulator"]
    assert all(fix in ended.err for fix in fixes.values())


def test_doctor_finds_what_the_tests_need(firmnet: Firmnet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMNET_PLATFORMIO", "offline")
    ended = firmnet("doctor")
    assert ended.code == 0, ended.out
    assert "missing" not in ended.out


def test_generate_writes_an_artifact_and_says_so(firmnet: Firmnet, tmp_path: Path) -> None:
    ended = firmnet(*GENERATE.split(), "-o", "made/here", "--json")
    assert ended.code == 0, ended.err
    said = json.loads(ended.out)
    assert said["artifact"] == "made/here"
    assert said["manifest"]["board"] == "netduinoplus2"
    assert {"conv2d", "linear"} <= {layer["op"] for layer in said["quality"]}
    assert (tmp_path / "made" / "here" / "manifest.json").is_file()


def test_generate_tells_the_accuracy_on_the_models_own_test_set(firmnet: Firmnet) -> None:
    line = GENERATE.replace(":model", ":tested")
    ended = firmnet(*line.split(), "-o", "made", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)["accuracy"]
    assert (found["samples"], found["total"]) == (9, 9)
    assert (
        f"float {found['float_accuracy']:.2%}, int8 {found['int8_accuracy']:.2%} (9 test samples)"
        in ended.err
    )
    ended = firmnet(*line.replace(":tested", ":tested_wrongly").split(), "-o", "made")
    assert ended.code == 2
    assert (
        "test data: sample 3 is of class 3, but the model's 3 output values are classes 0 to 2" in ended.err
    )


def test_generate_tells_what_auto_chose_and_what_it_costs(firmnet: Firmnet) -> None:
    line = f"{GENERATE} --precision auto --precision layer_3=int8 --target-snr 100 -o made"
    ended = firmnet(*line.split(), "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    chosen, cost = found["precision"], found["cost"]
    assert chosen["reached"] > chosen["narrow"]
    assert {"layer_0", "x"} & {name for damage in chosen["widened"] for name in damage["names"]}
    assert f"int16 for {len(chosen['widened'])} of {chosen['candidates']} activations" in ended.err
    assert "100.0 dB cannot be reached: int16 everywhere has" in ended.err
    old, new = cost["int8"]["ram_bytes"], cost["chosen"]["ram_bytes"]
    assert f"RAM {old:,} -> {new:,} B" in ended.err


def test_generate_calls_the_accuracy_that_of_its_types(firmnet: Firmnet) -> None:
    line = f"{GENERATE.replace(':model', ':tested')} --precision int16 -o made"
    ended = firmnet(*line.split())
    assert ended.code == 0, ended.err
    assert re.search(r"accuracy +float [\d.]+%, int16 [\d.]+% \(9 test samples\)", ended.out)


def test_an_artifact_of_which_a_part_is_gone_is_not_built(firmnet: Firmnet, tmp_path: Path) -> None:
    assert firmnet(*GENERATE.split(), "-o", "made").code == 0
    shutil.rmtree(tmp_path / "made" / "firmware" / "lib")
    ended = firmnet("build", "made", "--emulate")
    assert (ended.code, ended.out) == (2, "")
    assert "generate the artifact again" in ended.err


def test_build_without_compiler_names_it(
    firmnet: Firmnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert firmnet(*GENERATE.split(), "-o", "made").code == 0
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    ended = firmnet("build", "made")
    assert ended.code == 2
    assert "apt-get install -y gcc-arm-none-eabi" in ended.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    ("command", "code"), [(["boards", "--json"], 2), (["build", "nowhere", "--json"], 2)]
)
def test_a_result_that_finds_no_room_is_one_sentence(command: list[str], code: int) -> None:
    with open("/dev/full", "w") as full:
        ended = firmnet_process(command, full)
    assert ended.returncode == code
    assert re.fullmatch(r"error: [^\n]+\n", ended.stderr.splitlines(keepends=True)[-1])
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("command", "code"), [(["boards", "--json"], 1), (["build", "nowhere", "--json"], 2)]
)
def test_a_reader_that_has_gone_is_no_fault(command: list[str], code: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        ended = firmnet_process(command, pipe)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


def firmnet_process(command: list[str], stdout: IO[str]) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-c", "from firmnet.cli import main; main()", *command]
    return subprocess.run(run, stdout=stdout, stderr=subprocess.PIPE, text=True)
