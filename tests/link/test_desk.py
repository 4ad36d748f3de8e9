"""Does flashing work on a desk with boards? Simulated ones, over real ports, drives and outside programs."""

import os
import re
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from flashable import SIZE, flashable

from firmnet.api import verify
from firmnet.artifact import Artifact
from firmnet.build import flash
from firmnet.build.uploaders import explained
from firmnet.devices import serial
from firmnet.doctor import plugged_in
from firmnet.errors import SeveralBoards, UserError, VerificationError
from firmnet.simulated import (
    CIRCUITPYTHON,
    Babbling,
    BootLoop,
    Desk,
    Fault,
    Firmnet,
    Marlin,
    Python,
    ResetsWhenOpened,
    Shell,
    SimulatedBoard,
    flashed_by,
    silent,
)
from firmnet.targets import Board, Plugged, board_ids, load_board
from firmnet.toolchain import run


def _ways(board: Board) -> set[str]:
    return {way for env in board.envs for way in board.protocols(env)}


drive_module = import_module("firmnet.build.drive")
flash_module = import_module("firmnet.build.flash")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sure not to come is not waited for long."""
    monkeypatch.setattr(drive_module, "TAKES_S", 0.8)
    monkeypatch.setattr(drive_module, "RETURNS_S", 0.8)
    monkeypatch.setattr(flash_module, "APPEAR_S", 0.8)


def pico(**options: object) -> SimulatedBoard:
    return SimulatedBoard("pico", bootloader="uf2", serial_number="E660", **options)  # type: ignore[arg-type]


def nucleo(**options: object) -> SimulatedBoard:
    given = {"place": "1-4", "serial_number": "066AFF48", **options}
    return SimulatedBoard("nucleo_f446re", **given)  # type: ignore[arg-type]


# ---- files copied onto a drive ----


@pytest.fixture(scope="module")
def for_pico(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return flashable(tmp_path_factory.mktemp("pico") / "artifact", "pico", "pico_baremetal")


@pytest.fixture(scope="module")
def for_nucleo(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return flashable(tmp_path_factory.mktemp("nucleo") / "artifact", "nucleo_f446re", "nucleo_f446re")


@pytest.mark.parametrize("mode", ["application", "bootloader"])
def test_a_pico_takes_a_uf2_file_and_is_verified(for_pico: Artifact, mode: str) -> None:
    board = pico(mode=mode)
    with Desk(board, known=(for_pico,)) as desk:
        port = flash(for_pico, desk, protocol="uf2")
        assert port == str(board.port)
        assert verify(for_pico, port=port, layers=True).ok


@pytest.mark.usefixtures("hasty")
def test_a_uf2_file_for_another_chip_is_not_taken(for_pico: Artifact) -> None:
    board = pico(mode="bootloader")
    board.board = replace(board.board, flash=replace(board.board.flash, uf2_family=0xE48BFF59))
    with (
        Desk(board) as desk,
        pytest.raises(VerificationError, match=r"did not take it within 0.8 s"),
    ):
        flash(for_pico, desk, protocol="uf2")


@pytest.mark.usefixtures("hasty")
def test_a_bootloader_that_does_not_start_is_said(for_pico: Artifact) -> None:
    with Desk(pico(fault="hangs")) as desk, pytest.raises(UserError, match=r"asked to start its bootloader"):
        flash(for_pico, desk, protocol="uf2")


@pytest.mark.usefixtures("hasty")
def test_a_pico_pulled_out_while_it_is_written_is_no_success(for_pico: Artifact) -> None:
    board = pico(mode="bootloader", fault="broken")
    with Desk(board) as desk:
        board._take_uf2 = lambda data: board.unplug()  # type: ignore[method-assign]
        with pytest.raises(
            VerificationError, match=r"was flashed, but no USB 2e8a:000a or 2e8a:00c0 appeared where it was"
        ):
            flash(for_pico, desk, protocol="uf2")


def test_of_two_picos_one_is_chosen_by_its_drive_or_place(for_pico: Artifact) -> None:
    one, two = pico(mode="bootloader"), pico(mode="bootloader", place="1-3", name="ttyACM5")
    with Desk(one, two, known=(for_pico,)) as desk:
        with pytest.raises(SeveralBoards) as asked:
            flash(for_pico, desk, protocol="uf2")
        shown = desk.shown(str(asked.value))
        assert shown.startswith(
            "/media/you/RPI-RP2 (serial number 066E, at USB 1-2) and "
            "/media/you/RPI-RP21 (serial number 066E, at USB 1-3) could all be Raspberry Pi Pico"
        )
        assert flash(for_pico, desk, protocol="uf2", port="1-3").endswith("ttyACM5")
        assert one.flash.count(0xFF) == len(one.flash)


def test_a_nucleo_takes_a_file_and_keeps_its_port(for_nucleo: Artifact) -> None:
    one, two = nucleo(), nucleo(place="1-5", serial_number="0671FF51", name="ttyACM1")
    with Desk(one, two, known=(for_nucleo,)) as desk:
        with pytest.raises(SeveralBoards, match="NOD_F446RE1"):
            flash(for_nucleo, desk, protocol="msd")
        for port in ("0671FF51", str(two.port)):
            assert flash(for_nucleo, desk, protocol="msd", port=port) == str(two.port)
        assert verify(for_nucleo, port="0671FF51").ok
        assert one.flash.count(0xFF) == len(one.flash)


@pytest.mark.usefixtures("hasty")
def test_a_drive_that_gives_no_sign_is_no_sure_success(
    for_nucleo: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a system goes on showing the list of files that it remembers."""
    said: list[str] = []
    monkeypatch.setattr(SimulatedBoard, "_take", lambda *_: False)
    with Desk(nucleo()) as desk:
        flash(for_nucleo, desk, protocol="msd", notice=said.append)
    assert said == [
        "ST Nucleo-F446RE was written, but its drive gave no sign within 0.8 s that firmware.bin was taken: "
        "`firmnet verify` tells which firmware it runs"
    ]


