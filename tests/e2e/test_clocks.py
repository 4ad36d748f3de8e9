"""Does each glue bring its chip to the clock of the board file, and never beyond what may be at that moment?

The glue's own machine code runs in a simulator over a model of the chip's clock registers, written after the
reference manual: what becomes ready by itself, what is in force, what must be set before the clock is raised.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from firmnet.assets import assets
from firmnet.codegen.templates import render
from firmnet.devices.rates import FASTER_BAUDS
from firmnet.targets import Board, board_ids, load_board, needs

PERIPHERALS, PERIPHERAL_BYTES = 0x4000_0000, 0x2000_0000
FLASH, RAM, STOP = 0x0800_0000, 0x2000_0000, 0x0800_F000


class Registers:
    """Words that keep what is written to them; a chip's clocks are made of them."""

    RESET: dict[int, int] = {}
    USARTS: dict[int, int] = {}
    RCC_CR = RCC_CFGR = PLLCFGR = ACR = 0

    def __init__(self, board: Board, *, pll_starts: bool = True, crystal: bool = True) -> None:
        self.board, self.pll_starts, self.crystal = board, pll_starts, crystal
        self.words = dict(self.RESET)
        self.bauds: list[float] = []

    def at(self, address: int) -> int:
        return self.words.get(address, 0)

    def pll_is_on(self) -> bool:
        return bool(self.at(self.RCC_CR) & 1 << 24)

    def pll_is_ready(self) -> bool:
        return self.pll_is_on() and self.pll_starts

    def on_pll(self) -> bool:
        return self.at(self.RCC_CFGR) & 3 == self.SW_PLL and self.pll_is_ready()

    SW_PLL = 2

    def read(self, address: int) -> int:
        word = self.at(address)
        if address == self.RCC_CR:
            return word & ~(1 << 25) | self.pll_is_ready() << 25
        if address == self.RCC_CFGR:
            return word & ~(3 << 2) | (self.SW_PLL if self.on_pll() else 0) << 2
        return word

    def write(self, address: int, value: int) -> None:
        if address == self.PLLCFGR and value != self.at(address):
            assert not self.pll_is_on(), "the PLL's factors are written while it is on"
        self.words[address] = value
        assert self.core_hz() <= self.limit_hz(), f"{self.core_hz()} Hz, where {self.limit_hz()} may be"

    def core_hz(self) -> int:
        raise NotImplementedError

    def limit_hz(self) -> int:
        """What regulator and flash are set up for, or 0 where a bus would be too fast."""
        raise NotImplementedError


def divided(field: int, first: int) -> int:
    """A prescaler's divisor: 2 for the field's value `first`, twice as much for each that follows."""
    return 2 ** (field - first + 1) if field >= first else 1


