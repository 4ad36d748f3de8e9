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
FLASH, RAM, STOP, GUARD = 0x0800_0000, 0x2000_0000, 0x0801_F000, 0x2000_4000
LACKS, SILENT, RANGE, FORMAT = (2**32 - n for n in range(1, 5))
UNKNOWN, POWER_ON, HARD, WATCHDOG, DEEP_SLEEP = range(5)

STUBS = """
#include "fn_board.h"
static uint32_t us;
uint32_t fn_board_us(void) { return us++; }
uint32_t fn_board_clock_hz(void) { return FN_CLOCK_HZ; }
uint32_t fn_core_hz(void) { return FN_CLOCK_HZ; }
__attribute__((weak)) void fn_reset(void)
{
    *(volatile uint32_t *)0xE000ED0Cu = 0x05FA0004u;
    ((void (*)(void))0x0801F001u)(); /* STOP */
}
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
    """RM0390, chapter 13: ten times the channel, when it was started; 5 more from the third."""

    CLOCKS, CR2, SQR3, DR = 0x4002_3844, 0x08, 0x34, 0x4C

    def write(self, address: int, value: int) -> None:
        super().write(address, value)
        for base, clock, more in ((0x4001_2000, 8, 0), (0x4001_2200, 10, 5)):
            if address == base + self.CR2 and value >> 30 & 1:
                assert self.read(self.CLOCKS) >> clock & 1, "it has no clock"
                assert value & 1, "started while it is off"
                self.words[base] = 2
                self.words[base + self.DR] = 10 * (self.read(base + self.SQR3) & 31) + more


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


class H7Converter(Chip):
    """RM0433, chapter 25: as on an L4, with a clock of its own, its inputs switched on, and 16 bits.

    What is read is a thousand times the channel, and 500 more from the third converter.
    """

    ONE, THREE = 0x4002_2000, 0x5802_6000
    COMMANDS = 1 << 31 | 0x3F

    def __init__(self) -> None:
        super().__init__()
        self.words |= {self.ONE + 8: 1 << 29, self.THREE + 8: 1 << 29}
        self.calibrated: set[int] = set()

    def base_of(self, address: int) -> int | None:
        return next((base for base in (self.ONE, self.THREE) if 0 <= address - base < 0x300), None)

    def read(self, address: int) -> int:
        value, base = super().read(address), self.base_of(address)
        if base and address == base + 8 and value >> 31:  # done when it was looked at once
            self.words[address] = value & ~(1 << 31) | 0x3F << 22
            self.calibrated.add(base)
        return value

    def write(self, address: int, value: int) -> None:
        base = self.base_of(address)
        if base is None:
            return super().write(address, value)
        clocks, bit = (0x5802_44D8, 5) if base == self.ONE else (0x5802_44E0, 24)
        assert self.read(clocks) >> bit & 1, "it has no clock"
        if address == base:
            self.words[address] = self.read(address) & ~value
            return None
        if address == base + 8:
            self.control(base, value)
            return None
        return super().write(address, value)

    def control(self, base: int, value: int) -> None:
        had = self.words[base + 8]
        if base in self.calibrated:
            assert value >> 22 & 0x3F == 0x3F, "its linearity is forgotten"
        if value >> 31:
            assert (value >> 28 & 3, value >> 16 & 1, had & 1) == (1, 1, 0)
            assert self.read(0x5802_4458) >> 16 & 3 == 2, "its clock is that of a PLL that is off"
            assert self.read(base + 0x308) >> 16 & 0x3F == 4 << 2
        if value & 1:
            assert base in self.calibrated
            self.words[base] = self.read(base) | 1
        if value & 4:
            channel = self.read(base + 0x30) >> 6 & 31
            assert had & 1, "started while it is off"
            assert self.read(base + 0x30) & 15 == 0
            assert self.read(base + 0x1C) >> channel & 1, "the input is not switched on"
            self.words |= {
                base: self.read(base) | 4,
                base + 0x40: 1000 * channel + 500 * (base == self.THREE),
            }
        self.words[base + 8] = value & ~0x3E | had & 1


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


class NordicUart(Chip):
    """UARTE1: it takes what it sends from memory, and writes there what has come; a few bytes wait inside."""

    BASE = 0x4002_8000
    DONE = {0x004: 0x144, 0x00C: 0x158}  # what stops it, and the event that tells so
    SET_WHILE_OFF = (0x50C, 0x514, 0x524, 0x56C)

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[int] = []
        self.receives, self.sends = False, False
        self.sent = b""

    def at(self, offset: int) -> int:
        return self.words.get(self.BASE + offset, 0)

    def write(self, address: int, value: int) -> None:
        super().write(address, value)
        offset = address - self.BASE
        if offset in self.SET_WHILE_OFF:
            assert not self.at(0x500), "it is set while it runs"
        if offset in (0x000, 0x008):
            assert (self.at(0x500), value) == (8, 1)
            if offset == 0x000:
                assert not self.receives
                self.receives = True
                self.receive()
            else:
                assert not self.sends, "what is under way is overwritten"
                self.sends = True
                self.sent += self.cpu.mem_read(self.at(0x544), self.at(0x548))
        if offset in self.DONE and value:
            self.words[self.BASE + self.DONE[offset]] = 1
            self.receives &= offset != 0x004

    def receive(self, *arrived: int) -> None:
        self.inside += arrived
        if self.inside and self.receives:
            self.receives = False
            self.cpu.mem_write(self.at(0x534), bytes([self.inside.pop(0)]))
            self.words[self.BASE + 0x110] = self.at(0x538)

    def has_left(self) -> None:
        self.sends, self.words[self.BASE + 0x120] = False, 1


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
    flags += [f"-Wl,-Ttext={FLASH:#x},-Tdata={RAM:#x},-e,fn_pin_read,--defsym=__stack_guard={GUARD:#x}"]
    include = ["-I", str(folder), "-I", str(assets("templates") / "micropython")]
    files = [str(source), str(folder / "stubs.c"), "-lgcc", "-o", str(elf)]
    subprocess.run(["arm-none-eabi-gcc", *flags, *include, *files], check=True)


@pytest.mark.parametrize("id", ["nrf52840_dk", "microbit_v2"])
def test_an_nrf_sends_and_receives_beside_its_port(glue: Callable[[str, Chip], Call], id: str) -> None:
    chip = NordicUart()
    call = glue(id, chip)
    assert call("fn_uart_open", 9600, 0, 1) == 0
    pins = (34, 33) if id == "nrf52840_dk" else (2, 3)
    assert (chip.at(0x50C), chip.at(0x514), chip.at(0x304), chip.at(0x56C)) == (*pins, 1 << 4 | 1 << 9, 0)
    for byte in b"\0\xff!":
        assert (call("fn_uart_put", byte), call("fn_uart_put", 1), call("fn_uart_sent")) == (1, 0, 0)
        chip.has_left()
        assert call("fn_uart_sent") == 1
    assert chip.sent == b"\0\xff!"
    for some in (b"a", b"several"):  # some come before the interrupt is taken
        chip.receive(*some)
        call("fn_second_uart_isr")
    assert call("fn_uart_waiting") == 8
    assert bytes(call("fn_uart_get") for _ in range(8)) == b"aseveral"
    assert call("fn_uart_get") == 2**32 - 1
    for offset in (0x124, 0x480):
        chip.words[chip.BASE + offset] = 4
    call("fn_second_uart_isr")
    assert (chip.at(0x124), chip.written[-1]) == (0, (chip.BASE + 0x480, 4)), "an error would ask for ever"
    assert call("fn_uart_open", 115_200, 1, 2) == 0
    assert chip.at(0x56C) == 7 << 1 | 1 << 4
    odd = call("fn_uart_open", 115_200, 2, 1)
    assert (odd, chip.at(0x56C)) == ((0, 7 << 1 | 1 << 8) if id == "microbit_v2" else (FORMAT, 0x1E))
    call("fn_uart_close")
    assert (chip.at(0x500), chip.at(0x144)) == (0, 1)


NORDIC_RATES = {1200: 0x4F000, 2400: 0x9D000, 9600: 0x275000, 19_200: 0x4EA000, 38_400: 0x9D0000}
NORDIC_RATES |= {57_600: 0xEB0000, 76_800: 0x13A9000, 115_200: 0x1D60000, 230_400: 0x3B00000}
NORDIC_RATES |= {250_000: 0x400_0000, 460_800: 0x740_0000, 921_600: 0xF00_0000, 1_000_000: 0x1000_0000}
"""The table of the register: what is in it gives as many clocks of 16 MHz to a bit as go into 2^32."""


def test_an_nrf_takes_any_rate(glue: Callable[[str, Chip], Call]) -> None:
    chip = NordicUart()
    call = glue("nrf52840_dk", chip)
    for baud, register in NORDIC_RATES.items():
        assert call("fn_uart_open", baud, 0, 1) == 0
        assert 2**32 // chip.at(0x524) == 2**32 // register, baud
    assert call("fn_uart_open", 100_000, 0, 1) == 0
    assert 16_000_000 // (2**32 // chip.at(0x524)) == 100_000
    assert [call("fn_uart_open", baud, 0, 1) for baud in (0, 300, 1_200_000)] == [RANGE] * 3


@pytest.mark.parametrize(
    ("id", "registers", "usart", "clocks", "pins", "bus_hz"),
    [
        (
            "nucleo_h743zi",
            {0x5802_4418: 8 | 4 << 4, 0x5802_441C: 4 << 4 | 4 << 8},
            0x4000_4400,
            (0x5802_44E8, 17),
            {0x5802_0C00: (5, 6)},
            120_000_000,
        ),
        (
            "nucleo_f746zg",
            {0x4002_3808: 5 << 10 | 4 << 13},
            0x4001_1400,
            (0x4002_3844, 5),
            {0x4002_1800: (14, 9)},
            108_000_000,
        ),
    ],
)
def test_a_newer_stm32_sends_and_receives_beside_its_port(
    glue: Callable[[str, Chip], Call],
    id: str,
    registers: dict[int, int],
    usart: int,
    clocks: tuple[int, int],
    pins: dict[int, tuple[int, ...]],
    bus_hz: int,
) -> None:
    chip = Chip()
    chip.words |= registers
    call = glue(id, chip)
    assert call("fn_uart_open", 9600, 0, 2) == 0
    assert bus_hz / chip.read(usart + 0x0C) == pytest.approx(9600, rel=0.001)
    assert (chip.read(usart), chip.read(usart + 4)) == (0x2D, 2 << 12)
    assert chip.read(clocks[0]) >> clocks[1] & 1
    for port, lines in pins.items():
        for line in lines:
            function = chip.read(port + 0x20 + 4 * (line // 8)) >> 4 * (line % 8) & 15
            assert (chip.read(port) >> 2 * line & 3, function) == (2, 8 if id == "nucleo_f746zg" else 7)
    chip.words |= {usart + 0x1C: 1 << 5, usart + 0x24: 0x5A}
    call("fn_second_uart_isr")
    assert (call("fn_uart_waiting"), call("fn_uart_get")) == (1, 0x5A)
    assert call("fn_uart_put", 7) == 0  # its data register is not empty
    chip.words[usart + 0x1C] = 1 << 7
    assert (call("fn_uart_put", 7), chip.read(usart + 0x28)) == (1, 7)
    assert call("fn_uart_open", 1000, 0, 1) == RANGE


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
    ("id", "begins", "remapped"),
    [
        ("nucleo_f446re", 0x1FFF_0000, (0x4001_3800, 0x4002_3844, 14)),
        ("nucleo_l476rg", 0x1FFF_0000, (0x4001_0000, 0x4002_1060, 0)),
        ("nucleo_f746zg", 0x1FF0_0000, None),
        ("nucleo_h743zi", 0x1FF0_9800, None),
    ],
)
def test_an_stm32_resets_into_its_bootloader(
    glue: Callable[[str, Chip], Call], id: str, begins: int, remapped: tuple[int, int, int] | None
) -> None:
    """Out of reset, with its vectors and its stack, once: what asks for it lies behind a data cache."""
    chip = Chip()
    call = glue(id, chip)
    cpu, words = chip.cpu, struct.Struct("<II")
    cpu.mem_write(begins, words.pack(0x2000_1234, STOP | 1))
    call("fn_at_reset")
    assert cpu.mem_read(0xE000_ED08, 4) == bytes(4), "nobody asked for it"
    call("fn_bootloader")
    assert cpu.reg_read(arm_const.UC_ARM_REG_PRIMASK) == 1
    assert cpu.mem_read(0xE000_ED0C, 4) == struct.pack("<I", 0x05FA_0004)
    cleaned = int.from_bytes(cpu.mem_read(0xE000_EF68, 4), "little")
    assert cleaned == (GUARD + 512 if remapped is None else 0)
    for vectors, stack in (
        (begins, 0x2000_1234),
        (0, RAM + (1 << 16)),
    ):  # and the next start is the firmware's
        cpu.mem_write(0xE000_ED08, bytes(4))
        call("fn_at_reset")
        assert int.from_bytes(cpu.mem_read(0xE000_ED08, 4), "little") == vectors
        assert cpu.reg_read(arm_const.UC_ARM_REG_SP) == stack
    if remapped:
        at, clocks, bit = remapped
        assert (chip.read(at), chip.read(clocks) >> bit & 1) == (1, 1)


@pytest.mark.parametrize(
    ("id", "converter", "channels"),
    [
        ("nucleo_f446re", F4Converter, {"PA0": 0, "PA7": 7, "PB1": 9, "PC5": 15, "PB2": None}),
        ("nucleo_f746zg", F4Converter, {"PA3": 3, "PC0": 10, "PD0": None, "PF2": None, "PF11": None}),
        ("nucleo_f746zg", F4Converter, {"PF3": 9.5, "PF5": 15.5, "PF10": 8.5}),
        ("nucleo_l476rg", L4Converter, {"PC0": 1, "PC3": 4, "PA0": 5, "PC4": 13, "PB1": 16, "PA8": None}),
        ("nrf52840_dk", NordicConverter, {"P0.02": 1, "P0.31": 8, "P0.06": None, "P1.02": None}),
        ("pico", PicoConverter, {"GP26": 0, "GP29": 3, "GP25": None}),
    ],
)
def test_a_converter_is_started_and_read(
    glue: Callable[[str, Chip], Call], id: str, converter: type[Chip], channels: dict[str, float | None]
) -> None:
    call = glue(id, converter())
    for name, channel in channels.items():
        pin = call("fn_pin_called", name)
        assert call("fn_adc_open", pin) == (LACKS if channel is None else 0), name
        if channel is not None:
            assert call("fn_adc_read", pin) == int(10 * channel) << 4, name


H7_INPUTS = {
    "PA3": 15_000,
    "PC0": 10_000,
    "PC3": 1_500,
    "PB1": 5_000,
    "PF10": 6_500,
    "PF11": 2_000,
    "PA5": 19_000,
}


def test_an_h7_reads_16_bits_by_two_converters(glue: Callable[[str, Chip], Call]) -> None:
    chip = H7Converter()
    call = glue("nucleo_h743zi", chip)
    for name, value in {**H7_INPUTS, **H7_INPUTS}.items():
        pin = call("fn_pin_called", name)
        assert (call("fn_adc_open", pin), call("fn_adc_read", pin)) == (0, value), name
    assert call("fn_adc_open", call("fn_pin_called", "PD5")) == LACKS
    silent = glue("nucleo_h743zi", Chip())
    assert SILENT in (silent("fn_adc_open", 0), silent("fn_adc_read", 0))


@pytest.mark.parametrize("id", STM32)
def test_a_converter_that_does_not_answer_is_told(glue: Callable[[str, Chip], Call], id: str) -> None:
    call = glue(id, Chip())
    pin = call("fn_pin_called", "PA0")
    assert SILENT in (call("fn_adc_open", pin), call("fn_adc_read", pin))
