"""Does nothing of a command live on when it is ended, by whatever signal? Real commands, real compilers."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from firmnet.artifact import Artifact

WAIT_S = 120.0
SIGNALS = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGKILL: -9}


def until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until it is so; fails after WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


AS_IN_A_TERMINAL = ("env", "--default-signal=HUP,INT")
"""A command begins with every signal at its default, though these tests may run in the background."""


class Command:
    """A running `firmnet ARGUMENTS`, marked so that everything it starts can be found, orphaned or not."""

    def __init__(
        self, *arguments: str, cwd: Path, prefix: tuple[str, ...] = AS_IN_A_TERMINAL, **env: str
    ) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", "from firmnet.cli import main; main()", *arguments],
            env={**os.environ, **env, "FIRMNET_TEST_MARK": self.mark},
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def living(self) -> list[psutil.Process]:
        """The processes that carry this command's mark."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get("FIRMNET_TEST_MARK") == self.mark
                if marked and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                pass
        return found

    def runs(self, program: str) -> bool:
        """Whether a program of that name runs for this command."""
        for process in self.living():
            try:
                if program in " ".join(process.cmdline()):
                    return True
            except psutil.Error:
                pass
        return False

    def end(self, number: signal.Signals) -> str:
        """Send the signal to the command alone; what it said, once everything of it has gone."""
        self.process.send_signal(number)
        said = "".join(self.process.communicate(timeout=WAIT_S))
        until(lambda: not self.living(), f"still alive: {self.living()}")
        return said


@pytest.fixture
def sluggish(tmp_path: Path) -> str:
    """A PATH on which the compiler takes its time, in a child of its own."""
    (tmp_path / "slow").mkdir()
    compiler = tmp_path / "slow" / "arm-none-eabi-gcc"
    real = shutil.which("arm-none-eabi-gcc")
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *mphal.c*) sleep 600 ;; esac\n{real} "$@"\n')
    compiler.chmod(0o755)
    return f"{compiler.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_a_build_that_is_ended_leaves_no_process_and_no_firmware(
    small: Artifact, tmp_path: Path, sluggish: str, number: signal.Signals
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(small.path, copy, ignore=shutil.ignore_patterns(".pio"))
    command = Command("build", "copy", "--emulate", cwd=tmp_path, PATH=sluggish)
    until(lambda: command.runs("sleep 600"), "the compiler did not start")
    assert command.runs("scons")
    said = command.end(number)
    assert command.process.returncode == SIGNALS[number], said
    assert "Traceback" not in said
    assert not (copy / "build.json").exists()
    assert not list((copy / "firmware").glob("firmware.*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_check_that_is_ended_leaves_no_emulator(
    small: Artifact, tmp_path: Path, number: signal.Signals
) -> None:
    many = "import numpy; numpy.save('many.npy', numpy.zeros((100_000, 1, 8, 8), numpy.float32))"
    subprocess.run([sys.executable, "-c", many], cwd=tmp_path, check=True)
    command = Command("verify", str(small.path), "--emulate", "--inputs", "many.npy", cwd=tmp_path)
    until(lambda: command.runs("qemu-system-arm"), "the emulator did not start")
    said = command.end(number)
    assert command.process.returncode == SIGNALS[number], said
    assert "Traceback" not in said


def test_under_nohup_a_command_survives_its_terminal(small: Artifact, tmp_path: Path, sluggish: str) -> None:
    shutil.copytree(small.path, tmp_path / "copy", ignore=shutil.ignore_patterns(".pio"))
    command = Command("build", "copy", "--emulate", cwd=tmp_path, prefix=("nohup",), PATH=sluggish)
    until(lambda: command.runs("sleep 600"), "the compiler did not start")
    command.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert command.process.poll() is None
    command.end(signal.SIGTERM)
    assert command.process.returncode == 143
