"""Does every board's firmware link, fit, boot and compute the same, and are builds short and repeatable?"""

import configparser
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from prompt import prompt_of
from torch import manual_seed, nn

import firmnet
from firmnet import devices
from firmnet.artifact import Artifact
from firmnet.build import BuildReport, build
from firmnet.build.uf2 import read_uf2
from firmnet.devices import qemu
from firmnet.emulators import emulator_for, rp2040js, since
from firmnet.errors import UserError, VerificationError
from firmnet.ir import Array
from firmnet.plan import ram_room
from firmnet.targets import Board, board_ids, load_board, needs
from firmnet.verify import verify

Made = tuple[Artifact, BuildReport]


def network(seed: int = 0, hidden: int = 12) -> nn.Module:
    manual_seed(seed)
    layers = nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, hidden), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(hidden, 3)).eval()


def generated(board: str, folder: Path, seed: int = 0, hidden: int = 12) -> Artifact:
    """The same network for any board, not yet built."""
    calibration = np.random.default_rng(0).normal(size=(16, 2, 8, 8)).astype(np.float32)
    model = network(seed, hidden)
    return firmnet.compile(model, calibration, board=board, name="everywhere").save(folder)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """A board's firmware, built once."""
    made: dict[str, Made] = {}

    def on(board: str) -> Made:
        if board not in made:
            artifact = generated(board, tmp_path_factory.mktemp(board) / "artifact")
            made[board] = artifact, build(artifact, emulate=True)
        return made[board]

    return on


def noise(artifact: Artifact) -> Array:
    """A dozen inputs."""
    shape = (12, *artifact.manifest.input.sample_shape)
    return np.random.default_rng(5).integers(-128, 128, shape, dtype=np.int8)


def of_every_kind() -> list[str]:
    """The boards that are built here: one of each core, glue and UART.

    `benchmarks/boards.py` builds all.
    """
    first: dict[object, str] = {}
    for board in map(load_board, ("netduinoplus2", "nucleo_f446re", "nano33ble", *board_ids())):
        own = board.baremetal
        if board.emulator or own.upload_protocol:  # else nothing runs it
            first.setdefault((board.chip.core, own.glue, own.defines.get("FN_USART")), board.id)
    return sorted(first.values())


@pytest.mark.parametrize("board", of_every_kind())
def test_firmware_links_and_fits(make: Callable[[str], Made], board: str) -> None:
    artifact, report = make(board)
    chip, sizes = load_board(board).chip, report.sizes
    assert report.env == load_board(board).baremetal_env
    runtime = artifact.manifest.runtime
    assert runtime == ("c" if board == "bluepill_f103c8" else "micropython")
    assert needs(load_board(board), runtime).flash_bytes < sizes.flash_bytes < chip.flash_bytes
    assert sizes.arena_bytes == artifact.manifest.arena_bytes
    assert sizes.heap_bytes >= needs(load_board(board), runtime).heap_bytes
    assert 0 <= chip.ram_bytes - sizes.ram_bytes - sizes.heap_bytes < 16
    weights = sum(layer.flash_bytes for layer in artifact.manifest.layers)
    assert weights < sizes.model_flash_bytes < weights + 8192
    image = (artifact.firmware / "firmware.bin").read_bytes()
    assert len(image) == pytest.approx(sizes.flash_bytes, abs=256)


@pytest.mark.parametrize("board", [id for id in of_every_kind() if load_board(id).emulator])
def test_firmware_boots_and_computes_every_layer(make: Callable[[str], Made], board: str) -> None:
    emulator = load_board(board).emulator
    assert emulator is not None
    try:
        if emulator.kind == "rp2040js":
            rp2040js()
        elif since(emulator.machine) > (0, 0):
            emulator_for(emulator.machine)
    except UserError as error:
        pytest.skip(str(error))
    artifact, _ = make(board)
    with devices.open(emulator.kind, artifact) as device:
        assert device.name == f"{board} ({emulator.kind})"
        verdict = verify(artifact, device, noise(artifact), layers=True)
    assert verdict.ok, verdict.sentence()


