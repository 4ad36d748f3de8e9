"""Is a board flashed only when it is surely that board, and every refusal explained?"""

import functools
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from firmnet import cli
from firmnet.api import check_target
from firmnet.artifact import BOARD_FILE, Artifact
from firmnet.build import BuildReport, FirmwareSizes, check_flashable, flash
from firmnet.build.uf2 import read_uf2, uf2
from firmnet.devices import in_place_of_this
from firmnet.devices.computer import ThisComputer, linux_drives, serial_ports, usb_devices
from firmnet.errors import SeveralBoards, UserError
from firmnet.image import Region
from firmnet.manifest import Edge, Manifest
from firmnet.screen import Screen
from firmnet.targets import (
    Drive,
    Plugged,
    PortInfo,
    Target,
    UsbDevice,
    board_to_json,
    find_port,
    find_target,
    load_board,
    path_of,
    returned,
)

CONSOLE = PortInfo("/dev/ttyS0", "ttyS0")
NANO = PortInfo("/dev/ttyACM0", "Nano 33 BLE", "2341:805a", "1-2:1.0")
NANO_BOOTLOADER = PortInfo("/dev/ttyACM1", "Nano 33 BLE", "2341:005a", "1-3:1.0")
STLINK = PortInfo("/dev/ttyACM2", "STM32 STLink", "0483:374b", "1-4:1.2", "066AFF485257")
STLINK_V3 = PortInfo("/dev/ttyACM3", "STLINK-V3", "0483:374e", "1-5:1.2", "003B0041")
BLACK_PILL = PortInfo("/dev/ttyACM4", "BLACKPILL_F411CE", "0483:5740", "1-6:1.0", "3457")
ADAPTER = PortInfo("/dev/ttyUSB0", "FT232R", "0403:6001", "1-7:1.0", "A1")
STLINK_V2 = UsbDevice("0483:3748", "1-9", "STM32 STLink")
"""It has no serial port."""


@dataclass
class Desk:
    """A computer with these ports and nothing else."""

    ports: Sequence[PortInfo]
    usb: tuple[UsbDevice, ...] | None = None
    touched: list[str] = field(default_factory=list)

    def plugged(self) -> Plugged:
        return Plugged(tuple(self.ports), self.usb)

    def touch(self, port: PortInfo) -> None:
        self.touched.append(port.path)


def seen(*ports: PortInfo, usb: tuple[UsbDevice, ...] | None = None) -> Plugged:
    return Plugged(ports, usb)


def built(path: Path, board: str, env: str) -> Artifact:
    """An artifact that claims to be built; nothing of it is real but what flash() looks at."""
    edge = Edge("x", (1, 4), (), 0.1, 0)
    manifest = Manifest(1, "0", "net", board, "00" * 32, (), (edge,), (edge,), (), 4, 4, 448)
    report = BuildReport(board, env, 1.0, FirmwareSizes(1, 2, 1, 2, 1, 1, 1, 1), "00" * 32)
    (path / "firmware").mkdir()
    (path / "firmware" / BOARD_FILE).write_text(board_to_json(load_board(board)))
    (path / "build.json").write_text(json.dumps(asdict(report)))
    return Artifact(path, manifest)