def test_that_files_are_lost_is_said_before_they_are(for_nucleo: Artifact) -> None:
    record, board, said = for_nucleo.path / "build.json", nucleo(), []
    kept = record.read_text()
    record.write_text(kept.replace('"files_bytes": null', '"files_bytes": 0'))
    with Desk(board, known=(for_nucleo,)) as desk:
        flash(for_nucleo, desk, protocol="msd", notice=lambda text: said.append((text, bytes(board.flash))))
    record.write_text(kept)
    ((sentence, before),) = said
    assert sentence.endswith("keeps files: what an earlier firmware kept there is lost")
    assert before == b"\xff" * len(before) != board.flash


def test_what_a_probe_says_of_a_failed_copy_is_told(for_nucleo: Artifact) -> None:
    with (
        Desk(nucleo(fault="protected")) as desk,
        pytest.raises(
            VerificationError, match=r"did not take firmware.bin, its drive says: .* flash is locked;"
        ),
    ):
        flash(for_nucleo, desk, protocol="msd")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (
            PermissionError(13, "Permission denied"),
            UserError,
            "mounted for somebody else or for reading only",
        ),
        (OSError(28, "No space left on device"), VerificationError, "has no room for the 70,001 bytes"),
        (OSError(5, "Input/output error"), VerificationError, "broke off .*Input/output error"),
    ],
    ids=["forbidden", "full", "broken"],
)
@pytest.mark.usefixtures("hasty")
def test_a_drive_that_cannot_be_written_is_said(
    for_nucleo: Artifact, monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[Exception], said: str
) -> None:
    def refuse(descriptor: int) -> None:
        raise error

    monkeypatch.setattr(SimulatedBoard, "_take", lambda *_: False)
    with Desk(nucleo()) as desk:
        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(kind, match=said):
            flash(for_nucleo, desk, protocol="msd")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("mode", ["application", "bootloader"])
