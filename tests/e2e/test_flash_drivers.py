"""Is flash erased and written as the chips' manuals say, and does the log in it survive power failures?

The drivers' own machine code runs in a simulator over a model of the flash controller: what must be unlocked,
set and waited for, what may be written where, what a data cache still holds.
"""

import random
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
from firmnet.targets import Board, board_ids, load_board, needs, storage_of

CODE, RAM, STOP, BUFFER, INDEX = 0x1000_0000, 0x2000_0000, 0x1000_F000, 0x2000_8000, 0x2000_C000
LOCK = 1 << 31
PIECE = 128


class PowerFails(Exception):
    """The supply is gone in the middle of what was written."""


class Flash:
    """The spare flash of a board, and the registers of its controller."""

    BASE = 0
    BUSY_READS = 3

    def __init__(self, board: Board) -> None:
        storage = storage_of(board)
        assert storage
        self.board, self.storage = board, storage
        self.origin = (storage.romfs or storage.files).origin
        self.cells = bytearray(b"\x5a" * (storage.files.end - self.origin))
        self.words: dict[int, int] = {}
        self.busy = 0
        self.writes_left = -1
        self.broken: set[int] = set()

    def attach(self, driver: "Driver") -> None:
        """Its registers, as the simulator finds them."""
        map_registers(driver, self.BASE, self.read, self.write)

    def word(self, address: int) -> int:
        return int.from_bytes(self.cells[address - self.origin :][:4], "little")

    def put(self, address: int, value: int) -> None:
        """One word of cells that were erased; the supply may fail before it."""
        assert address % 4 == 0
        assert self.word(address) in (0xFFFF_FFFF, value), "it was not erased before"
        self.spend()
        self.cells[address - self.origin : address - self.origin + 4] = value.to_bytes(4, "little")
        self.busy = self.BUSY_READS

    def erase(self, address: int) -> None:
        assert address % self.storage.erase_bytes == 0
        assert self.origin <= address < self.storage.files.end, "that is the firmware's"
        at = address - self.origin
        self.spend(self.cells, at)
        self.cells[at : at + self.storage.erase_bytes] = b"\xff" * self.storage.erase_bytes
        self.busy = self.BUSY_READS

    def spend(self, cells: bytearray | None = None, at: int = 0) -> None:
        if self.writes_left == 0:
            if cells is not None:  # half erased: some cells are, some are not
                for i in range(at, at + self.storage.erase_bytes, 3):
                    cells[i] = 0xFF
            raise PowerFails
        self.writes_left -= 1

    def is_busy(self) -> bool:
        self.busy = max(self.busy - 1, 0)
        return self.busy > 0

    def read(self, offset: int) -> int:
        return self.words.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self.words[offset] = value

    def read_cell(self, address: int, size: int) -> int:
        return int.from_bytes(self.cells[address - self.origin :][:size], "little")

    def write_cell(self, address: int, value: int) -> None:
        raise NotImplementedError

    def is_at_rest(self) -> bool:
        raise NotImplementedError


def map_registers(
    driver: "Driver", base: int, read: Callable[[int], int], write: Callable[[int, int], None]
) -> None:
    """The page of `base`, by offsets from there."""
    page, inside = base & ~0xFFF, base & 0xFFF
    driver.cpu.mmio_map(
        page,
        0x1000,
        lambda _, offset, size, __: driver.guarded(read, offset - inside),
        None,
        lambda _, offset, size, value, __: driver.guarded(write, offset - inside, value),
        None,
    )