OLDER_SIBLING = """
name = "micro:bit of 2015"
[chip]
mcu = "nrf51822"
core = "cortex-m0plus"
clock_hz = 16_000_000
flash_origin = 0
flash_bytes = 262_144
ram_origin = 0x2000_0000
ram_bytes = 16_384
[baremetal]
glue = "nrf5_uart"
clock_hz = 64_000_000
uart_irq = 2
defines = { FN_USART = 0, FN_TX_PIN = 24, FN_RX_PIN = 25 }
[link]
transport = "uart"
[micropython]
heap_bytes = 8_192
stack_bytes = 4_096
[emulator]
kind = "qemu"
machine = "microbit"
"""


def test_the_glue_of_nrf52_runs_on_the_nrf51_that_qemu_has(tmp_path: Path) -> None:
    """UART, timer and pins are the same; the boards themselves have no emulator."""
    (tmp_path / "microbit_v1.toml").write_text(OLDER_SIBLING)
    calibration = np.random.default_rng(0).normal(size=(16, 2, 8, 8)).astype(np.float32)
    board = load_board("microbit_v1", tmp_path)
    made = firmnet.compile(network(), calibration, board=board, name="everywhere", runtime="c")
    artifact = made.save(tmp_path / "artifact")
    build(artifact, emulate=True)
    with qemu.open(artifact) as device:
        verdict = verify(artifact, device, noise(artifact), layers=True)
    assert verdict.ok, verdict.sentence()


def test_the_boot_rom_of_a_pico_takes_the_second_stage(make: Callable[[str], Made]) -> None:
    """It compares a CRC-32 of 252 bytes, not reflected and not inverted at the end, with the four behind."""
    artifact, _ = make("pico")
    stage = (artifact.firmware / "firmware.bin").read_bytes()[:256]
    crc = 0xFFFF_FFFF
    for bit in (byte >> 7 - i & 1 for byte in stage[:252] for i in range(8)):
        crc = (crc << 1 & 0xFFFF_FFFF) ^ (0x04C1_1DB7 if (crc >> 31) ^ bit else 0)
    assert f"{int.from_bytes(stage[252:], 'little'):08x}" == f"{crc:08x}", "FN_BOOT2_CRC in rp2040_boot2.h"


def test_a_picos_drive_gets_the_whole_image_from_the_beginning_of_its_flash(
    make: Callable[[str], Made],
) -> None:
    artifact, report = make("pico")
    blocks = list(read_uf2((artifact.firmware / "firmware.uf2").read_bytes()))
    image = (artifact.firmware / "firmware.bin").read_bytes()
    assert [(family, address) for family, address, _ in blocks] == [
        (0xE48B_FF56, 0x1000_0000 + 256 * i) for i in range(len(blocks))
    ]
    assert b"".join(data for *_, data in blocks) == image + bytes(-len(image) % 256)
    assert "firmware.uf2" in report.published


def test_the_nano_keeps_its_own_memory_map(make: Callable[[str], Made]) -> None:
    artifact, _ = make("nano33ble")
    chip = load_board("nano33ble").chip
    assert (chip.flash_origin, chip.ram_origin, chip.ram_bytes) == (0x10000, 0x20000000, 0x40000)
    with (artifact.firmware / "firmware.elf").open("rb") as file:
        segments = [s.header for s in ELFFile(file).iter_segments() if s.header.p_type == "PT_LOAD"]
    for segment in segments:
        end = segment.p_vaddr + segment.p_memsz
        in_flash = chip.flash_origin <= segment.p_vaddr and end <= chip.flash_origin + chip.flash_bytes
        in_ram = chip.ram_origin <= segment.p_vaddr and end <= chip.ram_origin + chip.ram_bytes
        assert in_flash or in_ram, f"{segment.p_vaddr:#x} to {end:#x}"


def test_a_machine_without_pins_says_so(make: Callable[[str], Made]) -> None:
    artifact, _ = make("nano33ble")
    with prompt_of(artifact) as ask:
        ask("from machine import *")
        for line, complaint in (
            ("Pin('LED')", "ValueError: this board has no pin 'LED'"),
            ("I2C(0)", "ValueError: this board has no pin 'A5'"),
            ("UART(1)", "OSError: this board has no UART beside its port"),
            ("WDT()", "OSError: this board has no watchdog"),
        ):
            assert ask(line).endswith(complaint)
        assert ask("freq(), unique_id(), reset_cause()") == "(25000000, b'', 0)"