def refusal(path: Path, board: str, env: str, ports: Sequence[PortInfo], port: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        flash(built(path, board, env), Desk(ports), port=port)
    return str(caught.value)


def test_no_board_lists_what_is_there(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nano33ble", "nano33ble", [CONSOLE, STLINK])
    assert said.startswith("no Arduino Nano 33 BLE is connected (USB id 2341:805a or 2341:005a)")
    assert "/dev/ttyS0 (not on USB), /dev/ttyACM2 (0483:374b STM32 STLink)" in said


def test_no_port_at_all_is_said(tmp_path: Path) -> None:
    assert "found no serial port at all" in refusal(tmp_path, "nucleo_f446re", "nucleo_f446re", [])


def test_two_boards_are_not_guessed_between(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nano33ble", "nano33ble", [NANO, CONSOLE, NANO_BOOTLOADER])
    assert said == (
        "/dev/ttyACM0 (at USB 1-2) and /dev/ttyACM1 (at USB 1-3) could all be Arduino Nano 33 BLE: "
        "choose one with --port"
    )


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
        flash(artifact, Desk([NANO]))


def test_a_failing_upload_shows_what_platformio_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path / "cache"))
    artifact = built(tmp_path, "nano33ble", "nano33ble")
    with pytest.raises(
        UserError, match=r"flashing Arduino Nano 33 BLE failed(.|\n)*--upload-port /dev/ttyACM1"
    ):
        flash(artifact, Desk([CONSOLE, NANO_BOOTLOADER]))


@pytest.mark.parametrize("edited", [b"garbage\n[env]\n", b"[env]\xa7\xff", b"[env"])
def test_settings_that_cannot_be_read_are_named(tmp_path: Path, edited: bytes) -> None:
    artifact = built(tmp_path, "nucleo_f446re", "nucleo_f446re")
    (artifact.firmware / "platformio.ini").write_bytes(edited)
    with pytest.raises(UserError, match=r"platformio\.ini cannot be read .*generate it again"):
        flash(artifact, Desk([STLINK]))


# ---- which port ----


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("COM5", "com5"),
        ("COM12", r"\\.\COM12"),
        ("/dev/cu.usbmodem14101", "/dev/tty.usbmodem14101"),
        ("/dev/ttyACM0", "ttyACM0"),
        ("/dev/ttyACM0", "/dev/../dev/ttyACM0"),
    ],
)
def test_a_port_has_more_names_than_one(path: str, name: str) -> None:
    port = PortInfo(path, "")
    assert port.is_called(path)
    assert port.is_called(name)
    assert not port.is_called(name + "1")


def test_links_lead_to_the_port(tmp_path: Path) -> None:
    """As /dev/serial/by-id does, and udev rules of one's own."""
    (tmp_path / "ttyACM7").touch()
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "usb-Arduino_Nano-if00").symlink_to(Path("..", "ttyACM7"))
    (tmp_path / "my-board").symlink_to(tmp_path / "by-id" / "usb-Arduino_Nano-if00")
    port = PortInfo(str(tmp_path / "ttyACM7"), "")
    assert port.is_called(str(tmp_path / "by-id" / "usb-Arduino_Nano-if00"))
    assert port.is_called(str(tmp_path / "my-board"))
    assert not port.is_called(str(tmp_path / "by-id"))


def test_ports_are_what_pyserial_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ListPortInfo("/dev/ttyACM2")
    listed.vid, listed.pid, listed.serial_number = 0x0483, 0x374B, "066AFF485257"
    listed.location, listed.description = "1-4:1.2", "STM32 STLink"
    monkeypatch.setattr(list_ports, "comports", lambda: [listed, ListPortInfo("/dev/ttyS0")])
    assert serial_ports() == [STLINK, PortInfo("/dev/ttyS0", "n/a")]
    assert find_port(load_board("nucleo_f446re"), seen(*serial_ports())) == STLINK.path


@pytest.mark.parametrize("foreign", [CONSOLE, STLINK, ADAPTER], ids=["console", "probe", "adapter"])
def test_nothing_is_written_to_a_foreign_port(tmp_path: Path, foreign: PortInfo) -> None:
    said = refusal(tmp_path, "nano33ble", "nano33ble", [CONSOLE, NANO, STLINK, ADAPTER], port=foreign.path)
    assert said.startswith(f"{foreign.path} is not Arduino Nano 33 BLE (USB id 2341:805a or 2341:005a)")
    assert "nothing is written to it; found" in said