def test_a_drive_that_nobody_has_mounted_is_said(
    for_pico: Artifact, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    board = pico(mode=mode)
    plugged = board.plugged

    def closed() -> Plugged:
        shown = plugged()
        return replace(shown, drives=tuple(replace(drive, folder=None) for drive in shown.drives))

    with Desk(board) as desk:
        monkeypatch.setattr(board, "plugged", closed)
        with pytest.raises(UserError, match=r"is not mounted: `udisksctl mount -b /dev/sdb`"):
            flash(for_pico, desk, protocol="uf2")


def test_a_probe_that_is_wired_to_a_board_writes_it(tmp_path: Path) -> None:
    """A Black Pill that shows nothing of its own yet, behind an ST-Link without a serial port."""
    artifact = flashable(tmp_path / "artifact", "blackpill_f411ce", "blackpill_f411ce")
    board = flashed_by("pyocd", load_board("blackpill_f411ce"), serial_number="3457")
    with Desk(board, known=(artifact,)) as desk:
        board.becomes("away")
        port = flash(artifact, desk, protocol="pyocd")
        assert port == str(board.port)
        assert verify(artifact, port=port).ok


def test_pyocd_writes_through_the_chosen_probe(for_nucleo: Artifact) -> None:
    one, two = nucleo(), nucleo(place="1-5", serial_number="0671FF51", name="ttyACM1")
    with Desk(one, two, known=(for_nucleo,)) as desk:
        port = flash(for_nucleo, desk, protocol="pyocd", port="1-5")
        assert port == str(two.port)
        assert verify(for_nucleo, port=port).ok
        one.fault = two.fault = "unpowered"  # this desk's pyOCD then knows no chip
        with pytest.raises(UserError, match=r"does not know stm32f446retx.*`python -m pyocd pack install"):
            flash(for_nucleo, desk, protocol="pyocd", port="1-5")
    assert one.flash.count(0xFF) == len(one.flash)


def test_doctor_tells_what_is_on_the_desk() -> None:
    black_pill = SimulatedBoard(
        "blackpill_f411ce", bootloader="dfu", mode="bootloader", place="1-6", serial_number="3277"
    )
    nano = SimulatedBoard("nano33ble", bootloader="sam-ba", serial_number="A7F1", name="ttyACM1")
    with Desk(black_pill, nano, nucleo()) as desk:
        found = desk.shown(plugged_in().found)
    assert "/dev/ttyACM1 (serial number A7F1, at USB 1-2): nano33ble; " in found
    assert "/dev/ttyACM0 (serial number 066AFF48, at USB 1-4): b_l475e_iot01a, nucleo_f446re, " in found
    assert "/media/you/NOD_F446RE (serial number 066AFF48, at USB 1-4): the drive of nucleo_f446re; " in found
    assert found.endswith("STM32 BOOTLOADER 7723 (at USB 1-6): blackpill_f411ce in its bootloader")


COPIED = [(id, way) for id in board_ids() for way in ("uf2", "msd") if way in _ways(load_board(id))]


@pytest.mark.parametrize(("id", "way"), COPIED)
def test_every_board_with_a_drive_takes_its_file(id: str, way: str, tmp_path: Path) -> None:
    board = load_board(id)
    env = board.id if way in board.protocols(board.id) and board.platformio else board.baremetal_env
    artifact = flashable(tmp_path / "artifact", board, env)
    on_desk = flashed_by(way, board, serial_number="066AFF48")
    with Desk(on_desk, known=(artifact,)) as desk:
        port = flash(artifact, desk, protocol=way)
        assert port == (str(on_desk.port) if board.owns_port(env) else "")
    assert on_desk.flash[:SIZE] == (artifact.firmware / "firmware.bin").read_bytes()


# ---- what uploaders say ----


FAULTS = {
    "forbidden": (UserError, "access was refused: add yourself to its group .* udev rule"),
    "busy": (UserError, "is busy: another program has it open.*ModemManager"),
    "gone": (UserError, "it has gone, or does not answer: plug it in again"),
    "verify": (VerificationError, "what is in its flash is not what was written: flash it again"),
    "broken": (UserError, "broke while it was being written: its firmware is incomplete"),
    "protected": (UserError, "the chip is protected against writing: unlock it once"),
    "unpowered": (UserError, "the probe sees no chip: check that the board has power"),
}
SAID_BY = {
    "openocd": tuple(FAULTS),
    "dfu-util": ("forbidden", "busy", "gone", "verify", "broken"),
    "bossac": ("forbidden", "busy", "gone", "verify", "broken"),
    "pyocd": ("forbidden", "busy", "gone"),
}


@pytest.mark.parametrize(
    ("tool", "fault"), [(tool, fault) for tool, faults in SAID_BY.items() for fault in faults]
)
def test_what_goes_wrong_is_said_with_its_fix(for_nucleo: Artifact, tool: str, fault: Fault) -> None:
    kind, said = FAULTS[fault]
    board = {
        "openocd": lambda: nucleo(fault=fault),
        "pyocd": lambda: nucleo(fault=fault),
        "dfu-util": lambda: SimulatedBoard(
            "blackpill_f411ce", bootloader="dfu", mode="bootloader", fault=fault
        ),
        "bossac": lambda: SimulatedBoard("nano33ble", bootloader="sam-ba", mode="bootloader", fault=fault),
    }[tool]()
    image = str(for_nucleo.firmware / "firmware.bin")
    with Desk(board):
        arguments = {
            "openocd": ["-c", f"program {{{for_nucleo.firmware}/firmware.elf}} verify reset exit"],
            "pyocd": ["load", "--target", "stm32f446retx", str(for_nucleo.firmware / "firmware.elf")],
            "dfu-util": ["-a", "0", "-s", "0x08000000:leave", "-D", image],
            "bossac": ["--port", board.port.name if board.port else "", "--write", image],
        }[tool]
        command = [sys.executable, "-m", "pyocd"] if tool == "pyocd" else [tool]
        done = run([*command, *arguments], what="flashing", check=False)
    assert done.returncode
    error = explained("flashing it", tool, done.stdout, done.args)
    assert type(error) is kind
    assert re.search(said, str(error))


# ---- what else a board may run ----


STRANGERS = {
    "babbling": (Babbling(), r"it prints by itself all the time and Ctrl-C does not stop it: '.*t=21.5"),
    "boot loop": (BootLoop(), r"the board starts again and again: .*look for a weak supply"),
    "marlin": (Marlin(), r"a 3D printer's firmware .* answers: .*this is the printer's port"),
    "shell": (Shell(), r"a computer's shell or login answers: .*this is a console"),
    "circuitpython": (
        CIRCUITPYTHON,
        r"runs CircuitPython, which cannot serve .*copying what you want to keep",
    ),
    "micropython": (
        Python(),
        r"runs MicroPython but cannot serve .*ImportError: no module named 'firmnet_link'",
    ),
    "silent": (silent, r"nothing came back; is it powered and flashed"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_who_answers_instead_is_told_with_what_to_do(for_nucleo: Artifact, name: str) -> None:
    program, said = STRANGERS[name]
    board = nucleo(runs=program)
    with Desk(board), pytest.raises(VerificationError) as refused:
        serial.open(for_nucleo, str(board.port), timeout_s=1.0)
    assert re.search(said, str(refused.value))


def test_a_board_that_is_reset_by_opening_its_port_is_waited_for(for_nucleo: Artifact) -> None:
    board = nucleo()
    image = (for_nucleo.firmware / "firmware.bin").read_bytes()
    board.write(board.board.chip.flash_origin, image)
    board._runs = ResetsWhenOpened(Firmnet(for_nucleo, board.flash), 0.8)
    with Desk(board):
        assert verify(for_nucleo, port=str(board.port)).ok


def test_somebody_who_opens_the_port_meanwhile_is_suspected(for_nucleo: Artifact) -> None:
    """As a modem manager does: the board is reset in the middle, and nothing it says is believed."""
    board = nucleo()
    board.write(board.board.chip.flash_origin, (for_nucleo.firmware / "firmware.bin").read_bytes())
    with (
        Desk(board, known=(for_nucleo,)),
        serial.open(for_nucleo, str(board.port), timeout_s=5) as device,
    ):
        device.run(for_nucleo.samples)
        board.reset()
        with pytest.raises(VerificationError, match=r"was reset in the middle of the run.*a second program"):
            device.run(for_nucleo.samples)