def test_only_glue_differs_between_boards(tmp_path: Path) -> None:
    nano, nucleo = (generated(id, tmp_path / id).firmware for id in ("nano33ble", "nucleo_f446re"))
    files = {p.relative_to(root) for root in (nano, nucleo) for p in root.rglob("*") if p.is_file()}
    differing = {str(name) for name in files if _content(nano / name) != _content(nucleo / name)}
    assert differing == {
        "board.json",
        "platformio.ini",
        "include/fn_board_config.h",
        "include/registers.h",
        "include/stm32_flash.h",
        "include/stm32f_flash.h",
        "src/flash.c",
        "platform/glue/cmsdk_uart.c",
        "platform/glue/second_uart.h",
        "platform/glue/stm32_pins.h",
        "platform/glue/stm32_uart.h",
        "platform/glue/stm32f_pins.h",
        "platform/glue/stm32f4_adc.h",
        "platform/glue/stm32f4_clock.h",
        "platform/glue/stm32f4_pins.c",
        "platform/glue/stm32f4_usart.c",
        "platform/boards/nano33ble.json",
        "platform/boards/nucleo_f446re.json",
        "frozen/everywhere.py",
        "lib/everywhere/everywhere_fingerprint.c",
    }


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def ini(board: str, tmp_path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(generated(board, tmp_path / "artifact").firmware / "platformio.ini")
    return parser


@pytest.mark.parametrize(
    ("board", "platform", "key", "value"),
    [
        ("nano33ble", "nordicnrf52@^10.11.0", "build_unflags", "-mfloat-abi=soft"),
        ("blackpill_f411ce", "ststm32@^19.6.0", "build_flags", "-DPIO_FRAMEWORK_ARDUINO_ENABLE_CDC"),
        ("nucleo_f446re", "ststm32@^19.6.0", "upload_protocol", "stlink"),
    ],
)
def test_official_environment(board: str, platform: str, key: str, value: str, tmp_path: Path) -> None:
    project = ini(board, tmp_path)
    official = project[f"env:{board}"]
    assert (official["platform"], official["board"], official["framework"]) == (platform, board, "arduino")
    assert value in official[key].split()
    assert project[f"env:{board}_baremetal"]["platform"] == "symlink://platform"
    assert "-Iinclude" in project["env"]["build_flags"].split()


@pytest.mark.parametrize(
    ("board", "core"), [("nano33ble", "MBED"), ("nucleo_f446re", "STM32"), ("bluepill_f103c8", "STM32")]
)
def test_the_official_boards_get_the_same_project_files(board: str, core: str, tmp_path: Path) -> None:
    """An Arduino core compiles src/ too: its glue must be C++ that such a core accepts."""
    headers = {"Arduino.h": ARDUINO + CORES[core]} | (DRIVERS if core == "MBED" else {})
    for name, text in headers.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    project = generated(board, tmp_path / "artifact").firmware
    command = [
        "arm-none-eabi-g++",
        "-std=gnu++14",
        "-fsyntax-only",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-DARDUINO=10819",
        f"-DARDUINO_ARCH_{core}",
    ]
    includes = ["-I", str(tmp_path), "-I", str(project / "include")]
    sources = sorted((project / "src").glob("arduino*.cpp"))
    assert project / "src" / "arduino.cpp" in sources
    for source in sources:
        subprocess.run([*command, *includes, str(source)], check=True)


ARDUINO = """
#include <stddef.h>
#include <stdint.h>
extern "C" { unsigned long millis(void); unsigned long micros(void); void yield(void); }
struct Port {
    operator bool();
    void begin(unsigned long baud);
    void end(void);
    void flush(void);
    int available(void);
    int read(void);
    size_t write(const uint8_t *data, size_t n);
};
extern Port Serial;
void setup(void);
void loop(void);
#define LED_BUILTIN 13
#define PIN_A0 14
#define NUM_DIGITAL_PINS 22
"""
DRIVERS = {
    "drivers/PwmOut.h": """
namespace mbed {
struct PwmOut {
    PwmOut(PinName);
    void period_us(int);
    void write(float);
};
}
""",
    "drivers/Ticker.h": """
namespace std {
namespace chrono {
struct milliseconds {
    milliseconds(int);
};
}
}
namespace mbed {
struct Ticker {
    void attach(void (*)(), std::chrono::milliseconds);
};
}
""",
    "drivers/Watchdog.h": """
namespace mbed {
struct Watchdog {
    static Watchdog &get_instance();
    uint32_t get_max_timeout() const;
    bool start(uint32_t);
    void kick();
};
}
""",
}
"""Of the mbed core, whose Arduino.h includes none of them."""
CORES = {
    "MBED": """
#define PINS_COUNT 34
#define DEVICE_WATCHDOG 1
#define SERIAL_CDC 1
void _ontouch1200bps_();
#define NRF52840_XXAA
typedef uint8_t pin_size_t;
enum PinMode { INPUT, OUTPUT, INPUT_PULLUP, INPUT_PULLDOWN };
enum PinStatus { LOW, HIGH };
enum PinName { P0_0 };
void pinMode(pin_size_t, PinMode);
void digitalWrite(pin_size_t, PinStatus);
PinStatus digitalRead(pin_size_t);
void analogReadResolution(int);
int analogRead(pin_size_t);
int analogRead(PinName);
PinName digitalPinToPinName(pin_size_t);
enum { SERIAL_8N1, SERIAL_8E1, SERIAL_8O1, SERIAL_8N2, SERIAL_8E2, SERIAL_8O2 };
namespace arduino {
struct UART {
    UART(int tx, int rx, int rts = -1, int cts = -1);
    UART(PinName tx, PinName rx, PinName rts, PinName cts);
    void begin(unsigned long baud, uint16_t config);
    void end();
    int available();
    int read();
    size_t write(uint8_t);
    operator bool();
};
}
""",
    "STM32": """
typedef int PinName;
#define digitalPinToPinName(p) ((PinName)(p))
#define digitalPinHasPWM(p) ((p) == 3)
#define INPUT 0
#define OUTPUT 1
#define INPUT_PULLUP 2
#define INPUT_PULLDOWN 4
#define LOW 0
#define HIGH 1
#define UID_BASE 0x1FFF7A10UL
#define STM32F4xx
struct Control { volatile uint32_t VTOR; };
#define SCB ((Control *)0xE000ED00u)
#define __DSB() (void)0
#define __HAL_RCC_SYSCFG_CLK_ENABLE() (void)0
#define __HAL_SYSCFG_REMAPMEMORY_SYSTEMFLASH() (void)0
void noInterrupts(void);
void NVIC_SystemReset(void);
#define __WFI() (void)0
struct Watching { volatile uint32_t KR, PR, RLR, SR; };
#define IWDG ((Watching *)0x40003000u)
#define RCC_FLAG_PORRST 1
#define RCC_FLAG_PINRST 2
#define RCC_FLAG_SFTRST 3
#define RCC_FLAG_IWDGRST 4
extern "C" {
bool __HAL_RCC_GET_FLAG(int);
void __HAL_RCC_CLEAR_RESET_FLAGS(void);
uint32_t pinNametoDigitalPin(PinName);
void pinMode(uint32_t, uint32_t);
void digitalWrite(uint32_t, uint32_t);
int digitalRead(uint32_t);
void analogReadResolution(int);
uint32_t analogRead(uint32_t);
void analogWriteFrequency(uint32_t);
void analogWriteResolution(int);
void analogWrite(uint32_t, uint32_t);
}
enum { SERIAL_8N1, SERIAL_8E1, SERIAL_8O1, SERIAL_8N2, SERIAL_8E2, SERIAL_8O2 };
#define SERIAL_TX_BUFFER_SIZE 64
struct HardwareSerial {
    HardwareSerial(uint32_t rx, uint32_t tx, uint32_t rts = 0, uint32_t cts = 0);
    HardwareSerial(void *peripheral, int half_duplex = 0);
    void begin(unsigned long baud, uint8_t config);
    void end();
    int available();
    int availableForWrite();
    int read();
    size_t write(uint8_t);
    operator bool();
};
""",
}
"""What the glue uses of each core, declared as it is there."""


def compiled(artifact: Artifact) -> list[str]:
    """Build, and the names of the files that were compiled."""
    files: list[str] = []

    def note(message: str, count: int) -> None:
        if message.startswith("compiling "):
            files.append(message.split()[1])

    build(artifact, emulate=True, progress=note)
    return files


def test_a_second_build_compiles_nothing(make: Callable[[str], Made]) -> None:
    artifact, _ = make("netduinoplus2")
    before = (artifact.firmware / "firmware.bin").read_bytes()
    assert compiled(artifact) == []
    assert (artifact.firmware / "firmware.bin").read_bytes() == before


def test_another_model_leaves_micropython_as_it_is(tmp_path: Path) -> None:
    compiled(generated("netduinoplus2", tmp_path / "artifact"))
    files = set(compiled(generated("netduinoplus2", tmp_path / "artifact", seed=1, hidden=14)))
    assert {"everywhere", "everywhere_weights", "everywhere_fingerprint", "frozen"} >= files
    assert "everywhere_weights" in files


def test_the_same_project_elsewhere_gives_the_same_image(make: Callable[[str], Made], tmp_path: Path) -> None:
    artifact, _ = make("netduinoplus2")
    other = generated("netduinoplus2", tmp_path / "somewhere else" / "b")
    said: list[str] = []
    build(other, emulate=True, progress=lambda message, count: said.append(message))
    assert "linking" in " ".join(said)
    assert "collecting names" not in " ".join(said), "they were kept"
    assert (other.firmware / "firmware.bin").read_bytes() == (artifact.firmware / "firmware.bin").read_bytes()
    assert b"somewhere else" not in (other.firmware / "firmware.elf").read_bytes()


def test_a_copied_artifact_is_built_with_its_own_platform(
    make: Callable[[str], Made], tmp_path: Path
) -> None:
    artifact, _ = make("bluepill_f103c8")  # of the C runtime: what fails is compiled anew, all of it
    shutil.copytree(artifact.path, tmp_path / "copy", symlinks=True)
    startup = tmp_path / "copy" / "firmware" / "platform" / "startup.c"
    startup.write_text(startup.read_text() + "\n#error this copy\n")
    with pytest.raises(UserError, match="this copy"):
        build(Artifact.open(tmp_path / "copy"), emulate=True)


@pytest.mark.parametrize(
    ("model", "shape", "kind"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(2048, 154)), (2, 32, 32), "524,288 of flash"),
        (
            nn.Sequential(nn.MaxPool2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(78_900, 1)),
            (1, 100, 789),
            "131,072 of RAM",
        ),
    ],
    ids=["flash", "ram"],
)
def test_what_does_not_fit_is_refused_with_the_excess(
    model: nn.Module, shape: tuple[int, ...], kind: str, tmp_path: Path
) -> None:
    """By so little that only the linker knows; what surely does not fit is refused before."""
    calibration = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    deployment = firmnet.compile(model.eval(), calibration, board="nucleo_f446re", name="huge")
    artifact = deployment.save(tmp_path / "artifact")
    with pytest.raises(
        VerificationError, match=rf"does not fit ST Nucleo-F446RE: [\d,]+ bytes more than its {kind}"
    ):
        build(artifact, emulate=True)
    assert not (artifact.path / "build.json").exists()
    assert not list(artifact.firmware.glob("firmware.*"))