class F4(Registers):
    """RM0090, RM0383, RM0390."""

    RCC_CR, PLLCFGR, RCC_CFGR, ACR = 0x4002_3800, 0x4002_3804, 0x4002_3808, 0x4002_3C00
    PWR_CR, PWR_CSR, APB1ENR, USARTS = 0x4000_7000, 0x4000_7004, 0x4002_3840, {0x4001_1008: 1, 0x4000_4408: 2}

    def __init__(self, board: Board, **how: bool) -> None:
        scale = (
            2 if board.chip.line == "stm32f411" else 1 if board.chip.line in ("stm32f405", "stm32f407") else 3
        )
        self.RESET = {self.RCC_CR: 0x83, self.PLLCFGR: 0x2400_3010, self.PWR_CR: scale << 14}
        super().__init__(board, **how)

    def read(self, address: int) -> int:
        if address == self.PWR_CSR:
            return self.at(self.PWR_CR) & 3 << 16
        return super().read(address)

    def write(self, address: int, value: int) -> None:
        if address == self.PWR_CR:
            assert self.at(self.APB1ENR) & 1 << 28
            scale = value >> 14 & 3
            assert scale == self.at(address) >> 14 & 3 or not self.pll_is_on()
            assert not value & 1 << 17 or self.at(address) & 1 << 16, "switched before over-drive was ready"
        super().write(address, value)
        if address in self.USARTS:
            bus = 1 if self.USARTS[address] == 2 else 2
            self.bauds.append(self.core_hz() / self.divisor(bus) / value)

    def divisor(self, bus: int) -> int:
        return divided(self.at(self.RCC_CFGR) >> (10 if bus == 1 else 13) & 7, 4)

    def core_hz(self) -> int:
        word = self.at(self.PLLCFGR)
        m, n, p = word & 63, word >> 6 & 511, 2 * (word >> 16 & 3) + 2
        if not self.on_pll():
            return 16_000_000
        assert not word & 1 << 22
        assert 1_000_000 <= 16_000_000 / m <= 2_000_000
        assert 100_000_000 <= 16_000_000 / m * n <= 432_000_000
        assert word >> 24 & 15 >= 2
        return 16_000_000 // m * n // p

    def limit_hz(self) -> int:
        pwr, line = self.at(self.PWR_CR), self.board.chip.line
        if line == "stm32f411":
            regulator, apb1, apb2 = (
                (100_000_000 if pwr >> 14 & 3 == 3 else 84_000_000),
                50_000_000,
                100_000_000,
            )
        elif line == "stm32f446":
            regulator, apb1, apb2 = (180_000_000 if pwr >> 17 & 1 else 168_000_000), 45_000_000, 90_000_000
        else:
            regulator, apb1, apb2 = 168_000_000, 42_000_000, 84_000_000
        flash = 30_000_000 * (1 + (self.at(self.ACR) & 7))
        return min(regulator, flash, apb1 * self.divisor(1), apb2 * self.divisor(2))


class L4(Registers):
    """RM0351, RM0432."""

    RCC_CR, RCC_CFGR, PLLCFGR, ACR = 0x4002_1000, 0x4002_1008, 0x4002_100C, 0x4002_2000
    PWR_CR5, SW_PLL = 0x4000_7080, 3
    RESET = {RCC_CR: 0x63, PLLCFGR: 0x1000, ACR: 0x600, PWR_CR5: 0x100}
    USARTS = {0x4001_380C: 1, 0x4000_440C: 1, 0x4000_800C: 256}

    def plus(self) -> bool:
        return self.board.chip.line[:8] in ("stm32l4r", "stm32l4s", "stm32l4p", "stm32l4q")

    def write(self, address: int, value: int) -> None:
        before = self.core_hz()
        super().write(address, value)
        assert self.core_hz() <= 80_000_000 or before >= self.core_hz() // 2 >= 40_000_000, "raised at once"
        if address in self.USARTS:
            self.bauds.append(self.core_hz() * self.USARTS[address] / value)

    def core_hz(self) -> int:
        word = self.at(self.PLLCFGR)
        if not self.on_pll():
            return 4_000_000
        n, vco = word >> 8 & 127, 4_000_000 * (word >> 8 & 127)
        assert word & 3 == 1
        assert word >> 24 & 1
        assert word >> 4 & 7 == 0
        assert 8 <= n <= 127
        assert 64_000_000 <= vco <= 344_000_000
        return vco // (2 * (word >> 25 & 3) + 2) // divided(self.at(self.RCC_CFGR) >> 4 & 15, 8)

    def limit_hz(self) -> int:
        boosted = self.plus() and not self.at(self.PWR_CR5) & 1 << 8
        flash = (20_000_000 if self.plus() else 16_000_000) * (1 + (self.at(self.ACR) & 15))
        return min(flash, 120_000_000 if boosted else 80_000_000)


