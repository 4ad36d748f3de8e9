"""Is a board flashed only when it is surely that board, and every refusal explained?"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from firmnet.artifact import Artifact, Edge, Manifest
from firmnet.build import BuildReport, Sizes, flash
from firmnet.devices import PortInfo
from firmnet.errors import UserError

CONSOLE = PortInfo("/dev/ttyS0", "ttyS0")
NANO = PortInfo("/dev/ttyACM0", "Nano 33 BLE", "2341:805a", "1-2:1.0")
NANO_BOOTLOADER = PortInfo("/dev/ttyACM1", "Nano 33 BLE", "2341:005a", "1-3:1.0")
STLINK = PortInfo("/dev/ttyACM2", "STM32 STLink", "0483:374b", "1-4:1.2")


def built(path: Path, board: str, env: str) -> Artifact:
    """An artifact that claims to be built; nothing of it is real but what flash() looks at."""
    edge = Edge((1, 4), (), 0.1, 0)
    manifest = Manifest(1, "0", "net", board, "00" * 32, (), edge, edge, (), 4, 4)
    report = BuildReport(board, env, 1.0, Sizes(1, 2, 1, 2, 1, 1, 1, 1), "00" * 32)
    (path / "firmware").mkdir()
    (path / "build.json").write_text(json.dumps(asdict(report)))
    return Artifact(path, manifest)


def refusal(path: Path, board: str, env: str, ports: Sequence[PortInfo], port: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        flash(built(path, board, env), lambda: ports, port=port)
    return str(caught.value)


def test_no_board_lists_what_is_there(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nano33ble", "nano33ble", [CONSOLE, STLINK])
    assert said.startswith("no Arduino Nano 33 BLE is connected (USB id 2341:805a or 2341:005a)")
    assert "/dev/ttyS0 (no USB ttyS0), /dev/ttyACM2 (0483:374b STM32 STLink)" in said


def test_no_port_at_all_is_said(tmp_path: Path) -> None:
    assert "found no serial port at all" in refusal(tmp_path, "nucleo_f446re", "nucleo_f446re", [])


def test_two_boards_are_not_guessed_between(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nano33ble", "nano33ble", [NANO, CONSOLE, NANO_BOOTLOADER])
    assert said == ("/dev/ttyACM0 and /dev/ttyACM1 could all be Arduino Nano 33 BLE: choose one with --port")


def test_a_port_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nano33ble", "nano33ble", [NANO], port="/dev/ttyACM9")
    assert said.startswith("there is no port /dev/ttyACM9: found /dev/ttyACM0")


def test_an_emulated_board_is_not_flashed(tmp_path: Path) -> None:
    said = refusal(tmp_path, "netduinoplus2", "netduinoplus2", [STLINK])
    assert said == "Netduino Plus 2 is supported in the emulator only: use --emulate, or another board"


def test_an_image_for_the_emulator_is_not_flashed(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nano33ble", "nano33ble_baremetal", [NANO])
    assert "was built as nano33ble_baremetal, which only the emulator runs" in said
    assert "FIRMNET_PLATFORMIO=registry" in said


def test_what_is_not_built_is_not_flashed(tmp_path: Path) -> None:
    artifact = built(tmp_path, "nano33ble", "nano33ble")
    (tmp_path / "build.json").unlink()
    with pytest.raises(UserError, match="is not built yet: run `firmnet build"):
        flash(artifact, lambda: [NANO])


def test_a_failing_upload_shows_what_platformio_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "cache"))
    artifact = built(tmp_path, "nano33ble", "nano33ble")
    with pytest.raises(
        UserError, match=r"flashing Arduino Nano 33 BLE failed(.|\n)*--upload-port /dev/ttyACM0"
    ):
        flash(artifact, lambda: [CONSOLE, NANO])