def test_another_board_is_no_probe(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nucleo_f446re", "nucleo_f446re", [STLINK, NANO], port=NANO.path)
    assert said.startswith("/dev/ttyACM0 is not ST Nucleo-F446RE")


def test_a_connection_cannot_be_flashed(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nucleo_f446re", "nucleo_f446re", [STLINK], port="rfc2217://there:2217")
    assert said.startswith("rfc2217://there:2217 is a connection, not a port of this machine")


# ---- which probe ----


def test_the_probe_is_known_by_its_serial_number() -> None:
    nucleo = load_board("nucleo_f446re")
    for env in nucleo.envs:
        for stlink in (STLINK, STLINK_V3):
            target = find_target(nucleo, env, "stlink", seen(CONSOLE, STLINK, STLINK_V3, NANO), stlink.path)
            assert (target.port, target.probe) == (stlink, stlink.serial_number)
        assert find_target(nucleo, env, "stlink", seen(CONSOLE, STLINK), None).probe == STLINK.serial_number


def test_two_probes_are_not_guessed_between(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nucleo_f446re", "nucleo_f446re", [STLINK, STLINK_V3])
    assert said == (
        "/dev/ttyACM2 (serial number 066AFF485257, at USB 1-4) and /dev/ttyACM3 (serial number 003B0041, at "
        "USB 1-5) could all be ST Nucleo-F446RE: choose one with --port"
    )


def test_probes_that_cannot_be_told_apart_are_not_used(tmp_path: Path) -> None:
    twins = [STLINK, replace(STLINK_V3, serial_number=STLINK.serial_number)]
    said = refusal(tmp_path, "nucleo_f446re", "nucleo_f446re", twins, port=STLINK.path)
    assert said.startswith(
        "the ST-Link at /dev/ttyACM2 has no serial number of its own to tell it from /dev/ttyACM3"
    )


def test_two_ports_of_one_probe_are_no_two_probes() -> None:
    second = replace(STLINK_V3, path="/dev/ttyACM9", location="1-5:1.4")
    target = find_target(
        load_board("nucleo_f446re"), "nucleo_f446re", "stlink", seen(STLINK_V3, second), second.path
    )
    assert (target.port, target.probe) == (second, STLINK_V3.serial_number)


def test_a_probe_that_sits_on_a_board_is_not_taken_for_one_that_is_wired_to_another() -> None:
    """It would write the Nucleo's own chip."""
    board = load_board("blackpill_f411ce")
    with pytest.raises(
        UserError, match=r"the only ST-Link, /dev/ttyACM2 .* sit on a board .* --port /dev/tty"
    ):
        find_target(board, board.id, "stlink", seen(STLINK, BLACK_PILL))
    assert find_target(board, board.id, "stlink", seen(STLINK), STLINK.path).probe == STLINK.serial_number
    discovery = load_board("disco_f407vg")  # its own
    assert find_target(discovery, discovery.id, "stlink", seen(STLINK)) == Target(None)


@pytest.mark.parametrize("named", [None, "/dev/ttyACM2", "066AFF485257"])
def test_a_nucleo_of_another_kind_is_known_by_its_drive(tmp_path: Path, named: str | None) -> None:
    other = Drive("/dev/sdb", tmp_path, "NOD_L476RG", "", "1-4", "066AFF485257")
    nucleo = load_board("nucleo_f446re")
    with pytest.raises(UserError, match=r"is not ST Nucleo-F446RE, it calls itself NOD_L476RG: nothing is"):
        find_target(nucleo, nucleo.id, "stlink", Plugged((STLINK,), None, (other,)), named)


def test_of_two_nucleos_of_different_kinds_the_right_one_is_taken(tmp_path: Path) -> None:
    labels = {"1-4": "NOD_L476RG", "1-5": "NODE_F446RE"}
    drives = tuple(Drive("/dev/sdb", tmp_path, label, "", place) for place, label in labels.items())
    there = Plugged((STLINK, STLINK_V3), None, drives)
    for board, port in (("nucleo_f446re", STLINK_V3), ("nucleo_l476rg", STLINK)):
        for protocol in ("stlink", "msd", "pyocd"):
            assert find_target(load_board(board), board, protocol, there).port == port
        assert find_port(load_board(board), there) == port.path


def test_a_bootloader_without_a_port_is_left_to_platformio_to_find() -> None:
    nano = load_board("nano33ble")
    pico = replace(nano, link=replace(nano.link, usb_ids=("2e8a:00c0",), bootloader_usb_ids=("2e8a:0003",)))
    boot = UsbDevice("2e8a:0003", "1-3", "RP2 Boot", "E0C9")
    assert find_target(pico, pico.id, "picotool", seen(CONSOLE, usb=(boot,))) == Target(bootloader=boot)
    with pytest.raises(SeveralBoards, match=r"RP2 Boot E0C9 \(at USB 1-3\) and RP2 Boot E1 \(at USB 1-8\)"):
        find_target(
            pico, pico.id, "picotool", seen(usb=(boot, replace(boot, place="1-8", serial_number="E1")))
        )


def test_a_blank_board_behind_a_probe_needs_no_port() -> None:
    board = load_board("blackpill_f411ce")
    on_usb = (STLINK_V2,)
    assert find_target(board, board.id, "stlink", seen(CONSOLE, usb=on_usb)) == Target(None)
    assert find_target(board, board.id, "stlink", seen(CONSOLE, BLACK_PILL, usb=on_usb)) == Target(BLACK_PILL)


def test_another_boards_probe_is_not_taken_for_a_probe_without_a_port() -> None:
    board, there = load_board("blackpill_f411ce"), seen(STLINK, BLACK_PILL, usb=(STLINK_V2,))
    with pytest.raises(SeveralBoards) as asked:
        find_target(board, board.id, "stlink", there)
    assert str(asked.value) == (
        "/dev/ttyACM2 (serial number 066AFF485257, at USB 1-4) and STM32 STLink 1-9 could all be the ST-Link "
        "behind which WeAct Black Pill F411CE is: choose one with --port"
    )
    for name in (STLINK.path, "066AFF485257", "1-4"):
        assert find_target(board, board.id, "stlink", there, name).probe == STLINK.serial_number
    with pytest.raises(UserError, match="the ST-Link at 1-9 has no serial number of its own"):
        find_target(board, board.id, "stlink", there, "1-9")


def test_without_any_probe_nothing_is_begun() -> None:
    board = load_board("blackpill_f411ce")
    with pytest.raises(
        UserError, match=r"no ST-Link is connected, which flashes WeAct Black Pill F411CE: found /"
    ):
        find_target(board, board.id, "stlink", seen(BLACK_PILL, usb=()))
    find_target(board, board.id, "stlink", seen(BLACK_PILL))  # a system that does not tell of probes


def test_a_build_without_usb_talks_where_the_user_says() -> None:
    board = load_board("blackpill_f411ce")
    there = seen(ADAPTER, CONSOLE, usb=(STLINK_V2,))
    target = find_target(board, board.baremetal_env, "stlink", there, ADAPTER.path)
    assert target == Target(None, line=ADAPTER.path)


@pytest.mark.parametrize("protocol", ["dfu", "uf2"])
def test_the_adapter_of_a_build_without_usb_is_not_taken_for_the_board(protocol: str, tmp_path: Path) -> None:
    board = load_board("blackpill_f411ce")
    board = replace(board, flash=replace(board.flash, drives=("PILL",), uf2_family=1))
    device, drive = (
        UsbDevice("0483:df11", "1-6", "BOOT", "3277"),
        Drive("/dev/sdb", tmp_path, "PILL", "", "1-6"),
    )
    there = Plugged((CONSOLE, ADAPTER), (device,), (drive,))
    target = find_target(board, board.baremetal_env, protocol, there, ADAPTER.path)
    assert target.line == ADAPTER.path
    assert (target.bootloader, target.drive) == ((device, None) if protocol == "dfu" else (None, drive))
    for name in ("1-6", "3277") if protocol == "dfu" else ("1-6", str(tmp_path)):
        assert find_target(board, board.baremetal_env, protocol, there, name).line == ""


# ---- what a system tells ----


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_linux_tells_what_is_on_usb_without_a_port(tmp_path: Path) -> None:
    bus = tree(
        tmp_path,
        {
            "usb1/idVendor": "1d6b\n", "usb1/idProduct": "0002\n",
            "1-9/idVendor": "0483\n", "1-9/idProduct": "3748\n", "1-9/product": "STM32 STLink\n",
            "1-9:1.0/bInterfaceClass": "ff\n",
        },
    )  # fmt: skip
    assert usb_devices(bus) == (STLINK_V2, UsbDevice("1d6b:0002", "usb1"))
    assert usb_devices(bus / "nowhere") is None


def test_linux_tells_which_drive_belongs_to_which_board(tmp_path: Path) -> None:
    """One that is mounted below a name with a blank, one that is not, a partition, and a computer's disk."""
    pico = tree(tmp_path / "media" / "RPI RP2", {"INFO_UF2.TXT": "UF2 Bootloader v3.0\nBoard-ID: RPI-RP2\n"})
    places = {"sda": "pci/nvme", "sdb": "pci/usb1/1-3/1-3:1.0/host6", "sdc": "pci/usb1/1-4.2/1-4.2:1.1/host7"}
    for name, place in places.items():
        tree(tmp_path / "devices" / place / name, {"size": "262144\n", f"{name}1/size": "262080\n"})
        if name == "sdb":
            tree(tmp_path / "devices" / place / name / f"{name}1", {"partition": "1\n"})
        blocks = tmp_path / "block"
        blocks.mkdir(exist_ok=True)
        (blocks / name).symlink_to(tmp_path / "devices" / place / name)
    (blocks / "sdb1").symlink_to(tmp_path / "devices" / places["sdb"] / "sdb" / "sdb1")
    bus = tree(tmp_path / "bus", {"1-3/serial": "E0C9125B0D9B\n", "1-4.2/serial": "066A\n"})
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sdb1 {tmp_path}/media/RPI\\040RP2 vfat rw 0 0\nproc /proc proc rw 0 0\n")
    assert list(linux_drives(blocks, mounts, bus)) == [
        Drive("/dev/sdb1", pico, "", "RPI-RP2", "1-3", "E0C9125B0D9B"),
        Drive("/dev/sdc", None, "", "", "1-4.2", "066A"),
    ]


def test_this_computer_can_be_looked_at() -> None:
    assert isinstance(ThisComputer().plugged(), Plugged)


def test_a_port_is_also_known_by_its_serial_number_and_place() -> None:
    there = seen(CONSOLE, NANO, STLINK)
    assert path_of(there, "066AFF485257") == path_of(there, "1-4") == STLINK.path
    assert path_of(there, "socket://here:1") == "socket://here:1"
    assert find_target(load_board("nano33ble"), "nano33ble", "sam-ba", there, "1-2").port == NANO


# ---- which port it has afterwards ----


def test_the_board_comes_back_where_it_was_not_where_another_is() -> None:
    elsewhere = replace(NANO, path="/dev/ttyACM5", location="1-9:1.0")
    renamed = replace(NANO, path="/dev/ttyACM6", serial_number="other")
    assert returned(NANO, [elsewhere, renamed]) == [renamed]
    assert returned(NANO, [elsewhere]) == []


def test_without_a_place_the_serial_number_tells() -> None:
    before = replace(NANO, location="", serial_number="A7")
    twin, same = replace(before, path="COM7", serial_number="B8"), replace(before, path="COM8")
    assert returned(before, [twin, same]) == [same]
    assert returned(before, [twin]) == []


def test_of_two_ports_of_one_thing_the_same_comes_back() -> None:
    second = replace(STLINK_V3, path="/dev/ttyACM9", location="1-5:1.4")
    assert returned(second, [STLINK_V3, second]) == [second]


# ---- before anything is generated ----


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without PlatformIO's registry, with a folder for programs and nothing plugged in."""
    monkeypatch.setenv("FIRMNET_PLATFORMIO", "offline")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(list_ports, "comports", list)
    return tmp_path


def program(folder: Path, name: str) -> None:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


def test_no_way_onto_a_board_is_said_first(offline: Path) -> None:
    with pytest.raises(UserError, match="there is no way onto the Arduino Nano 33 BLE from here"):
        check_flashable(load_board("nano33ble"), Desk([NANO]))


def test_an_emulator_is_advised_only_where_there_is_one(offline: Path) -> None:
    board = replace(load_board("nano33ble"), emulator=None)
    with pytest.raises(UserError, match=r"there is no way onto .* connect to the network once$"):
        check_flashable(board, Desk([NANO]))


def test_a_missing_board_is_said_first(offline: Path) -> None:
    program(offline, "openocd")
    with pytest.raises(UserError, match=r"no ST Nucleo-F446RE is connected .* found no serial port at all"):
        check_target("nucleo_f446re")


def test_a_missing_uploader_is_said_first(offline: Path) -> None:
    nucleo = load_board("nucleo_f446re")
    with pytest.raises(UserError, match="openocd is not installed: install it with `sudo apt-get install"):
        check_flashable(nucleo, Desk([STLINK]))
    program(offline, "openocd")
    check_flashable(nucleo, Desk([STLINK]))


def test_a_missing_uploader_of_an_official_platform_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path))
    monkeypatch.setenv("FIRMNET_PLATFORMIO", "registry")
    monkeypatch.setattr(import_module("firmnet.build.ways"), "registry_answers", lambda platform: False)
    platform = tmp_path / "platformio" / "platforms" / "nordicnrf52"
    platform.mkdir(parents=True)
    (platform / "platform.json").write_text('{"packages": {"tool-bossac-nordicnrf52": {"type": "uploader"}}}')
    with pytest.raises(
        UserError, match="flashed by PlatformIO's package tool-bossac-nordicnrf52, which is not"
    ):
        check_flashable(load_board("nano33ble"), Desk([NANO]))
    (tmp_path / "platformio" / "packages" / "tool-bossac-nordicnrf52").mkdir(parents=True)
    check_flashable(load_board("nano33ble"), Desk([NANO]))


@pytest.mark.parametrize(
    ("board", "protocol", "said"),
    [
        ("nucleo_f446re", "dfu", r"is not flashed by 'dfu': --protocol may be stlink or msd or pyocd$"),
        ("blackpill_f411ce", "dfu", r"dfu-util is not installed: install it with `sudo apt-get"),
        ("nucleo_f446re", "pyocd", r"pyOCD is not installed, .* `pip install 'firmnet\[pyocd\]'`"),
        ("nucleo_f446re", "msd", r"no drive NOD_F446RE or NODE_F446RE is connected.*\(stlink, pyocd\)"),
    ],
)
def test_what_the_chosen_way_lacks_is_said_first(
    offline: Path, monkeypatch: pytest.MonkeyPatch, board: str, protocol: str, said: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    waiting = UsbDevice("0483:df11", "1-6", "STM32  BOOTLOADER", "3277")
    with pytest.raises(UserError, match=said):
        check_flashable(load_board(board), Desk([STLINK], (waiting,)), protocol=protocol)


def test_a_black_pill_that_is_not_in_its_bootloader_is_told_how(offline: Path) -> None:
    with pytest.raises(UserError, match=r"waits in its bootloader \(USB id 0483:df11\): hold BOOT0"):
        check_flashable(load_board("blackpill_f411ce"), Desk([BLACK_PILL], ()), protocol="dfu")


@pytest.mark.parametrize("forbidden", ["port", "probe"])
def test_what_this_user_may_not_open_is_said_first(
    offline: Path, monkeypatch: pytest.MonkeyPatch, forbidden: str
) -> None:
    program(offline, "openocd")
    paths = {name: str(offline / name) for name in ("port", "probe")}
    for path in paths.values():
        Path(path).touch()
    probe = UsbDevice(STLINK.usb_id, "1-4", STLINK.description, STLINK.serial_number, paths["probe"])
    desk = Desk([replace(STLINK, path=paths["port"])], (probe,))
    check_flashable(load_board("nucleo_f446re"), desk)
    monkeypatch.setattr("os.access", lambda path, mode: path != paths[forbidden])
    with pytest.raises(UserError, match=rf"{forbidden} of ST Nucleo.* may not be opened .*dialout.*udev"):
        check_flashable(load_board("nucleo_f446re"), desk)


def test_damaged_settings_are_one_sentence(tmp_path: Path) -> None:
    artifact = built(tmp_path, "nucleo_f446re", "nucleo_f446re")
    (artifact.firmware / "platformio.ini").write_text("upload_protocol = dfu")
    with pytest.raises(UserError, match=r"platformio.ini cannot be read .*: generate it again"):
        flash(artifact, Desk([STLINK]))


@pytest.mark.parametrize("described", ["", "[1]", '{"packages": 3}', "{" * 9])
def test_a_damaged_platform_names_no_packages(
    described: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMNET_CACHE", str(tmp_path))
    monkeypatch.setenv("FIRMNET_PLATFORMIO", "registry")
    platform = tmp_path / "platformio" / "platforms" / "nordicnrf52"
    platform.mkdir(parents=True)
    (platform / "platform.json").write_text(described)
    check_flashable(load_board("nano33ble"), Desk([NANO]))


def test_a_build_without_usb_asks_for_its_adapter_first(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(offline, "openocd")
    with pytest.raises(UserError, match="talks over a UART, not over USB: connect a serial adapter"):
        check_flashable(load_board("blackpill_f411ce"), Desk([], (STLINK_V2,)))


# ---- asked about ----


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    """Somebody types this, and sees what is printed; no command that ran before has a say in it."""
    screen = Screen()
    screen.errors._force_terminal = True
    monkeypatch.setattr(cli, "screen", screen)
    monkeypatch.setattr("sys.stdin", Terminal(typed))


@pytest.mark.parametrize(("typed", "probe"), [("2\n", STLINK_V3), ("7\nx\n1\n", STLINK)])
def test_on_a_terminal_the_person_is_asked(
    offline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    typed: str, probe: PortInfo,
) -> None:  # fmt: skip
    program(offline, "openocd")
    at_a_terminal(monkeypatch, typed)
    look = functools.partial(api_check, Desk([STLINK, STLINK_V3]))
    assert cli._of_one_board(look, None) == (True, probe.path)
    said = capsys.readouterr().err
    assert "these could all be ST Nucleo-F446RE:\n  1  /dev/ttyACM2 (serial number 066AFF485257" in said


@pytest.mark.parametrize("typed", ["\n", ""])
def test_nobody_is_forced_to_choose(offline: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    at_a_terminal(monkeypatch, typed)
    with pytest.raises(SeveralBoards):
        cli._of_one_board(functools.partial(api_check, Desk([STLINK, STLINK_V3])), None)


def api_check(desk: Desk, port: str | None) -> bool:
    with in_place_of_this(desk):
        return check_target("nucleo_f446re", port=port)


def test_a_way_to_flash_belongs_to_a_board_that_is_flashed(offline: Path) -> None:
    with pytest.raises(UserError, match="--emulate and --protocol cannot be used together"):
        check_target("nucleo_f446re", emulate=True, protocol="msd")
    with pytest.raises(UserError, match="--protocol msd is to flash, which nobody does over socket"):
        check_target("nucleo_f446re", port="socket://127.0.0.1:4444", protocol="msd")


def test_uf2_files_have_whole_pages_in_the_order_of_their_addresses() -> None:
    """Two regions that share a page and one that begins in the middle of another: what nobody says is 0."""
    regions = [
        Region(".data", 0x1000_0280, 0x2000_0000, b"D" * 0x100),
        Region(".boot2", 0x1000_0000, 0x1000_0000, b"B" * 0x100),
        Region(".text", 0x1000_0200, 0x1000_0200, b"T" * 0x7F),
    ]
    blocks = list(read_uf2(uf2(regions, 0xE48B_FF56)))
    assert [(family, address) for family, address, _ in blocks] == [
        (0xE48B_FF56, address) for address in (0x1000_0000, 0x1000_0200, 0x1000_0300)
    ]
    assert blocks[1][2] == b"T" * 0x7F + b"\0" + b"D" * 0x80
    assert blocks[2][2] == b"D" * 0x80 + b"\0" * 0x80
    for broken in (b"", uf2(regions, 1)[:-1], uf2(regions, 1)[512:]):
        with pytest.raises(ValueError, match="UF2"):
            list(read_uf2(broken))


@pytest.mark.parametrize("board", ["nucleo_f446re", "nano33ble", "netduinoplus2"])
def test_over_a_connection_nothing_is_flashed(offline: Path, board: str) -> None:
    assert not check_target(board, port="socket://127.0.0.1:4444")


def test_deploy_looks_for_the_board_before_it_opens_the_model(
    offline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(offline, "openocd")
    monkeypatch.chdir(offline)
    with pytest.raises(SystemExit) as ended:
        cli.main(["deploy", "there_is_no_such_model.py:model", "--board", "nucleo_f446re"])
    assert ended.value.code == 2
    assert "no ST Nucleo-F446RE is connected (USB id 0483:374b or 6 others)" in capsys.readouterr().err
    assert list(offline.iterdir()) == [offline / "openocd"]
