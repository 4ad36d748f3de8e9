"""What does the uploader get? The very PlatformIO runs; the program at its end notes what it is told."""

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from torch import manual_seed, nn

import firmnet
from firmnet.artifact import Artifact
from firmnet.build import BuildReport, FirmwareSizes, build, flash, read_report
from firmnet.provenance import file_digest
from firmnet.targets import Plugged, PortInfo
from firmnet.toolchain import cache_dir

RECORDER = """#!{python}
import json, sys
with open({record!r}, "w") as file:
    json.dump(sys.argv[1:], file)
"""
FIRST = PortInfo("/dev/ttyACM0", "STM32 STLink", "0483:374b", "1-3:1.2", "066AFF111111")
SECOND = PortInfo("/dev/ttyACM1", "STM32 STLink", "0483:374b", "1-4:1.2", "066AFF222222")


@dataclass(frozen=True)
class Desk:
    """A computer with these ports and nothing else."""

    ports: tuple[PortInfo, ...]

    def plugged(self) -> Plugged:
        return Plugged(self.ports)

    def touch(self, port: PortInfo) -> None:
        raise AssertionError(f"nobody asked for {port}")


@dataclass
class Restarting:
    """A board that, touched, is away, then a bootloader, and then its application again."""

    application: PortInfo
    bootloader: PortInfo
    looks: int | None = None

    def plugged(self) -> Plugged:
        if self.looks is None:
            return Plugged((self.application,))
        self.looks += 1
        away = () if self.looks == 1 else (self.bootloader,)
        return Plugged(away if self.looks < 3 else (self.application,))

    def touch(self, port: PortInfo) -> None:
        assert port == self.application
        self.looks = 0


def generated(board: str, folder: Path) -> Artifact:
    manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    calibration = np.random.default_rng(0).random((4, 1, 2, 2), np.float32)
    return firmnet.compile(model, calibration, board=board, name="upload").save(folder)


def recorder(path: Path, record: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECORDER.format(python=sys.executable, record=str(record)))
    path.chmod(0o755)