class F1(Registers):
    """RM0008."""

    RCC_CR, RCC_CFGR, ACR, RESET = (
        0x4002_1000,
        0x4002_1004,
        0x4002_2000,
        {0x4002_1000: 0x83, 0x4002_2000: 0x30},
    )
    USARTS = {0x4001_3808: 2, 0x4000_4408: 1}

    def read(self, address: int) -> int:
        word = super().read(address)
        return word | (word >> 16 & self.crystal) << 17 if address == self.RCC_CR else word

    def write(self, address: int, value: int) -> None:
        super().write(address, value)
        if address in self.USARTS:
            slower = divided(self.at(self.RCC_CFGR) >> 8 & 7, 4) if self.USARTS[address] == 1 else 1
            self.bauds.append(self.core_hz() / slower / value)

    def core_hz(self) -> int:
        word = self.at(self.RCC_CFGR)
        if not self.on_pll():
            return 8_000_000
        assert self.crystal or not word & 1 << 16
        return (8_000_000 if word & 1 << 16 else 4_000_000) * min((word >> 18 & 15) + 2, 16)

    def limit_hz(self) -> int:
        apb1 = 36_000_000 * divided(self.at(self.RCC_CFGR) >> 8 & 7, 4)
        return min(72_000_000, apb1, 24_000_000 * (1 + (self.at(self.ACR) & 7)))


class F7(F4):
    """RM0385; the registers of its USARTs are those of an L4's."""

    USARTS = {0x4000_480C: 2}

    def limit_hz(self) -> int:
        regulator = 216_000_000 if self.at(self.PWR_CR) >> 17 & 1 else 180_000_000
        flash = 30_000_000 * (1 + (self.at(self.ACR) & 15))
        return min(regulator, flash, 54_000_000 * self.divisor(1), 108_000_000 * self.divisor(2))


