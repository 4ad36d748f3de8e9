"""Which boards are there, and what is known of each? Reads boards/*.toml."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ..arrays import read_file
from ..assets import assets
from ..errors import UserError, first_line
from .isa import CoreName

_CLOSED = ConfigDict(extra="forbid")

MAX_FILE_BYTES = 2**18

Bytes = Annotated[int, Field(gt=0, le=2**28, strict=True)]
Hertz = Annotated[int, Field(gt=0, le=4 * 10**9, strict=True)]
Address = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
UsbId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]

# Texts of a board file go into C, Python, platformio.ini and command lines: what they may hold is listed.
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Label = Annotated[str, Field(max_length=80, pattern=r"^[\w][\w .,:+()/&-]*$")]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Platform = Annotated[
    str,
    Field(max_length=120, pattern=r"^([A-Za-z0-9_-]+/)?[A-Za-z0-9_-]+( ?@ ?[\^~<>=0-9., ]+)?$"),
]
"""A name in PlatformIO's registry and its versions: no address, no folder."""
Flag = Annotated[
    str,
    Field(
        max_length=160,
        pattern=r"^-(D[A-Za-z0-9_]+(=[A-Za-z0-9_.+-]+)?|U[A-Za-z0-9_]+|m[A-Za-z0-9_=+-]+|O[0-3sg]"
        r"|f[a-oq-z][A-Za-z0-9_=+-]*)$",
    ),
]
"""Of a compiler: defines, code generation. None that names a file, a plugin (-fp…) or a program."""
Define = Annotated[str, Field(pattern=r"^FN_[A-Z0-9_]{1,60}$")]
OpenocdConfig = Annotated[
    str, Field(max_length=80, pattern=r"^(interface|target|board)/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?\.cfg$")
]
"""A file that OpenOCD brings: its scripts are programs."""
UInt32 = Annotated[int, Field(ge=0, lt=2**32, strict=True)]


@dataclass(frozen=True, config=_CLOSED)
class Chip:
    """`clock_hz` as the official core sets it, which may be less than the chip can do; see Board.clock_hz."""

    mcu: Word
    core: CoreName
    clock_hz: Hertz
    flash_origin: Address
    flash_bytes: Bytes
    ram_origin: Address
    ram_bytes: Bytes
    flash_wait_states: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    """Cycles that reading flash adds at clock_hz where no cache or accelerator hides them."""

    def __post_init__(self) -> None:
        flash_end, ram_end = self.flash_origin + self.flash_bytes, self.ram_origin + self.ram_bytes
        if max(flash_end, ram_end) > 2**32:
            raise ValueError("flash or RAM ends beyond 32 bits")
        if self.flash_origin < ram_end and self.ram_origin < flash_end:
            raise ValueError("flash and RAM overlap")


@dataclass(frozen=True, config=_CLOSED)
class PlatformIO:
    """The official platform of a board: what goes into its environment in platformio.ini.

    `malloc_bytes`: RAM that must stay for what the core itself allocates as it starts.
    """

    platform: Platform
    board: Word
    framework: Literal["arduino"]
    upload_protocol: Word | Literal[""] = ""
    build_flags: tuple[Flag, ...] = ()
    build_unflags: tuple[Flag, ...] = ()
    malloc_bytes: Annotated[int, Field(ge=0, le=2**28, strict=True)] = 0


@dataclass(frozen=True, config=_CLOSED)
class Baremetal:
    """The board on our own platform: which glue file, the clock it runs at, and how it would be flashed."""

    glue: Literal["stm32f4_usart", "cmsdk_uart"]
    clock_hz: Hertz
    uart_irq: Annotated[int, Field(ge=0, lt=112, strict=True)]
    defines: Mapping[Define, UInt32] = field(default_factory=dict)
    upload_protocol: Literal["", "stlink", "dfu"] = ""
    openocd_cfg: tuple[OpenocdConfig, ...] = ()

    def __post_init__(self) -> None:
        if own := {"FN_CLOCK_HZ", "FN_UART_IRQ"} & self.defines.keys():
            raise ValueError(f"{min(own)} is not for 'defines': it is made of clock_hz and uart_irq")


@dataclass(frozen=True, config=_CLOSED)
class Link:
    """How host and board talk. USB ids are "vid:pid"; a board in its bootloader shows another."""

    transport: Literal["uart", "usb_cdc"]
    baud: Annotated[int, Field(ge=300, le=20_000_000, strict=True)] = 115_200
    usb_ids: tuple[UsbId, ...] = ()
    bootloader_usb_ids: tuple[UsbId, ...] = ()
    touch_1200: bool = False


@dataclass(frozen=True, config=_CLOSED)
class MicroPython:
    """`heap_bytes`: the least that must be left on bare metal, what is reserved under an Arduino core."""

    heap_bytes: Bytes
    stack_bytes: Bytes


_ARGUMENTS = {
    "-serial null": re.compile(r"-serial null"),
    "-device loader,addr=…,cpu-num=0": re.compile(
        r"-device loader(,(addr|data|data-len|cpu-num)=(0x[0-9a-fA-F_]{1,10}|\d{1,10})){1,4}"
    ),
    "-icount shift=…": re.compile(r"-icount shift=(\d{1,2}|auto)"),
    "-m …M": re.compile(r"-m \d{1,5}[KMG]?"),
}
"""What an emulator may be told: nothing that opens a file, a socket or a monitor."""