class Stm32(Flash):
    """Keys, a lock, errors that stop what follows until they are cleared, a data cache."""

    ACR, KEYR, SR, CR = 0x0, 0x4, 0xC, 0x10
    ERRORS = 0x1F2
    START = 1 << 16

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.words = {self.ACR: 0x705, self.CR: LOCK, self.SR: self.ERRORS}  # some earlier program's errors
        self.keys: list[int] = []
        self.stale = False
        self.protected = False

    def read(self, offset: int) -> int:
        return super().read(offset) | (self.is_busy() << 16 if offset == self.SR else 0)

    def write(self, offset: int, value: int) -> None:
        if offset == self.KEYR:
            self.keys = [*self.keys, value][-2:]
            if self.keys == [0x4567_0123, 0xCDEF_89AB]:
                self.words[self.CR] &= ~LOCK
        elif offset == self.SR:
            self.words[self.SR] &= ~value
        elif offset == self.ACR:
            if value & 1 << 12:
                assert not value & 1 << 10, "a cache that is on is not emptied"
                self.stale = False
            self.words[offset] = value
        elif offset == self.CR:
            assert not self.words[self.CR] & LOCK, "it is locked"
            self.words[offset] = value & ~self.START
            if value & self.START:
                self.begin(value)
        else:
            raise AssertionError(f"what is at {offset:#x}?")

    def begin(self, command: int) -> None:
        assert not self.words[self.SR] & self.ERRORS, "an error was left"
        if self.protected:
            self.words[self.SR] |= 1 << 4
        else:
            self.erase(self.addressed(command))
            self.stale = True

    def addressed(self, command: int) -> int:
        raise NotImplementedError

    def read_cell(self, address: int, size: int) -> int:
        assert not (self.stale and self.words[self.ACR] & 1 << 10), "the data cache is stale"
        return super().read_cell(address, size)

    def write_cell(self, address: int, value: int) -> None:
        assert self.words[self.CR] & LOCK | self.words[self.CR] & 1 == 1, "PG is not set, or it is locked"
        assert not self.busy
        assert not self.words[self.SR] & self.ERRORS
        self.put(address, value)
        self.stale = True

    def is_at_rest(self) -> bool:
        return bool(self.words[self.CR] == LOCK and not self.stale and self.words[self.ACR] == 0x705)


class F4(Stm32):
    """RM0090, RM0390: sectors of 16, 64 and 128 KB, words in parallel."""

    BASE = 0x4002_3C00

    def addressed(self, command: int) -> int:
        assert command & ~(0xF << 3) == self.START | 1 << 1 | 2 << 8
        sector = command >> 3 & 0xF
        assert sector >= 5
        return self.board.chip.flash_origin + 0x20000 * (sector - 4)

    def write_cell(self, address: int, value: int) -> None:
        assert self.words[self.CR] >> 8 & 3 == 2, "words are not programmed in parallel"
        super().write_cell(address, value)