@pytest.fixture(scope="module")
def nucleo(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    artifact = generated("nucleo_f446re", tmp_path_factory.mktemp("nucleo") / "artifact")
    build(artifact, emulate=True)
    return artifact


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the `openocd` of this PATH writes what it is given."""
    recorder(tmp_path / "bin" / "openocd", tmp_path / "record.json")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "record.json"


@pytest.mark.parametrize("chosen", [FIRST, SECOND], ids=["first", "second"])
def test_the_chosen_probe_reaches_openocd(nucleo: Artifact, record: Path, chosen: PortInfo) -> None:
    assert flash(nucleo, Desk((FIRST, SECOND)), port=chosen.path) == chosen.path
    given = json.loads(record.read_text())
    assert given[:2] == ["-c", f"adapter serial {chosen.serial_number}"]
    assert given[2:6] == ["-f", "interface/stlink.cfg", "-f", "target/stm32f4x.cfg"]


def test_what_was_published_is_uploaded_even_if_something_else_was_compiled_since(
    nucleo: Artifact, record: Path
) -> None:
    compiled = nucleo.firmware / ".pio" / "build" / read_report(nucleo).env / "firmware.elf"
    compiled.write_bytes(b"somebody's experiment")
    (nucleo.firmware / "src" / "added.c").write_text("/* PlatformIO would throw its build folder away */\n")
    try:
        flash(nucleo, Desk((FIRST,)))
    finally:
        (nucleo.firmware / "src" / "added.c").unlink()
    script = json.loads(record.read_text())[-1]
    elf = nucleo.firmware / script.partition("{")[2].partition("}")[0]
    assert file_digest(elf) == file_digest(nucleo.firmware / "firmware.elf")


def test_an_upload_needs_neither_compiler_nor_micropython(
    nucleo: Artifact, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hardware-test host has the artifact, PlatformIO and a probe."""
    (record.parent / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(record.parent / "bin"))
    kept = nucleo.firmware / "lib" / "micropython"
    kept.rename(nucleo.path / "away")
    try:
        flash(nucleo, Desk((FIRST,)))
    finally:
        (nucleo.path / "away").rename(kept)
    assert json.loads(record.read_text())


# ---- Arduino's bootloader ----

BUILDER = """
import sys
from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, DefaultEnvironment

env = DefaultEnvironment()
assert "nobuild" in COMMAND_LINE_TARGETS
env.Replace(UPLOADER="bossac", UPLOADERFLAGS=["--port", '"$UPLOAD_PORT"'])
env.Replace(UPLOADCMD="$UPLOADER $UPLOADERFLAGS $SOURCES")
image = "$BUILD_DIR/firmware.hex"
AlwaysBuild(env.Alias("nobuild", image))
env.AddPlatformTarget("upload", image, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")], "Upload")
"""
PLATFORM = """
from platformio.platform.base import PlatformBase

class Nordicnrf52Platform(PlatformBase):
    def is_embedded(self):
        return True
"""


@pytest.fixture
def nordic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a platform that can only upload, and names its image as nordicnrf52 does: .hex always."""
    scons = cache_dir() / "platformio" / "packages" / "tool-scons"
    cache = tmp_path / "cache"
    monkeypatch.setenv("FIRMNET_CACHE", str(cache))
    (cache / "platformio" / "packages").mkdir(parents=True)
    (cache / "platformio" / "packages" / "tool-scons").symlink_to(scons)
    platform = cache / "platformio" / "platforms" / "nordicnrf52"
    described = {"name": "nordicnrf52", "title": "Nordic", "version": "10.11.0", "packages": {}}
    frameworks = {"arduino": {"package": "", "script": "builder/main.py"}}
    board = {
        "name": "Nano",
        "vendor": "Arduino",
        "url": "",
        "frameworks": ["arduino"],
        "build": {"mcu": "nrf52840", "cpu": "cortex-m4", "f_cpu": "64000000L"},
        "upload": {"protocol": "sam-ba", "protocols": ["sam-ba"], "maximum_size": 1, "maximum_ram_size": 1},
    }
    spec = {"owner": "platformio", "id": None, "name": "nordicnrf52", "requirements": None, "uri": None}
    installed = {"type": "platform", "name": "nordicnrf52", "version": "10.11.0", "spec": spec}
    for name, text in {
        "platform.json": json.dumps({**described, "frameworks": frameworks}),
        "platform.py": PLATFORM,
        ".piopm": json.dumps(installed),
        "builder/main.py": BUILDER,
        "boards/nano33ble.json": json.dumps(board),
    }.items():
        (platform / name).parent.mkdir(parents=True, exist_ok=True)
        (platform / name).write_text(text)
    return tmp_path


def test_bossac_gets_the_bytes_of_the_bin(
    nordic: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorder(tmp_path / "bin" / "bossac", tmp_path / "record.json")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    artifact = generated("nano33ble", tmp_path / "artifact")
    for suffix in (".elf", ".bin"):  # what its build leaves
        (artifact.firmware / f"firmware{suffix}").write_bytes(b"image" + suffix.encode())
    published = {path.name: file_digest(path) for path in artifact.firmware.glob("firmware.*")}
    report = BuildReport(
        "nano33ble", "nano33ble", 1.0, FirmwareSizes(*[1] * 8), artifact.manifest.fingerprint, (), published
    )
    (artifact.path / "build.json").write_text(json.dumps(asdict(report)))
    nano = PortInfo("/dev/ttyACM0", "Nano 33 BLE", "2341:805a", "1-2:1.0")
    desk = Restarting(nano, replace(nano, path="/dev/ttyACM1", usb_id="2341:005a", serial_number="0"))
    assert flash(artifact, desk) == nano.path
    given = json.loads((tmp_path / "record.json").read_text())
    assert given[:2] == ["--port", "/dev/ttyACM1"]
    assert Path(given[-1]).name == "firmware.bin"
    assert file_digest(Path(given[-1])) == published["firmware.bin"]