class H7(Registers):
    """RM0433, of an H743. `scale`: the best voltage that its regulator gets to."""

    RCC_CR, RCC_CFGR, ACR, SW_PLL = 0x5802_4400, 0x5802_4410, 0x5200_2000, 3
    D1CFGR, D2CFGR, D3CFGR = 0x5802_4418, 0x5802_441C, 0x5802_4420
    PLLCKSELR, PLLCFGR, PLL1DIVR, APB4ENR = 0x5802_4428, 0x5802_442C, 0x5802_4430, 0x5802_44F4
    PWR_CSR1, PWR_CR3, PWR_D3CR, PWRCR = 0x5802_4804, 0x5802_480C, 0x5802_4818, 0x5800_042C
    IDCODE, AXI_TARG7_FN_MOD, USARTS = 0x5C00_1000, 0x5100_8108, {0x4000_480C: 1}
    RESET = {RCC_CR: 1, ACR: 0x37, PWR_CR3: 6, PWR_D3CR: 1 << 14, PLLCFGR: 0x1FF_0000, PLL1DIVR: 0x101_0280}
    MOST = {0: 480_000_000, 1: 400_000_000, 2: 300_000_000, 3: 200_000_000}
    FLASH = {
        0: (70_000_000, 140_000_000, 210_000_000, 225_000_000, 240_000_000),
        1: (70_000_000, 140_000_000, 210_000_000, 225_000_000),
        2: (55_000_000, 110_000_000, 165_000_000, 225_000_000),
        3: (45_000_000, 90_000_000, 135_000_000, 180_000_000, 225_000_000),
    }

    def __init__(
        self, board: Board, *, scale: int = 0, revision: int = 0x2003, pll_starts: bool = True
    ) -> None:
        super().__init__(board, pll_starts=pll_starts)
        self.best, self.newest, self.supplied = scale, revision >= 0x2003, False
        self.words[self.IDCODE] = revision << 16 | 0x450

    def asked(self) -> int:
        """The scale of the voltage that was asked for."""
        overdriven = self.at(self.PWRCR) & 1 and self.newest
        return 0 if overdriven else 4 - (self.at(self.PWR_D3CR) >> 14 & 3)

    def read(self, address: int) -> int:
        word = self.at(address)
        if address == self.RCC_CR:
            return word & ~(1 << 2 | 1 << 25) | (word & 1) << 2 | self.pll_is_ready() << 25
        if address == self.RCC_CFGR:
            return word & ~(7 << 3) | (self.SW_PLL if self.on_pll() else 0) << 3
        if address == self.PWR_CSR1:
            return self.supplied << 13
        if address == self.PWR_D3CR:
            return word & ~(1 << 13) | (self.asked() >= self.best) << 13
        return word

    def write(self, address: int, value: int) -> None:
        if address in (self.PLLCKSELR, self.PLLCFGR, self.PLL1DIVR):
            assert not self.pll_is_on(), "the PLL's factors are written while it is on"
        if address == self.PWR_CR3:
            assert value & 3 == 2, "the core has no supply"
            self.supplied = True
        if address == self.PWR_D3CR:
            assert self.supplied, "the voltage is raised before it is settled what supplies the core"
        if address == self.PWRCR and value & 1:
            assert self.at(self.APB4ENR) & 2
            assert self.at(self.PWR_D3CR) >> 14 & 3 == 3
            assert self.newest, "this revision has no such bit"
        super().write(address, value)
        if address in self.USARTS:
            self.bauds.append(self.core_hz() / self.ahb() / divided(self.at(self.D2CFGR) >> 4 & 7, 4) / value)

    def ahb(self) -> int:
        return divided(self.at(self.D1CFGR) & 15, 8)

    def core_hz(self) -> int:
        hsi = 64_000_000 >> (self.at(self.RCC_CR) >> 3 & 3)
        slower = divided(self.at(self.D1CFGR) >> 8 & 15, 8)
        if not self.on_pll():
            return hsi // slower
        source, config, factors = self.at(self.PLLCKSELR), self.at(self.PLLCFGR), self.at(self.PLL1DIVR)
        reference, p = hsi // (source >> 4 & 63), (factors >> 9 & 127) + 1
        oscillator = reference * ((factors & 511) + 1)
        assert source & 3 == 0
        assert config & 1 << 16
        assert 1_000_000 << (config >> 2 & 3) <= reference <= 2_000_000 << (config >> 2 & 3)
        assert not config & 3  # no fraction, and the wide range:
        assert reference >= 2_000_000
        assert 192_000_000 <= oscillator <= (960_000_000 if self.newest else 836_000_000)
        assert p % 2 == 0
        return oscillator // p // slower

    def limit_hz(self) -> int:
        scale, acr = max(self.asked(), self.best), self.at(self.ACR)
        fastest = self.FLASH[scale]
        signals = (70_000_000, 185_000_000, 285_000_000, 385_000_000)[acr >> 4 & 3]
        flash = min(fastest[min(acr & 15, len(fastest) - 1)], signals) * self.ahb()
        if not self.on_pll():
            return flash
        most, d2 = self.MOST[scale], self.at(self.D2CFGR)
        fields = self.at(self.D1CFGR) >> 4, d2 >> 4, d2 >> 8, self.at(self.D3CFGR) >> 4
        apb = most // 4 * self.ahb() * min(divided(field & 7, 4) for field in fields)
        return min(most, flash, most // 2 * self.ahb(), apb)


class Rp2040(Registers):
    """Its data sheet, 2.14 to 2.18; registers are also written by bits, at three more addresses each."""

    RESETS, XOSC_CTRL, XOSC_STATUS, PLLS = 0x4000_C000, 0x4002_4000, 0x4002_4004, (0x4002_8000, 0x4002_C000)
    CLK_REF, CLK_SYS, CLK_PERI, CLK_USB = 0x4000_8030, 0x4000_803C, 0x4000_8048, 0x4000_8054
    PLL_0, PLL_1 = ({pll: 1, pll + 4: 0x2D, pll + 8: 0, pll + 12: 0x77000} for pll in PLLS)
    RESET = {CLK_REF: 0, CLK_SYS: 0, RESETS: 0x1FF_FFFF, **PLL_0, **PLL_1}

    def crystal_runs(self) -> bool:
        return self.crystal and self.at(self.XOSC_CTRL) == 0xFAB_AA0

    def runs(self, pll: int) -> bool:
        held = self.at(self.RESETS) >> 12 + self.PLLS.index(pll) & 1
        return self.crystal_runs() and self.pll_starts and not held and not self.at(pll + 4) & 0x21

    def pll_hz(self, pll: int) -> int:
        """Behind its divisors; 0: it is not on."""
        if not self.runs(pll) or self.at(pll + 4) & 8:
            return 0
        prim, oscillator = self.at(pll + 12), 12_000_000 // self.at(pll) * self.at(pll + 8)
        assert 750_000_000 <= oscillator <= 1_600_000_000
        return oscillator // (prim >> 16 & 7) // (prim >> 12 & 7)

    def core_hz(self) -> int:
        reference = {0: 6_500_000, 2: 12_000_000 * self.crystal_runs()}[self.at(self.CLK_REF) & 3]
        source = self.at(self.CLK_SYS)
        hz = self.pll_hz(self.PLLS[source >> 5 & 7]) if source & 1 else reference
        assert hz, "the core has no clock"
        return hz

    def limit_hz(self) -> int:
        return 133_000_000

    def read(self, address: int) -> int:
        if address == self.XOSC_STATUS:
            return self.crystal_runs() << 31
        if address in self.PLLS:
            return self.at(address) | self.runs(address) << 31
        if address in (self.CLK_REF + 8, self.CLK_SYS + 8):
            return 1 << (self.at(address - 8) & (3 if address == self.CLK_REF + 8 else 1))
        if address == self.RESETS + 8:
            return ~self.at(self.RESETS) & 0x1FF_FFFF
        return self.at(address)

    def write(self, address: int, value: int) -> None:
        register, kind = (address & ~0x3000, address >> 12 & 3) if address < 0x5000_0000 else (address, 0)
        before = self.at(register)
        word = (value, before ^ value, before | value, before & ~value)[kind]
        if register == self.CLK_SYS and before & word & 1:
            assert before >> 5 & 7 == word >> 5 & 7, "another source is chosen while the core runs on it"
        if register - 8 in self.PLLS and word != before:
            assert not self.runs(register - 8), "a PLL's factor is written while it is on"
        if register == self.RESETS:
            self.words |= self.PLL_0 if word >> 12 & 1 else {}
            self.words |= self.PLL_1 if word >> 13 & 1 else {}
        super().write(register, word)


CHIPS: dict[str, Callable[..., Registers]] = {
    "stm32f1_usart": F1,
    "stm32f4_usart": F4,
    "stm32f7_usart": F7,
    "stm32h7_usart": H7,
    "stm32l4_usart": L4,
}
BOARDS = [id for id in board_ids() if load_board(id).baremetal.glue in CHIPS]


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A board's glue, linked alone."""
    folder = tmp_path_factory.mktemp("glue")

    def linked(id: str) -> Path:
        board, elf = load_board(id), folder / f"{id}.elf"
        if not elf.exists():
            (folder / id).mkdir()
            context = {"needs": needs(board, "micropython"), "storage": None}
            header = render("project/fn_board_config.h.j2", board=board, **context)
            (folder / id / "fn_board_config.h").write_text(header)
            source = assets("boards") / "baremetal" / "glue" / f"{board.baremetal.glue}.c"
            (folder / "received.c").write_text(
                "int fn_receives(void) { return 1; }\nvoid fn_received(unsigned char byte) { (void)byte; }\n"
            )
            # Thumb-1: this simulator makes mistakes in IT blocks where memory is watched
            flags = ["-mcpu=cortex-m0plus", "-mthumb", "-O1", "-Wall", "-Wextra", "-Werror", "-nostdlib"]
            places = [f"-Wl,-Ttext={FLASH:#x},-Tdata={RAM:#x},-e,fn_board_init"]
            include = ["-I", str(folder / id), "-I", str(assets("templates") / "micropython")]
            files = [str(source), str(folder / "received.c"), "-lgcc", "-o", str(elf)]
            subprocess.run(["arm-none-eabi-gcc", *flags, *include, *places, *files], check=True)
        return elf

    return linked


Call = tuple[str | int, ...]
"""A function's name and its arguments."""


def reached(elf: Path, chip: Registers) -> int:
    """What the firmware says of its clock after fn_board_init()."""
    return answers(elf, chip, ("fn_board_init",), ("fn_board_clock_hz",))[-1]


def answers(elf: Path, chip: Registers, *calls: Call) -> list[int]:
    """What the firmware's functions return, one after the other."""
    cpu = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    for origin in (0, FLASH, RAM, 0xE000_0000):
        cpu.mem_map(origin, 1 << 16)
    cpu.mem_write(0x10, b"Mu\1\2")  # how an RP2040 knows its boot ROM
    failures: list[AssertionError] = []

    def write(_: unicorn.Uc, offset: int, size: int, value: int, __: object) -> None:
        try:
            chip.write(PERIPHERALS + offset, value)
        except AssertionError as error:
            failures.append(error)
            cpu.emu_stop()

    def read(_: unicorn.Uc, offset: int, size: int, __: object) -> int:
        return chip.read(PERIPHERALS + offset)

    cpu.mmio_map(PERIPHERALS, PERIPHERAL_BYTES, read, None, write, None)
    with elf.open("rb") as file:
        image = ELFFile(file)
        for segment in image.iter_segments("PT_LOAD"):
            cpu.mem_write(segment["p_vaddr"], segment.data())
        symbols = {
            symbol.name: symbol["st_value"] for symbol in image.get_section_by_name(".symtab").iter_symbols()
        }
    said: list[int] = []
    for function, *arguments in calls:
        for register, value in zip(
            (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1), arguments, strict=False
        ):
            cpu.reg_write(register, value)
        cpu.reg_write(arm_const.UC_ARM_REG_SP, RAM + (1 << 16))
        cpu.reg_write(arm_const.UC_ARM_REG_LR, STOP | 1)
        cpu.emu_start(symbols[function] | 1, STOP)
        if failures:
            raise failures[0]
        said.append(cpu.reg_read(arm_const.UC_ARM_REG_R0))
    return said


@pytest.mark.parametrize("id", BOARDS)
def test_the_glue_reaches_the_clock_of_the_board_file(glue: Callable[[str], Path], id: str) -> None:
    board = load_board(id)
    chip = CHIPS[board.baremetal.glue](board)
    assert reached(glue(id), chip) == chip.core_hz() == board.baremetal.clock_hz == board.chip.clock_hz
    assert chip.at(chip.ACR) & 7 == board.chip.flash_wait_states
    assert chip.bauds == [pytest.approx(board.link.baud, rel=0.01)]


@pytest.mark.parametrize("id", BOARDS)
def test_a_rate_that_is_taken_is_one_that_the_clock_divides_to(glue: Callable[[str], Path], id: str) -> None:
    board = load_board(id)
    chip = CHIPS[board.baremetal.glue](board)
    for divisor in chip.USARTS:  # all bytes are sent: SR of the older USARTs, ISR of the newer ones
        chip.words |= {divisor - 8: 0xC0, divisor + 16: 0xC0}
    calls: list[Call] = [("fn_board_baud", baud, 1) for baud in FASTER_BAUDS]
    _, *said = answers(glue(id), chip, ("fn_board_init",), *calls)
    taken = [baud for baud, answer in zip(FASTER_BAUDS, said, strict=True) if answer]
    assert [answer for answer in said if answer] == taken
    assert chip.bauds[1:] == [pytest.approx(baud, rel=0.02) for baud in taken]
    assert max(taken) >= 1_500_000


@pytest.mark.parametrize("id", [id for id in BOARDS if load_board(id).baremetal.glue != "stm32f1_usart"])
def test_where_the_pll_does_not_start_the_firmware_says_its_clock(
    glue: Callable[[str], Path], id: str
) -> None:
    board = load_board(id)
    chip = CHIPS[board.baremetal.glue](board, pll_starts=False)
    assert reached(glue(id), chip) == chip.core_hz() < board.baremetal.clock_hz
    assert chip.bauds == [pytest.approx(board.link.baud, rel=0.02)]


def test_a_blue_pill_without_crystal_says_its_clock(glue: Callable[[str], Path]) -> None:
    board = load_board("bluepill_f103c8")
    assert reached(glue(board.id), F1(board, crystal=False)) == 64_000_000


@pytest.mark.parametrize(
    ("how", "hz"),
    [
        ({"revision": 0x1003}, 400_000_000),
        ({"scale": 1}, 400_000_000),
        ({"scale": 2}, 64_000_000),
        ({"pll_starts": False, "scale": 1}, 64_000_000),
    ],
    ids=["revision Y", "not overdriven", "not raised", "neither overdriven nor a PLL"],
)
def test_an_h743_goes_as_fast_as_its_voltage_allows(
    glue: Callable[[str], Path], how: dict[str, int], hz: int
) -> None:
    board = load_board("nucleo_h743zi")
    chip = H7(board, **how)
    assert reached(glue(board.id), chip) == chip.core_hz() == hz
    assert chip.bauds == [pytest.approx(board.link.baud, rel=0.01)]
    assert chip.at(chip.AXI_TARG7_FN_MOD) == (not chip.newest)
    assert hz != 400_000_000 or chip.at(chip.ACR) == 2 | 2 << 4


def test_an_h743s_bootloader_leaves_clocks_too(glue: Callable[[str], Path]) -> None:
    board = load_board("nucleo_h743zi")
    chip = H7(board)
    chip.words |= {chip.D1CFGR: 8 | 4 << 4, chip.D2CFGR: 4 << 4 | 4 << 8, chip.D3CFGR: 4 << 4}
    chip.words |= {chip.ACR: 2 | 1 << 4, chip.PLLCKSELR: 8 << 4, chip.PWR_D3CR: 2 << 14}
    chip.words |= {chip.PLLCFGR: 1 << 16 | 1 << 2, chip.PLL1DIVR: 99 | 1 << 9}
    chip.words |= {chip.RCC_CR: 1 << 24 | 1 << 3 | 1, chip.RCC_CFGR: 3}
    assert chip.core_hz() == 200_000_000
    assert reached(glue(board.id), chip) == chip.core_hz() == 480_000_000


def test_a_bootloaders_clock_is_given_up_first(glue: Callable[[str], Path]) -> None:
    """ST's DFU jumps into the firmware with its PLL on."""
    board = load_board("blackpill_f411ce")
    chip = F4(board)
    chip.words |= {
        chip.ACR: 2,
        chip.PLLCFGR: 8 | 60 << 6 | 8 << 24,
        chip.RCC_CR: 1 << 24 | 0x83,
        chip.RCC_CFGR: 2,
    }
    assert reached(glue(board.id), chip) == chip.core_hz() == 96_000_000


@pytest.mark.parametrize(
    ("how", "core", "usb"),
    [
        ({}, 125_000_000, 48_000_000),
        ({"pll_starts": False}, 12_000_000, 0),
        ({"crystal": False}, 6_500_000, 0),
    ],
    ids=["all is well", "no PLL", "no crystal"],
)
def test_a_pico_reaches_its_clocks_or_says_which(
    glue: Callable[[str], Path], how: dict[str, bool], core: int, usb: int
) -> None:
    chip = Rp2040(load_board("pico"), **how)
    assert reached(glue("pico"), chip) == chip.core_hz() == core
    assert chip.pll_hz(chip.PLLS[1]) == usb
    if not how:
        assert chip.at(chip.CLK_USB) == chip.at(chip.CLK_PERI) == 1 << 11


def test_the_clock_that_a_picos_firmware_before_had_is_given_up_first(glue: Callable[[str], Path]) -> None:
    """As when a debugger starts it: its PLLs are on, and the core runs on one."""
    chip = Rp2040(load_board("pico"))
    chip.words |= {chip.RESETS: 0, chip.XOSC_CTRL: 0xFAB_AA0, chip.CLK_REF: 2, chip.CLK_SYS: 1}
    for pll in chip.PLLS:
        chip.words |= {pll: 1, pll + 4: 0, pll + 8: 100, pll + 12: 5 << 16 | 2 << 12}
    assert chip.core_hz() == 120_000_000
    assert reached(glue("pico"), chip) == chip.core_hz() == 125_000_000
