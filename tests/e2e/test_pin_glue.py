"""What does the glue do with a chip's watchdog, converter, id and reset flags?

QEMU has none of these: the glue's machine code runs in a simulator over models of them, after the manuals.
"""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from firmnet.assets import assets
from firmnet.codegen.templates import render
from firmnet.targets import load_board, needs

PERIPHERALS, PERIPHERAL_BYTES, IDS = 0x4000_0000, 0x2000_0000, 0x1FF0_0000
FLASH, RAM, STOP = 0x0800_0000, 0x2000_0000, 0x0801_F000
LACKS, SILENT, RANGE = 2**32 - 1, 2**32 - 2, 2**32 - 3
UNKNOWN, POWER_ON, HARD, WATCHDOG, DEEP_SLEEP = range(5)

STUBS = """
#include "fn_board.h"
static uint32_t us;
uint32_t fn_board_us(void) { return us++; }
uint32_t fn_board_clock_hz(void) { return FN_CLOCK_HZ; }
uint32_t fn_core_hz(void) { return FN_CLOCK_HZ; }
void *memcpy(void *to, const void *from, __SIZE_TYPE__ n)
{
    for (__SIZE_TYPE__ i = 0; i < n; i += 4) {
        *(volatile uint32_t *)((char *)to + i) = *(const volatile uint32_t *)((const char *)from + i);
    }
    return to;
}
void *memset(void *to, int value, __SIZE_TYPE__ n)
{
    for (volatile char *at = to; n; n--) {
        *at++ = (char)value;
    }
    return to;
}
__SIZE_TYPE__ strlen(const char *text)
{
    __SIZE_TYPE__ n = 0;
    while (text[n]) {
        n++;
    }
    return n;
}
"""


