"""Is a board without room for MicroPython verified like all others, and is what it takes what was said?"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from board_checks import BoardChecks, random_inputs
from board_twin import elf
from breaking import CALL_FOR_EVER, broken
from elftools.elf.elffile import ELFFile
from noisy_line import Damage, noisy
from pieces import halved_copy
from torch import manual_seed, nn

import firmnet
from firmnet import cli
from firmnet.artifact import Artifact
from firmnet.build import BuildReport, build, read_report
from firmnet.devices import qemu, serial
from firmnet.devices.crash import Crashed
from firmnet.errors import UserError
from firmnet.image import read_image
from firmnet.targets.runtimes import C_STACK_BYTES
from firmnet.verify import verify

LINK_BYTES, RATES_BYTES = 6_144, 512
"""What all but the model, and what tells why the processor stopped, may take of the flash; and what a UART's
rates take, and requests that are under way.
"""
CRASH_BYTES = 768


def network() -> nn.Module:
    manual_seed(3)
    layers = nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.MaxPool2d(2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(54, 5)).eval()


def deployed(board: str, folder: Path, runtime: str = "auto") -> firmnet.Deployment:
    noise = np.random.default_rng(0).normal(size=(16, 1, 8, 8)).astype(np.float32)
    labels = ("left", "right", "up", "down", "still")
    made = firmnet.compile(network(), noise, board=board, name="moves", labels=labels, runtime=runtime)  # type: ignore[arg-type]
    made.build(folder, emulate=True)
    return made


@pytest.fixture(scope="module")
def blue(tmp_path_factory: pytest.TempPathFactory) -> firmnet.Deployment:
    return deployed("bluepill_f103c8", tmp_path_factory.mktemp("blue") / "artifact")


@pytest.fixture
def firmnet_artifact(blue: firmnet.Deployment) -> Artifact:
    return artifact_of(blue)[0]


@pytest.fixture
def firmnet_device(firmnet_artifact: Artifact) -> Iterator[qemu.QemuDevice]:
    with qemu.open(firmnet_artifact) as device:
        yield device


class TestBoard(BoardChecks):
    """What every board must pass."""


@pytest.fixture(scope="module")
def halves(blue: firmnet.Deployment, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    copy = halved_copy(artifact_of(blue)[0], tmp_path_factory.mktemp("halved") / "artifact")
    build(copy, emulate=True)
    return copy


class TestLayersInPieces:
    """The checks of layers, each in two pieces: a dump is on its way while the second is computed."""

    @pytest.fixture
    def firmnet_artifact(self, halves: Artifact) -> Artifact:
        return halves

    test_every_layer_is_bit_exact = BoardChecks.test_every_layer_is_bit_exact
    test_every_layer_can_be_dumped = BoardChecks.test_every_layer_can_be_dumped


def artifact_of(made: firmnet.Deployment) -> tuple[Artifact, BuildReport]:
    assert made.artifact is not None
    return made.artifact, read_report(made.artifact)


def test_a_small_board_is_verified_layer_by_layer_over_a_bad_line(blue: firmnet.Deployment) -> None:
    artifact, report = artifact_of(blue)
    assert artifact.manifest.runtime == report.sizes.runtime == "c"
    assert "MicroPython does not fit Blue Pill F103C8" in blue.firmware.note
    damage = Damage(flip=1 / 1500, drop=1 / 3000)
    with (
        qemu.emulated(artifact) as emulator,
        noisy(emulator.url, damage, 1) as line,
        serial.open(artifact, line) as device,
    ):
        verdict = verify(artifact, device, random_inputs(artifact, 24), layers=True)
        counters = device.counters()
    assert verdict.ok, verdict.sentence()
    assert verdict.calls is not None
    assert (verdict.calls.samples, verdict.calls.form) == (3, "float32")
    assert damage.done > 3
    assert counters.heap_free_bytes == report.sizes.heap_bytes
    assert counters.stack_peak_bytes
    assert counters.stack_peak_bytes < C_STACK_BYTES


def test_its_ram_is_what_was_said(blue: firmnet.Deployment) -> None:
    artifact, report = artifact_of(blue)
    sizes, chip = report.sizes, artifact.board.chip
    with (artifact.firmware / "firmware.elf").open("rb") as file:
        image = ELFFile(file)
        ends = [s["sh_addr"] + s["sh_size"] for s in image.iter_sections() if s["sh_addr"] >= chip.ram_origin]
        table = image.get_section_by_name(".symtab")
        stack_top = table.get_symbol_by_name("_estack")[0]["st_value"]
    assert max(ends) - chip.ram_origin == pytest.approx(sizes.ram_bytes, abs=8)
    assert stack_top == chip.ram_origin + C_STACK_BYTES, "what overflows it must leave the RAM"
    told = sizes.lines()
    assert f"the C runtime and board {sizes.flash_bytes - sizes.model_flash_bytes:,}" in told[0]
    assert told[1].endswith(f"; {chip.ram_bytes - sizes.ram_bytes:,} left")


def test_its_stack_that_overflows_is_told_with_its_layer(blue: firmnet.Deployment, tmp_path: Path) -> None:
    artifact, _ = artifact_of(blue)
    layer = artifact.manifest.layers[1].name
    told = pytest.raises(Crashed, match=f"'moves__{layer}__kernel'.* stack of 1,536 bytes has overflown")
    with qemu.QemuDevice(artifact, 5, broken(artifact, layer, CALL_FOR_EVER, tmp_path)) as device, told:
        device.run(artifact.samples[:1])


def test_all_of_it_takes_little_flash(blue: firmnet.Deployment) -> None:
    """What tells of faults too. The C library has the arithmetic of the model's edges alone."""
    artifact, report = artifact_of(blue)
    image = read_image(artifact.firmware / "firmware.elf")
    library = [each for each in image.symbols if image.at(each.address).source.startswith("_arm_")]
    bytes_of_library = {at for each in library for at in range(each.address, each.address + each.size)}
    assert 500 < len(bytes_of_library) < 1_500
    assert report.sizes.flash_bytes - report.sizes.model_flash_bytes - len(bytes_of_library) <= LINK_BYTES


