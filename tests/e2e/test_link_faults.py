"""Do bad lines and dying boards cost time, or end in a clear error, but never in a wrong verdict?

Everything here runs the firmware on the emulated board; unit/test_link.py has what needs no firmware.
"""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from board_checks import random_inputs
from noisy_line import Damage, noisy
from serial import serial_for_url

from firmnet.artifact import Artifact
from firmnet.devices import qemu, serial
from firmnet.devices.frames import Frame, Message
from firmnet.errors import UserError, VerificationError
from firmnet.verify import verify


@pytest.mark.parametrize("seed", range(3))
def test_flipped_and_dropped_bytes_cost_time_but_no_bit(small: Artifact, seed: int) -> None:
    damage = Damage(flip=1 / 800, drop=1 / 1600)
    with (
        qemu.emulated(small) as emulator,
        noisy(emulator.url, damage, seed) as line,
        serial.open(small, line) as device,
    ):
        verdict = verify(small, device, random_inputs(small, 60, seed))
        assert damage.done > 5
        assert device.link.resends > 0
    assert verdict.ok, verdict.sentence()


@pytest.mark.parametrize("prompt", [b"\x01", b"\x02"], ids=["raw", "friendly"])
def test_a_hello_that_reaches_a_prompt_resets_nothing(small: Artifact, prompt: bytes) -> None:
    """Over a bad line it does: each of its bytes is a key to a prompt, and Ctrl-D is the soft reset."""
    hello = Frame(Message.HELLO, 0x61626364, 1, b"").encode()
    with qemu.emulated(small) as emulator, serial_for_url(emulator.url, timeout=5) as port:
        port.read_until(b">>> ")
        port.write(b"kept = 1\r\x03" + prompt + hello + b"\r\x03\x03\x02\r\x03print('kept' in globals())\r")
        said = port.read_until(b"True\r\n")
    assert said.endswith(b"True\r\n")
    assert b"soft reboot" not in said


def test_a_line_too_bad_to_use_ends_in_an_error_in_time(small: Artifact) -> None:
    start = time.monotonic()
    with (
        qemu.emulated(small) as emulator,
        noisy(emulator.url, Damage(flip=1 / 10), 0) as line,
        pytest.raises(
            VerificationError,
            match=r"is no answer|nothing valid came back|damaged \d+ times|prints by itself",
        ),
        serial.open(small, line, timeout_s=3) as device,
    ):
        verify(small, device, random_inputs(small, 60))
    assert time.monotonic() - start < 60


def test_a_board_that_dies_half_way(small: Artifact) -> None:
    with (
        pytest.raises(VerificationError, match=r"connection broke after \d+ bytes.*ended with signal 9"),
        qemu.open(small) as device,
    ):
        verify(small, device, random_inputs(small, 60), progress=at(5, device, signal.SIGKILL))


def test_a_board_that_hangs_half_way(small: Artifact) -> None:
    with qemu.open(small, timeout_s=2) as device, pytest.raises(VerificationError) as caught:
        verify(small, device, random_inputs(small, 60), progress=at(5, device, signal.SIGSTOP))
    assert re.search(r"sent the same run frame again and again for 2\.\d* s", str(caught.value))
    assert "press its reset button" in str(caught.value)


def at(count: int, device: qemu.QemuDevice, kill: signal.Signals) -> object:
    """A progress callback that sends the emulator a signal after `count` inferences."""

    def progress(done: int) -> None:
        if done == count:
            os.kill(device.emulator.pid, kill)

    return progress


def test_the_firmware_of_another_model_is_refused(small: Artifact, other: Artifact) -> None:
    with qemu.QemuDevice(small, 15, other.firmware / "firmware.elf") as device:
        assert device.hello.model == "other"
        with pytest.raises(VerificationError, match=r"runs another firmware.*flash it with `firmnet flash"):
            verify(small, device, small.samples)
        with pytest.raises(VerificationError, match=r"runs another firmware: its fingerprint"):
            device.run(small.samples)


def test_a_file_that_is_no_firmware(small: Artifact, tmp_path: Path) -> None:
    (tmp_path / "text.elf").write_text("not a program")
    start = time.monotonic()
    with pytest.raises((UserError, VerificationError), match=r"qemu-system-arm ended with|nothing came back"):
        qemu.QemuDevice(small, 2, tmp_path / "text.elf")
    assert time.monotonic() - start < 60


def test_an_artifact_that_was_not_built(small: Artifact, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(small.path, tmp_path / "copy"))
    (copy / "build.json").unlink()
    with pytest.raises(UserError, match=r"is not built: run `firmnet build"):
        qemu.open(Artifact.open(copy))