def _is_harmless(option: str, value: str) -> bool:
    return any(pattern.fullmatch(f"{option} {value}") for pattern in _ARGUMENTS.values())


@dataclass(frozen=True, config=_CLOSED)
class Emulator:
    """A machine that runs the bare-metal build; `arguments` come before its `-serial`."""

    kind: Literal["qemu"]
    machine: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pairs = zip(self.arguments[::2], self.arguments[1::2], strict=False)
        odd = [f"{option} {value}" for option, value in pairs if not _is_harmless(option, value)]
        if len(self.arguments) % 2:
            odd.append(self.arguments[-1])
        if odd:
            raise ValueError(f"'arguments' has {odd[0][:80]!r}, and may have {', '.join(_ARGUMENTS)}")


@dataclass(frozen=True, config=_CLOSED)
class Board:
    """One boards/<id>.toml."""

    id: Id
    name: Label
    chip: Chip
    baremetal: Baremetal
    link: Link
    micropython: MicroPython
    platformio: PlatformIO | None = None
    emulator: Emulator | None = None

    def __post_init__(self) -> None:
        kept = self.micropython.heap_bytes + self.micropython.stack_bytes
        if kept >= self.chip.ram_bytes:
            raise ValueError(f"heap and stack ({kept:,} bytes) leave nothing of the RAM")
        if not self.chip.mcu.startswith(chips := _GLUE_CHIPS.get(self.baremetal.glue, "")):
            raise ValueError(f"the glue {self.baremetal.glue!r} is for {chips}…, not for {self.chip.mcu!r}")

    @property
    def baremetal_env(self) -> str:
        """The PlatformIO environment that needs no registry, and that emulators run."""
        return self.id if self.platformio is None else f"{self.id}_baremetal"

    def clock_hz(self, env: str) -> int:
        """The clock at which a build of that environment runs: ours leaves it as it is out of reset."""
        return self.baremetal.clock_hz if env == self.baremetal_env else self.chip.clock_hz

    @property
    def baremetal_clock_hz(self) -> int | None:
        """The clock of our own build on the chip itself; None where only an emulator runs it."""
        on_chip = self.platformio is None or self.baremetal.upload_protocol
        return self.baremetal.clock_hz if on_chip else None

    def clock_line(self, env: str) -> str:
        """For people: the clock of a build, and why it is not the one that is expected."""
        why = ""
        if env == self.baremetal_env:
            why = ", as it is out of reset" if self.baremetal_clock_hz else ", the emulated machine's"
            official = f"the official core sets {self.chip.clock_hz / 1e6:g} MHz"
            why += f"; {official}" if self.platformio else ""
        return f"clock     {self.clock_hz(env) / 1e6:g} MHz{why}"

    @property
    def flashable(self) -> bool:
        """Whether one of its environments can be put on a real board; else only an emulator runs it."""
        return self.platformio is not None or bool(self.baremetal.upload_protocol)

    @property
    def envs(self) -> tuple[str, ...]:
        """All environments of the board's projects, the official one first."""
        return (self.baremetal_env,) if self.platformio is None else (self.id, self.baremetal_env)


_GLUE_CHIPS = {"stm32f4_usart": "stm32f4", "stm32l4_usart": "stm32l4"}
"""How the names of the chips begin that a glue is for; the others drive an emulator's own UART."""


def board_ids() -> tuple[str, ...]:
    """Names of boards/*.toml, sorted."""
    return tuple(sorted(path.stem for path in assets("boards").glob("*.toml")))


def load_board(id: str) -> Board:
    """The board named `id`; UserError with close matches for a misspelt name."""
    if id not in board_ids():
        close = difflib.get_close_matches(id.lower(), board_ids(), n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise UserError(f"there is no board {id!r}: {hint}`firmnet boards` lists them")
    return _load(id)


@cache
def _load(id: str) -> Board:
    return read_board(assets("boards") / f"{id}.toml")


def read_board(path: Path) -> Board:
    """One board file; UserError naming the file and the key for anything that is not as it must be."""
    try:
        raw = tomllib.loads(read_file(path, MAX_FILE_BYTES).decode())
    except OSError as error:
        raise UserError(f"{path.name} cannot be read ({error.strerror}): make it a readable file") from None
    except RecursionError:
        raise UserError(f"{path.name} is not TOML: it is nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{path.name} is not TOML: {first_line(error)}") from None
    if "id" in raw:
        raise UserError(f"{path.name}: unknown key 'id': a board is named by its file")
    try:
        return TypeAdapter(Board).validate_python({"id": path.stem, **raw})
    except ValidationError as error:
        raise UserError(f"{path.name}: {_complaint(error)}") from None


def _complaint(error: ValidationError) -> str:
    """All that pydantic found, by key, in words."""
    return "; ".join(dict.fromkeys(_one_complaint(problem) for problem in error.errors()))


def _one_complaint(problem: Mapping[str, Any]) -> str:
    key = repr(".".join(str(part) for part in problem["loc"])[:120])
    if problem["type"] == "unexpected_keyword_argument":
        return f"unknown key {key}"
    if problem["type"] in ("missing", "missing_argument"):
        return f"missing key {key}"
    reason = re.sub(r"^(Input|Value error,) ?", "", str(problem["msg"]))
    if problem["type"] == "value_error":
        return f"{key}: {reason}" if problem["loc"] else reason
    shown = repr(problem["input"])
    return f"{key} = {shown if len(shown) < 120 else shown[:117] + '…'} {reason[:1].lower()}{reason[1:]}"