def test_the_link_takes_little_flash(tmp_path: Path) -> None:
    """With an FPU, for without one the model's own arithmetic at its edges is in the C library."""
    artifact, report = artifact_of(deployed("netduinoplus2", tmp_path / "artifact", "c"))
    image = read_image(artifact.firmware / "firmware.elf")
    telling = sum(each.size for each in image.symbols if image.at(each.address).source == "faults.c")
    assert report.sizes.flash_bytes - report.sizes.model_flash_bytes - telling <= LINK_BYTES + RATES_BYTES
    assert 0 < telling <= CRASH_BYTES
    with qemu.open(artifact) as device:
        assert verify(artifact, device, random_inputs(artifact, 4), layers=True).ok


def test_an_emulator_without_the_ram_says_so(blue: firmnet.Deployment, tmp_path: Path) -> None:
    artifact, _ = artifact_of(blue)
    (tmp_path / "large.elf").write_bytes(
        elf({".text": (0x0800_0000, b"code"), ".bss": (0x2000_0000, bytes(9_000))})
    )
    with pytest.raises(UserError, match=r"takes 808 bytes of RAM more than the 8,192 of QEMU's stm32vldis"):
        qemu.QemuDevice(artifact, 2, tmp_path / "large.elf")


def test_the_option_is_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\ndef model():\n    m = torch.nn.Linear(6, 3).eval()\n"
        "    return m, torch.zeros(1, 6), torch.randn(20, 6)\n"
    )
    place = str(tmp_path / "artifact")

    def generated(board: str, *options: str) -> tuple[int | str | None, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["generate", f"{tmp_path}/net.py:model", "--board", board, "-o", place, *options])
        return ended.value.code, " ".join("".join(capsys.readouterr()).split())

    for options, runtime in (["--runtime", "c"], "c"), ([], "micropython"):
        assert generated("nucleo_f446re", *options)[0] == 0
        assert Artifact.open(place).manifest.runtime == runtime
    code, said = generated("bluepill_f103c8")
    assert code == 0
    assert "note: the C runtime is used, for MicroPython does not fit" in said
    code, said = generated("bluepill_f103c8", "--runtime", "micropython")
    assert code == 2
    assert "generate it with --runtime c" in said