class M7:
    """What a Cortex-M7 has beside: a data cache of 32 bytes a line, bus faults that may be passed over."""

    DCIMVAC, CCR = 0xF5C, 0xD14

    def __init__(self) -> None:
        self.stale: set[int] = set()
        self.control = 0

    def read(self, offset: int) -> int:
        return self.control if offset == self.CCR else 0

    def write(self, offset: int, value: int) -> None:
        if offset == self.DCIMVAC:
            self.stale.discard(value // 32)
        elif offset == self.CCR:
            self.control = value

    def changed(self, address: int, count: int) -> None:
        self.stale |= set(range(address // 32, (address + count + 31) // 32))


class F7(F4):
    """RM0385: as an F4, with sectors twice as large, behind the core's own cache."""

    ERRORS = 0xF2

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.words[self.ACR] = 0x307
        self.core = M7()

    def attach(self, driver: "Driver") -> None:
        super().attach(driver)
        map_registers(driver, 0xE000_E000, self.core.read, self.core.write)

    def addressed(self, command: int) -> int:
        assert command & ~(0xF << 3) == self.START | 1 << 1 | 2 << 8
        sector = command >> 3 & 0xF
        assert 5 <= sector < 8
        return self.board.chip.flash_origin + 0x40000 * (sector - 4)

    def put(self, address: int, value: int) -> None:
        super().put(address, value)
        self.core.changed(address, 4)

    def erase(self, address: int) -> None:
        super().erase(address)
        self.core.changed(address, self.storage.erase_bytes)

    def read_cell(self, address: int, size: int) -> int:
        assert address // 32 not in self.core.stale, "the data cache is stale"
        return super().read_cell(address, size)

    def is_at_rest(self) -> bool:
        return bool(self.words[self.CR] == LOCK and not self.core.stale and self.words[self.ACR] == 0x307)


class H7(Flash):
    """RM0433: the second bank; eight words at once, and once. What was cut short is a fault to read."""

    BASE = 0x5200_2000
    OPTCR, KEYR, CR, SR, CLEAR = 0x18, 0x104, 0x10C, 0x110, 0x114
    BANK, SECTOR, UNREADABLE = 0x0810_0000, 0x2_0000, 1 << 26
    FAILED = 7 << 17 | 3 << 21

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.words = {self.CR: 1 | 3 << 4, self.SR: 1 << 18, self.OPTCR: 1}
        self.keys: list[int] = []
        self.core = M7()
        self.half: list[int] = []
        self.half_at = 0
        self.protected = False

    def attach(self, driver: "Driver") -> None:
        super().attach(driver)
        map_registers(driver, 0xE000_E000, self.core.read, self.core.write)

    def read(self, offset: int) -> int:
        return super().read(offset) | (self.is_busy() * 5 if offset == self.SR else 0)

    def write(self, offset: int, value: int) -> None:
        if offset == self.KEYR:
            self.keys = [*self.keys, value][-2:]
            if self.keys == [0x4567_0123, 0xCDEF_89AB]:
                self.words[self.CR] &= ~1
        elif offset == self.CLEAR:
            self.words[self.SR] &= ~value
        else:
            assert offset == self.CR
            assert not self.words[self.CR] & 1, "it is locked"
            assert not self.half, "a word is not whole"
            self.words[offset] = value & ~(1 << 7)
            if value & 1 << 7:
                assert not self.words[self.SR] & self.FAILED, "an error was left"
                assert value & ~(7 << 8) == 1 << 7 | 3 << 4 | 1 << 2
                if self.protected:
                    self.words[self.SR] |= 1 << 17
                else:
                    self.erase_sector(self.BANK + self.SECTOR * (value >> 8 & 7))

    def erase_sector(self, address: int) -> None:
        assert self.origin <= address < self.storage.files.end
        if self.writes_left == 0:
            self.broken |= set(range(address, address + self.SECTOR, 96))
        self.spend()
        at = address - self.origin
        self.cells[at : at + self.SECTOR] = b"\xff" * self.SECTOR
        self.broken -= set(range(address, address + self.SECTOR, 32))
        self.core.changed(address, self.SECTOR)
        self.busy = self.BUSY_READS

    def read_cell(self, address: int, size: int) -> int:
        assert address // 32 not in self.core.stale, "the data cache is stale"
        if address // 32 * 32 in self.broken:
            assert self.core.control >> 8 & 1, "a bus fault"
            self.words[self.SR] |= self.UNREADABLE
        return super().read_cell(address, size)

    def write_cell(self, address: int, value: int) -> None:
        assert self.words[self.CR] == 1 << 1 | 3 << 4, "PG is not set, or it is locked"
        assert not self.busy
        assert not self.words[self.SR] & self.FAILED
        if not self.half:
            assert address % 32 == 0, "eight words are written at once, the lowest first"
            self.half_at = address
        assert address == self.half_at + 4 * len(self.half)
        self.half.append(value)
        if len(self.half) == 8:
            word, self.half = struct.pack("<8I", *self.half), []
            at = self.half_at - self.origin
            assert self.cells[at : at + 32] == b"\xff" * 32, "it was written before"
            assert self.half_at not in self.broken
            if self.writes_left == 0:
                self.broken.add(self.half_at)
            self.spend()
            self.cells[at : at + 32] = word
            self.core.changed(self.half_at, 32)
            self.busy = self.BUSY_READS

    def is_at_rest(self) -> bool:
        return bool(self.words[self.CR] == 1 and not self.core.stale and not self.core.control)


class L4(Stm32):
    """RM0351, RM0432: two banks of pages, two words at once."""

    BASE = 0x4002_2000
    KEYR, SR, CR, OPTR, ECCR = 0x8, 0x10, 0x14, 0x20, 0x18
    ERRORS = 0xC3FA

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.words[self.OPTR] = 1 << 22
        self.half: int | None = None

    def addressed(self, command: int) -> int:
        assert command & ~(0x1FF << 3) == self.START | 1 << 1
        bank, page = command >> 11 & 1, command >> 3 & 0xFF
        return (
            self.board.chip.flash_origin
            + bank * self.board.chip.flash_bytes // 2
            + page * self.storage.erase_bytes
        )

    def write_cell(self, address: int, value: int) -> None:
        if self.half is None:
            assert address % 8 == 0, "two words are written at once, the lower first"
            self.half = address
        else:
            assert address == self.half + 4
            self.half = None
        super().write_cell(address, value)
        if self.half is not None:
            self.busy = 0  # it begins with the second

    def write(self, offset: int, value: int) -> None:
        if offset == self.ECCR:
            self.words[offset] &= ~(value & 3 << 30)
        else:
            super().write(offset, value)


class Nrf52(Flash):
    """The NVMC."""

    BASE = 0x4001_E000

    def read(self, offset: int) -> int:
        return int(not self.is_busy()) if offset == 0x400 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        assert offset in (0x504, 0x508)
        if offset == 0x508:
            assert self.words.get(0x504) == 2, "erasing is not allowed"
            self.erase(value)
        super().write(offset, value)

    def write_cell(self, address: int, value: int) -> None:
        assert self.words.get(0x504) == 1, "writing is not allowed"
        assert not self.busy
        self.put(address, value)

    def is_at_rest(self) -> bool:
        return self.words.get(0x504, 0) == 0


class Rp2040(Flash):
    """Flash beside the chip, which the code too is read from: functions of the ROM write it, called from RAM.

    `state`: whether it can be read ("xip"), and else how far it is from one to the other.
    """

    SSI, PADS, PINS = 0x1800_0000, 0x4002_0000, 0x4001_8000
    SELECT = 0xC - 0x2_0000
    ID = bytes(range(0xE1, 0xE9))
    WITH_COMMAND, WITHOUT_COMMAND, BY_FOURS = 0x2221, 0xA000_2022, 0x005F_0300
    NAMES = ("IF", "EX", "RE", "RP", "FC")

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.state = "xip"
        self.pads = [0x21, 2, 0x52, 0x52, 0x52]
        self.words = {0x00: self.BY_FOURS, 0x08: 1, 0x10: 1, 0x14: 2, 0xF0: 1, 0xF4: self.WITHOUT_COMMAND}
        self.words |= {4 + 4 * i - 0x1_0000: pad for i, pad in enumerate(self.pads)}
        self.sent: list[int] = []
        self.come: list[int] = []
        self.rom_version = 2

    def attach(self, driver: "Driver") -> None:
        cpu, self.cpu = driver.cpu, driver.cpu
        cpu.mem_map(0, 0x1000)
        header = (
            b"Mu\x01"
            + bytes([self.rom_version])
            + (0x100).to_bytes(4, "little")
            + (0x201).to_bytes(4, "little")
        )
        cpu.mem_write(0x10, header)
        for place in (0x200, *range(0x300, 0x400, 0x10)):
            cpu.mem_write(place, b"\x70\x47")  # bx lr

        def registers(base: int, shift: int) -> None:
            cpu.mmio_map(
                base,
                0x1000,
                lambda _, offset, size, __: driver.guarded(self.read, offset - shift),
                None,
                lambda _, offset, size, value, __: driver.guarded(self.write, offset - shift, value),
                None,
            )

        registers(self.SSI, 0)
        registers(self.PADS, 0x1_0000)
        registers(self.PINS, 0x2_0000)
        cpu.hook_add(
            unicorn.UC_HOOK_CODE, lambda _, at, size, __: driver.guarded(self.called, at), None, 0, 0xFFF
        )
        cpu.hook_add(unicorn.UC_HOOK_CODE, lambda *_: driver.guarded(self.fetched), None, CODE, CODE + 0xFFFF)

    def fetched(self) -> None:
        assert self.state == "xip", "code is read from flash, which cannot be read"

    def called(self, at: int) -> None:
        r0, r1, r2, r3 = (self.cpu.reg_read(arm_const.UC_ARM_REG_R0 + i) for i in range(4))
        if at == 0x200:
            name = r1.to_bytes(4, "little")[:2].decode()
            self.cpu.reg_write(arm_const.UC_ARM_REG_R0, 0x301 + 0x10 * self.NAMES.index(name))
            return
        assert self.cpu.reg_read(arm_const.UC_ARM_REG_PRIMASK) == 1, "an interrupt may run, from flash"
        name = self.NAMES[(at - 0x300) // 0x10]
        if name == "IF":
            self.state = "connected"
            self.words |= {offset: 0x56 for offset in self.words if offset < 0}
        elif name == "EX":
            assert self.state == "connected"
            self.state, self.sent, self.come = "serial", [], []
            self.words |= {0x00: 7 << 16, 0x14: 6, 0xF0: 0, 0xF4: 0}
        elif name == "RE":
            assert self.state == "serial"
            assert (r1, r2, r3) == (self.storage.erase_bytes, 1 << 16, 0xD8)
            self.erase(self.board.chip.flash_origin + r0)
        elif name == "RP":
            assert self.state == "serial"
            assert r0 % 256 == 0
            assert r2 == 256
            assert RAM <= r1 < RAM + (1 << 16), "what is in flash cannot be read now"
            at, data = self.board.chip.flash_origin + r0 - self.origin, self.cpu.mem_read(r1, 256)
            for i, new in enumerate(data):
                assert new == 0xFF or self.cells[at + i] in (0xFF, new), "it was not erased before"
                self.cells[at + i] &= new
        else:
            assert not self.come
            self.state, self.sent, self.words[self.SELECT] = "flushed", [], 0

    def read(self, offset: int) -> int:
        if offset == 0x60:
            return self.come.pop(0)
        return (4 | bool(self.come) << 3) if offset == 0x28 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        assert offset in (0x08, 0x10, 0x60) or offset < 0 or not self.words[0x08], "the controller is on"
        super().write(offset, value)
        if offset == 0x60 and self.state == "serial":
            assert self.read(self.SELECT) >> 8 & 3 == 2, "the flash is not selected"
            self.sent.append(value)
            assert self.sent[0] == 0x4B
            at = len(self.sent) - 6
            self.come.append(self.ID[at] if 0 <= at < 8 else 0xFF)
            assert len(self.come) <= 16, "the FIFO is full"
        elif offset == 0x60:
            assert (self.words[0x00], self.words[0xF4], self.words[0x08]) == (
                self.BY_FOURS,
                self.WITH_COMMAND,
                1,
            )
            self.sent.append(value)
        if offset == 0x08 and value and self.words[0xF4] == self.WITHOUT_COMMAND:
            assert self.sent == [0xEB, 0xA0], "the flash expects a command"
            assert self.state == "flushed"
            self.state = "xip"

    def is_at_rest(self) -> bool:
        pads = [self.words[4 + 4 * i - 0x1_0000] for i in range(5)]
        ssi = [self.words[offset] for offset in (0x00, 0x08, 0x10, 0x14, 0xF0)]
        masked: int = self.cpu.reg_read(arm_const.UC_ARM_REG_PRIMASK)
        return self.state == "xip" and pads == self.pads and ssi == [self.BY_FOURS, 1, 1, 2, 1] and not masked


MODELS: dict[str, Callable[[Board], Flash]] = {
    "stm32f4_flash": F4,
    "stm32f7_flash": F7,
    "stm32h7_flash": H7,
    "stm32l4_flash": L4,
    "nrf52_flash": Nrf52,
    "rp2040_flash": Rp2040,
}


class Driver:
    """A board's driver, and the log, as machine code that runs over a model."""

    def __init__(self, elf: Path, flash: Flash) -> None:
        self.flash = flash
        self.cpu = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        for origin in (CODE, RAM):
            self.cpu.mem_map(origin, 1 << 16)
        self.failure: BaseException | None = None
        flash.attach(self)
        self.cpu.mmio_map(
            flash.origin,
            len(flash.cells),
            lambda _, offset, size, __: self.guarded(flash.read_cell, flash.origin + offset, size),
            None,
            lambda _, offset, size, value, __: self.guarded(flash.write_cell, flash.origin + offset, value),
            None,
        )
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                self.cpu.mem_write(segment["p_vaddr"], segment.data())
            table = image.get_section_by_name(".symtab")
            self.symbols = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}

    def guarded(self, what: Callable[..., int | None], *args: int) -> int:
        if self.failure is None:
            try:
                return what(*args) or 0
            except (AssertionError, PowerFails) as failure:
                self.failure = failure
                self.cpu.emu_stop()
        return 0

    def __call__(self, function: str, *args: int) -> int:
        """What it returns, signed."""
        for register, value in zip(
            range(arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R0 + 4), args, strict=False
        ):
            self.cpu.reg_write(register, value)
        self.cpu.reg_write(arm_const.UC_ARM_REG_SP, RAM + (1 << 15))
        self.cpu.reg_write(arm_const.UC_ARM_REG_LR, STOP | 1)
        self.cpu.emu_start(self.symbols[function] | 1, STOP)
        if self.failure:
            raise self.failure
        value: int = self.cpu.reg_read(arm_const.UC_ARM_REG_R0)
        return value - (value >> 31 << 32)

    def write(self, function: str, address: int, data: bytes) -> int:
        self.cpu.mem_write(BUFFER, data)
        return self(function, address, BUFFER, len(data))


BOARDS = [id for id in board_ids() if storage_of(load_board(id))]


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("flash")

    def linked(id: str) -> Path:
        board, made = load_board(id), folder / f"{id}.elf"
        storage = storage_of(board)
        assert storage
        if not made.exists():
            (folder / id).mkdir()
            context = {"needs": needs(board, "micropython"), "storage": storage}
            header = render("project/fn_board_config.h.j2", board=board, **context)
            (folder / id / "fn_board_config.h").write_text(header)
            glue, runtime = assets("boards") / "baremetal" / "glue", assets("templates") / "micropython"
            flags = ["-mcpu=cortex-m0plus", "-mthumb", "-O1", "-Wall", "-Wextra", "-Werror", "-nostartfiles"]
            flags += [
                "--specs=nano.specs",
                "--specs=nosys.specs",
                f"-Wl,-Ttext={CODE:#x},-Tdata={RAM:#x}",
                "-Wl,-e,fn_flash_begin",
            ]
            include = [f"-I{folder / id}", f"-I{runtime}", f"-I{glue}"]
            files = [str(glue / f"{storage.driver}.c"), str(runtime / "flash_log.c"), "-o", str(made)]
            subprocess.run(["arm-none-eabi-gcc", *flags, *include, *files], check=True)
        return made

    return linked


def driver_of(id: str, elf: Callable[[str], Path]) -> Driver:
    board = load_board(id)
    storage = storage_of(board)
    assert storage
    return Driver(elf(id), MODELS[storage.driver](board))


@pytest.mark.parametrize("id", BOARDS)
def test_what_is_written_is_there_and_nothing_else(elf: Callable[[str], Path], id: str) -> None:
    driver = driver_of(id, elf)
    flash, size = driver.flash, driver.flash.storage.erase_bytes
    assert driver("fn_flash_begin") != 0
    areas = [area for area in (flash.storage.files, flash.storage.romfs) if area]
    for place in [place for area in areas for place in (area.origin, area.end - size)]:
        before = bytes(flash.cells)
        assert driver("fn_flash_erase", place) == 0
        assert flash.is_at_rest()
        written = flash.storage.write_bytes
        data = random.Random(place).randbytes(256 + written)
        assert driver.write("fn_flash_write", place + 2 * written, data) == 0
        assert flash.is_at_rest()
        at = place - flash.origin
        erased = bytearray(b"\xff" * size)
        erased[2 * written : 2 * written + len(data)] = data
        assert flash.cells == before[:at] + bytes(erased) + before[at + size :]


def test_a_picos_id_is_that_of_its_flash(elf: Callable[[str], Path]) -> None:
    driver = driver_of("pico", elf)
    assert driver("fn_unique_id", BUFFER) == 8
    assert driver.cpu.mem_read(BUFFER, 8) == Rp2040.ID
    assert driver.flash.is_at_rest()
    assert isinstance(driver.flash, Rp2040)
    driver.flash.rom_version = 0
    emulated = Driver(elf("pico"), driver.flash)
    assert (emulated("fn_unique_id", BUFFER), emulated.cpu.mem_read(BUFFER, 8)) == (8, bytes(8))


@pytest.mark.parametrize("id", ["nucleo_f446re", "b_l475e_iot01a", "nucleo_f746zg", "nucleo_h743zi"])
def test_a_protected_sector_is_said(elf: Callable[[str], Path], id: str) -> None:
    driver = driver_of(id, elf)
    assert isinstance(driver.flash, Stm32 | H7)
    driver.flash.protected = True
    assert driver("fn_flash_erase", driver.flash.storage.files.origin) == -1
    assert driver.flash.is_at_rest()


@pytest.mark.parametrize("id", ["b_l475e_iot01a", "nucleo_l4r5zi"])
def test_what_an_l4_cannot_read_stops_it_only_in_its_firmware(elf: Callable[[str], Path], id: str) -> None:
    driver = driver_of(id, elf)
    flash, chip = driver.flash, driver.flash.board.chip
    bank, failed = chip.flash_bytes // 2, 1 << 31

    def told(address: int) -> int:
        at = address - chip.flash_origin
        return at % bank | (at // bank) << (19 if bank == 1 << 19 else 21)

    for address in (flash.origin, flash.storage.files.origin + 8, flash.storage.files.end - 8):
        flash.words[L4.ECCR] = failed | told(address)
        assert (driver("fn_flash_forgives"), flash.words[L4.ECCR]) == (1, told(address))
    for found in (told(flash.origin), failed | told(flash.origin - 8), failed | told(chip.flash_origin)):
        flash.words[L4.ECCR] = found
        assert (driver("fn_flash_forgives"), flash.words[L4.ECCR]) == (0, found)


def test_what_an_h7_cannot_read_is_told_before_it_is_read(elf: Callable[[str], Path]) -> None:
    driver = driver_of("nucleo_h743zi", elf)
    place = driver.flash.storage.files.origin
    assert driver("fn_flash_is_sound", place, 4096) == 1
    driver.flash.broken = {place + 4064}
    assert [driver("fn_flash_is_sound", place, count) for count in (4064, 4065, 4096)] == [1, 0, 0]
    driver.flash.words[H7.OPTCR] = 1 << 31  # the banks have changed places
    assert driver("fn_flash_begin") == 0


@pytest.mark.parametrize("id", BOARDS)
def test_where_no_controller_is_nothing_is_begun(elf: Callable[[str], Path], id: str) -> None:
    board = load_board(id)
    storage = storage_of(board)
    assert storage
    flash = MODELS[storage.driver](board)
    flash.read = lambda offset: 0  # type: ignore[method-assign]
    if isinstance(flash, Rp2040):
        flash.rom_version = 0  # an emulator's stand-in
    assert Driver(elf(id), flash)("fn_flash_begin") == 0


# ---- the log, on sectors of 128 KB and more

LOGS = {"nucleo_f446re": (963, 34), "nucleo_f746zg": (1927, 34), "nucleo_h743zi": (1638, 5)}
"""Boards: the records that a sector takes, and what is written at once for each of them."""


@pytest.fixture(params=["nucleo_f446re", "nucleo_h743zi"])
def log(elf: Callable[[str], Path], request: pytest.FixtureRequest) -> Driver:
    driver = driver_of(request.param, elf)
    assert driver("fn_log_begin", INDEX) == 1
    return driver


def restarted(driver: Driver, elf: Callable[[str], Path]) -> Driver:
    """Another start of the same board, with what is in its flash."""
    again = driver_of(driver.flash.board.id, elf)
    again.flash.cells[:] = driver.flash.cells
    again.flash.broken = set(driver.flash.broken)
    assert again("fn_log_begin", INDEX) == 1
    return again


def read_pieces(driver: Driver, pieces: list[int]) -> dict[int, bytes]:
    found = {}
    for piece in pieces:
        driver("fn_log_read", PIECE * piece, BUFFER, PIECE)
        found[piece] = bytes(driver.cpu.mem_read(BUFFER, PIECE))
    return found


def test_pieces_are_written_over_across_sectors_and_starts(log: Driver, elf: Callable[[str], Path]) -> None:
    chance, kept = random.Random(1), dict[int, bytes]()
    driver, (records, _) = log, LOGS[log.flash.board.id]
    for turn in range(2 * records + 150):
        piece, data = chance.randrange(40) * 17, chance.randbytes(PIECE)
        assert driver.write("fn_log_write", PIECE * piece, data) == 0
        kept[piece] = data
        if turn % 600 == 599:
            driver = restarted(driver, elf)
    assert read_pieces(driver, [*kept]) == kept
    assert read_pieces(driver, [1]) == {1: b"\xff" * PIECE}
    driver("fn_log_forget", PIECE * 17, PIECE)
    assert read_pieces(driver, [17]) == {17: b"\xff" * PIECE}


def test_a_power_failure_loses_at_most_what_was_being_written(
    log: Driver, elf: Callable[[str], Path]
) -> None:
    chance, kept, driver = random.Random(2), dict[int, bytes](), log
    records, writes = LOGS[log.flash.board.id]
    for turn in range(records - 30):  # so that the sector runs full, and is copied, in what follows
        piece, data = turn % 60, chance.randbytes(PIECE)
        driver.write("fn_log_write", PIECE * piece, data)
        kept[piece] = data
    base, whole = bytes(driver.flash.cells), set(driver.flash.broken)
    for trial in range(12):
        driver.flash.cells[:], driver.flash.broken = base, set(whole)
        driver, now = restarted(driver, elf), dict(kept)
        copying = 30 * writes + (chance.randrange(60 * writes + 6) if trial else 0)  # the erasure first
        driver.flash.writes_left = chance.randrange(30 * writes) if trial % 2 else copying
        while True:
            piece, data = chance.randrange(60), chance.randbytes(PIECE)
            try:
                driver.write("fn_log_write", PIECE * piece, data)
            except PowerFails:
                break
            now[piece] = data
        found = read_pieces(restarted(driver, elf), [*now])
        assert found[piece] in (now[piece], data)
        assert {**found, piece: b""} == {**now, piece: b""}


@pytest.mark.parametrize("id", LOGS)
def test_a_full_log_need_not_be_copied_for_every_piece(id: str) -> None:
    """A sixth of its records at least are free after a copy, however full the file system is."""
    storage = storage_of(load_board(id))
    assert storage
    assert LOGS[id][0] * 5 // 6 >= storage.log_bytes // PIECE
