"""How is the pytest plugin tested? A project of a few tests is run by a pytest of its own."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import firmnet

PACKAGE = Path(firmnet.__file__).parents[1]
TESTS = """
import time
from pathlib import Path
import numpy as np
import pytest
from firmnet.verify import verify

def test_bits(firmnet_device, firmnet_artifact):
    verdict = verify(firmnet_artifact, firmnet_device, firmnet_artifact.samples)
    assert verdict.ok, verdict.sentence()

def test_golden(firmnet_device, firmnet_golden):
    result = firmnet_device.run(firmnet_golden.inputs)
    np.testing.assert_array_equal(result.outputs, firmnet_golden.outputs)

@pytest.mark.parametrize("turn", range(3))
def test_alone(firmnet_device, firmnet_golden, turn):
    with Path("spans").open("a") as file:
        began = time.monotonic()
        firmnet_device.run(firmnet_golden.inputs)
        file.write(f"{began} {time.monotonic()}\\n")

@pytest.mark.firmnet_needs_board
def test_board(firmnet_device):
    pass

@pytest.mark.firmnet_needs_counters
def test_counters(firmnet_device, firmnet_golden):
    firmnet_device.run(firmnet_golden.inputs)
    assert firmnet_device.counters().stack_peak_bytes

@pytest.mark.firmnet_needs_core("cortex-m7")
def test_core(firmnet_device):
    pass
"""


@dataclass(frozen=True)
class Ran:
    """What pytest said, and of each test by its id: how it ended and what JUnit tells of it."""

    said: str
    outcomes: dict[str, str]
    properties: dict[str, dict[str, str]]


def ran(folder: Path, *options: str | Path, tests: str = TESTS, conftest: str = "") -> Ran:
    """Run a project that has nothing but those tests, in a process of its own."""
    (folder / "test_it.py").write_text(tests)
    (folder / "conftest.py").write_text(conftest)
    return run_in(folder, *options)


def run_in(folder: Path, *options: str | Path) -> Ran:
    """Run the tests of a project that is there."""
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-rs", f"--basetemp={folder / 'tmp'}"]
    if "--junitxml" not in options:
        command.append(f"--junitxml={report}")
    variables = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    variables = {name: value for name, value in variables.items() if not name.startswith("PYTEST")}
    ended = subprocess.run(
        [*command, *options], cwd=folder, env=variables, capture_output=True, text=True, timeout=300
    )
    cases = list(ET.parse(report).iter("testcase")) if report.exists() else []
    return Ran(
        ended.stdout + ended.stderr,
        {case.attrib["name"]: _outcome(case) for case in cases},
        {
            case.attrib["name"]: {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}
            for case in cases
        },
    )


def _outcome(case: ET.Element) -> str:
    """ "passed", "skipped: why", "failure: why" or "error: why"."""
    for kind in ("failure", "error", "skipped"):
        if (found := case.find(kind)) is not None:
            return f"{kind}: {found.attrib['message']}"
    return "passed"