class Chip:
    """Words that keep what is written to them; some act."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.written: list[tuple[int, int]] = []
        self.cpu: unicorn.Uc

    def read(self, address: int) -> int:
        return self.words.get(address, 0)

    def write(self, address: int, value: int) -> None:
        self.words[address] = value
        self.written.append((address, value))


class Stm32Watchdog(Chip):
    """RM0390 20.4: what is written while it is locked changes nothing, and takes a while to get there."""

    started = unlocked = False
    busy = 0
    period_ms = 0.0

    def __init__(self, base: int) -> None:
        super().__init__()
        self.KR, self.PR, self.RLR, self.SR = (base + offset for offset in (0, 4, 8, 12))

    def read(self, address: int) -> int:
        if address == self.SR:
            self.busy = max(self.busy - 1, 0)
            return 3 if self.busy else 0
        return super().read(address)

    def write(self, address: int, value: int) -> None:
        if address in (self.PR, self.RLR):
            assert self.started
            assert self.unlocked
            self.busy = 20
        super().write(address, value)
        if address == self.KR:
            self.started |= value == 0xCCCC
            self.unlocked = value == 0x5555
            if value == 0xAAAA:
                assert not self.busy
                self.period_ms = (4 << self.read(self.PR)) * (self.read(self.RLR) + 1) / 32


class F4Converter(Chip):
    """RM0390, chapter 13: ten times the channel, when it was started."""

    SR, CR2, SQR3, DR = 0x4001_2000, 0x4001_2008, 0x4001_2034, 0x4001_204C

    def write(self, address: int, value: int) -> None:
        super().write(address, value)
        if address == self.CR2 and value >> 30 & 1:
            assert value & 1, "started while it is off"
            self.words |= {self.SR: 2, self.DR: 10 * (self.read(self.SQR3) & 31)}


class L4Converter(Chip):
    """RM0351, chapter 18: out of deep power down, the regulator up, calibrated, ready, in that order."""

    ISR, CR, SQR1, DR = 0x5004_0000, 0x5004_0008, 0x5004_0030, 0x5004_0040
    calibrated = False

    def __init__(self) -> None:
        super().__init__()
        self.words[self.CR] = 1 << 29

    def read(self, address: int) -> int:
        value = super().read(address)
        if address == self.CR and value >> 31:
            self.calibrated, self.words[self.CR] = True, value & ~(1 << 31)
        return value

    def write(self, address: int, value: int) -> None:
        if address == self.ISR:
            self.words[self.ISR] = self.read(self.ISR) & ~value
            return
        if address == self.CR and value >> 31:
            assert value >> 28 & 3 == 1
            assert not value & 1
        if address == self.CR and value & 1:
            assert self.calibrated
            self.words[self.ISR] = self.read(self.ISR) | 1
        super().write(address, value)
        if address == self.CR and value & 4:
            assert self.read(self.SQR1) & 15 == 0
            self.words |= {self.ISR: self.read(self.ISR) | 4, self.DR: 10 * (self.read(self.SQR1) >> 6 & 31)}


class NordicConverter(Chip):
    """SAADC: a task is done when its event comes; the value is put into RAM."""

    BASE = 0x4000_7000
    EVENTS = {0x000: 0x100, 0x004: 0x104, 0x008: 0x114}

    def write(self, address: int, value: int) -> None:
        super().write(address, value)
        if address - self.BASE in self.EVENTS and value:
            assert self.read(self.BASE + 0x500) == 1
            self.words[self.BASE + self.EVENTS[address - self.BASE]] = 1
            if address - self.BASE == 0x004:
                sample = struct.pack("<h", 10 * self.read(self.BASE + 0x510))
                self.cpu.mem_write(self.read(self.BASE + 0x62C), sample)


class PicoConverter(Chip):
    """RP2040, 4.9: what is reset becomes ready; ten times the input."""

    def read(self, address: int) -> int:
        if address == 0x4000_C008:
            return 2**25 - 1
        return super().read(address)

    def write(self, address: int, value: int) -> None:
        super().write(address, value)
        if address == 0x4004_C000:
            self.words |= {address: value & ~4 | 1 << 8, 0x4004_C004: 10 * (value >> 12 & 7)}


Call = Callable[..., int]


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Chip], Call]:
    """A board's pins glue, linked alone, over a chip: a function that calls its functions."""
    folder = tmp_path_factory.mktemp("pins")

    def over(id: str, chip: Chip) -> Call:
        board, elf = load_board(id), folder / f"{id}.elf"
        if not elf.exists():
            _link(id, elf)
        cpu = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        for origin in (FLASH, RAM, IDS, 0xE000_0000):
            cpu.mem_map(origin, 1 << (20 if origin == IDS else 17))
        if board.chip.mcu.startswith("nrf"):
            cpu.mem_map(0, 1 << 12)
        chip.cpu = cpu
        failures: list[AssertionError] = []

        def write(_: unicorn.Uc, offset: int, size: int, value: int, __: object) -> None:
            try:
                chip.write(PERIPHERALS + offset, value)
            except AssertionError as error:
                failures.append(error)
                cpu.emu_stop()

        cpu.mmio_map(
            PERIPHERALS,
            PERIPHERAL_BYTES,
            lambda _, at, size, __: chip.read(PERIPHERALS + at),
            None,
            write,
            None,
        )
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                cpu.mem_write(segment["p_vaddr"], segment.data())
            table = image.get_section_by_name(".symtab")
            symbols = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}

        def call(function: str, *arguments: int | str) -> int:
            registers = [arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2]
            for register, argument in zip(registers, arguments, strict=False):
                if isinstance(argument, str):
                    cpu.mem_write(RAM + 0x8000, argument.encode() + b"\0")
                cpu.reg_write(register, RAM + 0x8000 if isinstance(argument, str) else argument)
            cpu.reg_write(arm_const.UC_ARM_REG_SP, RAM + (1 << 16))
            cpu.reg_write(arm_const.UC_ARM_REG_LR, STOP | 1)
            cpu.emu_start(symbols[function] | 1, STOP)
            if failures:
                raise failures[0]
            said: int = cpu.reg_read(arm_const.UC_ARM_REG_R0)
            return said

        return call

    return over