def test_a_model_larger_than_the_ram_is_planned_to_fit_it(tmp_path: Path) -> None:
    """Its largest tensor alone has as many bytes as the board."""
    model = nn.Sequential(nn.Conv2d(1, 8, 1), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(8_192, 3))
    calibration = np.random.default_rng(0).normal(size=(2, 1, 128, 128)).astype(np.float32)
    made = firmnet.compile(model.eval(), calibration, board="nucleo_f446re", name="wide")
    assert made.firmware.manifest.ram_limit_bytes == ram_room(load_board("nucleo_f446re"))
    sizes = build(made.save(tmp_path / "artifact"), emulate=True).sizes
    assert sizes.ram_bytes + sizes.heap_bytes <= sizes.ram_limit_bytes
    assert made.verify(device="host", layers=True).ok


def test_an_unknown_environment_is_refused(make: Callable[[str], Made]) -> None:
    artifact, _ = make("nano33ble")
    with pytest.raises(UserError, match="has no environment 'nano': it has nano33ble, nano33ble_baremetal"):
        build(artifact, env="nano")
    build(artifact, emulate=True)


def test_without_a_compiler_the_apt_line_is_given(
    make: Callable[[str], Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact, _ = make("nano33ble")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        UserError, match=r"arm-none-eabi-gcc is not installed: .*apt-get install -y gcc-arm-none-eabi"
    ):
        build(artifact, emulate=True)


def test_the_board_definition_says_what_the_board_file_says(tmp_path: Path) -> None:
    board: Board = load_board("nano33ble")
    project = generated("nano33ble", tmp_path / "artifact").firmware
    definition = json.loads((project / "platform" / "boards" / "nano33ble.json").read_text())
    assert definition["upload"]["maximum_size"] == board.chip.flash_bytes
    assert int(definition["build"]["flash_origin"], 16) == board.chip.flash_origin
