"""What does the uploader get? The very PlatformIO runs; the programs at its end write simulated boards."""

from pathlib import Path

import pytest
from flashable import SIZE, flashable
from nordic_platform import nordic_platform

from firmnet.api import verify
from firmnet.artifact import Artifact
from firmnet.build import flash, read_report
from firmnet.errors import SeveralBoards, VerificationError
from firmnet.simulated import Desk, SimulatedBoard


@pytest.fixture(scope="module")
def nucleo(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("nucleo") / "artifact"
    return flashable(folder, "nucleo_f446re", "nucleo_f446re_baremetal")


def a_nucleo(**options: object) -> SimulatedBoard:
    given = {"place": "1-3", "serial_number": "066AFF11", **options}
    return SimulatedBoard("nucleo_f446re", **given)  # type: ignore[arg-type]


def test_the_chosen_probe_reaches_openocd(nucleo: Artifact, tmp_path: Path) -> None:
    one, two = a_nucleo(), a_nucleo(place="1-4", serial_number="066AFF22", name="ttyACM1")
    link = tmp_path / "usb-STMicroelectronics_STM32_STLink_066AFF22-if02"
    with Desk(one, two, known=(nucleo,)) as desk:
        link.symlink_to(desk.folder / "dev" / "ttyACM1")
        port = flash(nucleo, desk, port=str(link))
        assert port == str(two.port)
        assert verify(nucleo, port=port).ok
        assert desk.ran[0][:3] == ["openocd", "-c", "adapter serial 066AFF22"]
        assert desk.ran[0][3:7] == ["-f", "interface/stlink.cfg", "-f", "target/stm32f4x.cfg"]
    assert one.flash.count(0xFF) == len(one.flash)


def test_what_was_published_is_uploaded_even_if_something_else_was_compiled_since(nucleo: Artifact) -> None:
    compiled = nucleo.firmware / ".pio" / "build" / read_report(nucleo).env / "firmware.elf"
    compiled.parent.mkdir(parents=True, exist_ok=True)
    compiled.write_bytes(b"somebody's experiment")
    (nucleo.firmware / "src" / "added.c").write_text("/* PlatformIO would throw its build folder away */\n")
    board = a_nucleo()
    try:
        with Desk(board) as desk:
            flash(nucleo, desk)
    finally:
        (nucleo.firmware / "src" / "added.c").unlink()
    assert board.flash[:SIZE] == (nucleo.firmware / "firmware.bin").read_bytes()


def test_an_upload_needs_neither_compiler_nor_micropython(
    nucleo: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A hardware-test host has the artifact, PlatformIO and a probe; a failed check there is no bad input."""
    (tmp_path / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not (nucleo.firmware / "lib" / "micropython").exists()
    with (
        Desk(a_nucleo(fault="verify")) as desk,
        pytest.raises(VerificationError, match=r"failed, what is in its flash(.|\n)*\n  \*\* Verify Failed"),
    ):
        flash(nucleo, desk)


def test_an_upload_that_is_interrupted_says_what_became_of_the_board(nucleo: Artifact) -> None:
    said: list[str] = []

    def interrupt(text: str, lines: int) -> None:
        if "Programming Started" in text:
            raise KeyboardInterrupt

    with Desk(a_nucleo()) as desk, pytest.raises(KeyboardInterrupt):
        flash(nucleo, desk, progress=interrupt, notice=said.append)
    assert said == [
        "interrupted: the firmware of ST Nucleo-F446RE may be incomplete, which does the board no harm: "
        "flash it again"
    ]


@pytest.fixture(scope="module")
def black_pill(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("black_pill") / "artifact"
    return flashable(folder, "blackpill_f411ce", "blackpill_f411ce_baremetal")


def test_another_way_than_the_usual_one_may_be_chosen(black_pill: Artifact) -> None:
    """And of two boards in their bootloaders the one that is named; dfu-util's last word is no failure."""
    one, two = (
        SimulatedBoard(
            "blackpill_f411ce", bootloader="dfu", mode="bootloader", place=place, serial_number=serial_number,
            name=f"ttyACM{place[2]}",
        )
        for place, serial_number in (("1-6", "3277"), ("1-7", "9911"))
    )  # fmt: skip
    settings = (black_pill.firmware / "platformio.ini").read_text()
    with Desk(one, two) as desk:
        with pytest.raises(SeveralBoards, match=r"STM32 BOOTLOADER 7723 .* and STM32 BOOTLOADER 1199"):
            flash(black_pill, desk, protocol="dfu")
        assert flash(black_pill, desk, protocol="dfu", port="1199") == ""
        assert desk.ran[0][:4] == ["dfu-util", "-S", "1199", "-a"]
    assert two.flash[:SIZE] == (black_pill.firmware / "firmware.bin").read_bytes()
    assert one.flash.count(0xFF) == len(one.flash)
    assert (black_pill.firmware / "platformio.ini").read_text() == settings


# ---- Arduino's bootloader ----


def test_a_nano_goes_away_comes_back_as_its_bootloader_and_gets_the_bytes_of_the_bin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Touched at 1200 baud, and found again under another id, name and serial number, twice."""
    nordic_platform(tmp_path / "cache")
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "cache"))
    artifact = flashable(tmp_path / "artifact", "nano33ble", "nano33ble", ("elf", "bin"))  # as its build does
    nano = SimulatedBoard("nano33ble", bootloader="sam-ba", serial_number="A7F1")
    with Desk(nano, known=(artifact,)) as desk:
        assert flash(artifact, desk) == str(nano.port)
        assert verify(artifact, port=str(nano.port)).ok
        (given,) = desk.ran
    assert given[:3] == ["bossac", "--port", f"{desk.folder}/dev/ttyACM1"]
    assert nano.flash[:SIZE] == (artifact.firmware / "firmware.bin").read_bytes()