def _link(id: str, elf: Path) -> None:
    board, folder = load_board(id), elf.parent / id
    folder.mkdir()
    config = render(
        "project/fn_board_config.h.j2", board=board, needs=needs(board, "micropython"), storage=None
    )
    (folder / "fn_board_config.h").write_text(config)
    (folder / "stubs.c").write_text(STUBS)
    source = assets("boards") / "baremetal" / "glue" / f"{board.baremetal.pins_glue}.c"
    # Thumb-1: this simulator makes mistakes in IT blocks where memory is watched
    flags = [
        "-mcpu=cortex-m0plus",
        "-mthumb",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-nostdlib",
        "-fno-builtin",
    ]
    flags += [f"-Wl,-Ttext={FLASH:#x},-Tdata={RAM:#x},-e,fn_pin_read"]
    include = ["-I", str(folder), "-I", str(assets("templates") / "micropython")]
    files = [str(source), str(folder / "stubs.c"), "-lgcc", "-o", str(elf)]
    subprocess.run(["arm-none-eabi-gcc", *flags, *include, *files], check=True)


STM32 = ["nucleo_f446re", "nucleo_f746zg", "nucleo_l476rg"]


@pytest.mark.parametrize("id", [*STM32, "nucleo_h743zi"])
@pytest.mark.parametrize("ms", [1, 100, 5_000, 32_000])
def test_an_stm32s_watchdog_waits_so_long(glue: Callable[[str, Chip], Call], id: str, ms: int) -> None:
    chip = Stm32Watchdog(0x5800_4800 if id == "nucleo_h743zi" else 0x4000_3000)
    call = glue(id, chip)
    assert call("fn_watchdog_start", ms) == 0
    assert chip.period_ms == pytest.approx(ms, rel=0.01, abs=0.2)
    call("fn_watchdog_feed")
    assert chip.written[-1] == (chip.KR, 0xAAAA)
    assert call("fn_watchdog_start", 33_000) == RANGE


def test_an_nrfs_watchdog_waits_so_long(glue: Callable[[str, Chip], Call]) -> None:
    chip = Chip()
    call = glue("nrf52840_dk", chip)
    assert call("fn_watchdog_start", 2_000) == 0
    wdt = [(address - 0x4001_0000, value) for address, value in chip.written]
    assert wdt == [(0x504, 65_535), (0x508, 1), (0, 1), (0x600, 0x6E52_4635)]
    chip.words[0x4001_0400] = 1  # it runs
    assert (call("fn_watchdog_start", 2_000), call("fn_watchdog_start", 3_000)) == (0, RANGE)


def test_a_picos_watchdog_waits_so_long(glue: Callable[[str, Chip], Call]) -> None:
    chip = PicoConverter()
    call = glue("pico", chip)
    assert call("fn_watchdog_start", 8_000) == 0
    assert chip.read(0x4005_8004) == 16_000_000  # twice in a microsecond
    assert chip.written[-1] == (0x4005_8000, 1 << 30)
    assert call("fn_watchdog_start", 9_000) == RANGE


CAUSES = {
    ("nucleo_f446re", 0x4002_3874): {
        0x0E00_0000: POWER_ON,
        0x0400_0000: HARD,
        0x1400_0000: HARD,
        0x2400_0000: WATCHDOG,
        0: UNKNOWN,
    },
    ("nucleo_f746zg", 0x4002_3874): {0x0E00_0000: POWER_ON, 0x0400_0000: HARD, 0x4400_0000: WATCHDOG},
    ("nucleo_h743zi", 0x5802_44D0): {
        0x00FE_0000: POWER_ON,
        0x0042_0000: HARD,
        0x0142_0000: HARD,
        0x0442_0000: WATCHDOG,
        0x1042_0000: WATCHDOG,
    },
    ("nucleo_l476rg", 0x4002_1094): {0x0C00_0600: POWER_ON, 0x0400_0600: HARD, 0x2400_0600: WATCHDOG},
    ("nrf52840_dk", 0x4000_0400): {0: POWER_ON, 1: HARD, 2: WATCHDOG, 4: HARD, 1 << 16: DEEP_SLEEP},
    ("pico", 0x4005_8008): {1: WATCHDOG, 2: HARD, 0: UNKNOWN},
    ("pico", 0x4006_4008): {1 << 8: POWER_ON, 1 << 16: HARD},
}
"""Board and register: its flags, and what they mean."""


