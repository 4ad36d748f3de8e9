"""Does the project that `firmnet init` writes pass its own workflow, as it is?"""

import re
import shlex
from pathlib import Path

import pytest
from boards_under_test import run_in

from firmnet import cli

TESTS = ("every_bit_of_every_layer", "outputs_are_the_golden_ones", "motions_are_recognised")


def test_a_new_project_passes_what_its_workflow_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "my project"
    with pytest.raises(SystemExit) as ended:
        cli.main(["init", str(project)])
    assert ended.value.code == 0
    assert f"next: `cd '{project}' && pytest`" in " ".join(capsys.readouterr().out.split())
    workflow = (project / ".github/workflows/test.yml").read_text()
    (line,) = re.findall(r"^ *run: pytest (.*)$", workflow, re.MULTILINE)
    seen = run_in(project, *shlex.split(line))
    devices = ("host", "core", "qemu")
    assert {f"test_{test}[{device}]": "passed" for test in TESTS for device in devices}.items() <= (
        seen.outcomes.items()
    ), seen.said
    assert seen.outcomes["test_stack_is_as_planned[qemu]"] == "passed"
    late = "test_a_window_takes_less_than_five_milliseconds"
    assert seen.outcomes[f"{late}[qemu]"] == "skipped: needs a real board: qemu is an emulated board"
    assert len(seen.outcomes) == 5 * len(devices)
    collected = run_in(project, "--collect-only", "-q").said
    assert set(re.findall(r"\[(\w+)\]", collected)) == {"host", "core"}