@pytest.mark.parametrize(
    ("id", "at", "flags", "cause"),
    [(*register, flags, cause) for register, causes in CAUSES.items() for flags, cause in causes.items()],
)
def test_a_chip_says_why_it_was_reset(
    glue: Callable[[str, Chip], Call], id: str, at: int, flags: int, cause: int
) -> None:
    chip = Chip()
    chip.words[at] = flags
    assert glue(id, chip)("fn_why_reset") == cause
    if id.startswith("nucleo"):  # and forgets it: RMVF
        assert chip.read(at) & (1 << 16 if id == "nucleo_h743zi" else 1 << 23 | 1 << 24)


@pytest.mark.parametrize(
    ("id", "registers", "hz"),
    [
        ("nucleo_f746zg", {0x4002_3808: 5 << 10 | 4 << 13}, 108_000_000),
        ("nucleo_h743zi", {0x5802_4418: 8 | 4 << 4, 0x5802_441C: 4 << 4 | 4 << 8}, 240_000_000),
    ],
)
def test_pwm_counts_the_clock_of_the_timers(
    glue: Callable[[str, Chip], Call], id: str, registers: dict[int, int], hz: int
) -> None:
    chip = Chip()
    chip.words |= registers
    call, timer = glue(id, chip), 0x4000_0800
    assert call("fn_pwm_set", call("fn_pin_called", "PD12"), 1_000, 16_384) == 0
    divisor, counts = chip.read(timer + 0x28) + 1, chip.read(timer + 0x2C) + 1
    assert divisor * counts == pytest.approx(hz / 1_000, rel=0.001)
    assert chip.read(timer + 0x34) == pytest.approx(counts / 4, rel=0.001)


@pytest.mark.parametrize(
    ("id", "at"),
    [
        ("nucleo_f446re", 0x1FFF_7A10),
        ("nucleo_h743zi", 0x1FF1_E800),
        ("nucleo_l476rg", 0x1FFF_7590),
        ("nrf52840_dk", 0x60),
    ],
)
def test_a_chips_id_is_read_from_its_place(glue: Callable[[str, Chip], Call], id: str, at: int) -> None:
    chip = Chip()
    call = glue(id, chip)
    origin = 0x1000_0000 if at == 0x60 else 0
    if origin:
        chip.cpu.mem_map(origin, 1 << 12)
    chip.cpu.mem_write(origin + at, bytes(range(1, 13)))
    count = call("fn_unique_id", RAM + 0x9000)
    assert count == (8 if origin else 12)
    assert chip.cpu.mem_read(RAM + 0x9000, count) == bytes(range(1, count + 1))


@pytest.mark.parametrize(
    ("id", "converter", "channels"),
    [
        ("nucleo_f446re", F4Converter, {"PA0": 0, "PA7": 7, "PB1": 9, "PC5": 15, "PB2": None}),
        ("nucleo_f746zg", F4Converter, {"PA3": 3, "PC0": 10, "PD0": None}),
        ("nucleo_l476rg", L4Converter, {"PC0": 1, "PC3": 4, "PA0": 5, "PC4": 13, "PB1": 16, "PA8": None}),
        ("nrf52840_dk", NordicConverter, {"P0.02": 1, "P0.31": 8, "P0.06": None, "P1.02": None}),
        ("pico", PicoConverter, {"GP26": 0, "GP29": 3, "GP25": None}),
    ],
)
def test_a_converter_is_started_and_read(
    glue: Callable[[str, Chip], Call], id: str, converter: type[Chip], channels: dict[str, int | None]
) -> None:
    call = glue(id, converter())
    for name, channel in channels.items():
        pin = call("fn_pin_called", name)
        assert call("fn_adc_open", pin) == (LACKS if channel is None else 0), name
        if channel is not None:
            assert call("fn_adc_read", pin) == 10 * channel << 4, name


@pytest.mark.parametrize("id", STM32)
def test_a_converter_that_does_not_answer_is_told(glue: Callable[[str, Chip], Call], id: str) -> None:
    call = glue(id, Chip())
    pin = call("fn_pin_called", "PA0")
    assert SILENT in (call("fn_adc_open", pin), call("fn_adc_read", pin))
