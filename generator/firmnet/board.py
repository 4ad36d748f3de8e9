"""Which boards are there, and what does a core's name mean to the compiler? Reads boards/*.toml."""

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

from .assets import assets
from .errors import UserError

_CLOSED = ConfigDict(extra="forbid")

Bytes = Annotated[int, Field(gt=0, strict=True)]
Hertz = Annotated[int, Field(gt=0, strict=True)]
Address = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
UsbId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
Core = Literal["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"]


@dataclass(frozen=True)
class Isa:
    """What a core can do: the DSP extension (SMLAD, SMMLA, SSAT), a float32 unit, and how GCC is told."""

    core: str
    dsp: bool
    fpu: bool
    cflags: tuple[str, ...]


@dataclass(frozen=True, config=_CLOSED)
class Chip:
    mcu: str
    core: Core
    clock_hz: Hertz
    flash_origin: Address
    flash_bytes: Bytes
    ram_origin: Address
    ram_bytes: Bytes
    flash_wait_states: Annotated[int, Field(ge=0, strict=True)] | None = None
    """Cycles that reading flash adds at clock_hz where no cache or accelerator hides them."""


@dataclass(frozen=True, config=_CLOSED)
class PlatformIO:
    """The official platform of a board: what goes into its environment in platformio.ini.

    `malloc_bytes`: RAM that must stay for what the core itself allocates as it starts.
    """

    platform: str
    board: str
    framework: Literal["arduino"]
    upload_protocol: str = ""
    build_flags: tuple[str, ...] = ()
    build_unflags: tuple[str, ...] = ()
    malloc_bytes: Annotated[int, Field(ge=0, strict=True)] = 0


@dataclass(frozen=True, config=_CLOSED)
class Baremetal:
    """The board on our own platform: which glue file, the clock it runs at, and how it would be flashed."""

    glue: Literal["stm32f4_usart", "cmsdk_uart"]
    clock_hz: Hertz
    uart_irq: Annotated[int, Field(ge=0, lt=112, strict=True)]
    defines: Mapping[str, int] = field(default_factory=dict)
    upload_protocol: Literal["", "stlink", "dfu"] = ""
    openocd_cfg: tuple[str, ...] = ()


@dataclass(frozen=True, config=_CLOSED)
class Link:
    """How host and board talk. USB ids are "vid:pid"; a board in its bootloader shows another."""

    transport: Literal["uart", "usb_cdc"]
    baud: Annotated[int, Field(gt=0, strict=True)] = 115_200
    usb_ids: tuple[UsbId, ...] = ()
    bootloader_usb_ids: tuple[UsbId, ...] = ()
    touch_1200: bool = False


@dataclass(frozen=True, config=_CLOSED)
class MicroPython:
    """`heap_bytes`: the least that must be left on bare metal, what is reserved under an Arduino core."""

    heap_bytes: Bytes
    stack_bytes: Bytes


@dataclass(frozen=True, config=_CLOSED)
class Emulator:
    """A machine that runs the bare-metal build; `arguments` come before its `-serial`."""

    kind: Literal["qemu"]
    machine: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, config=_CLOSED)
class Board:
    """One boards/<id>.toml."""

    id: str
    name: str
    chip: Chip
    baremetal: Baremetal
    link: Link
    micropython: MicroPython
    platformio: PlatformIO | None = None
    emulator: Emulator | None = None

    @property
    def baremetal_env(self) -> str:
        """The PlatformIO environment that needs no registry, and that emulators run."""
        return self.id if self.platformio is None else f"{self.id}_baremetal"

    @property
    def flashable(self) -> bool:
        """Whether one of its environments can be put on a real board; else only an emulator runs it."""
        return self.platformio is not None or bool(self.baremetal.upload_protocol)

    @property
    def envs(self) -> tuple[str, ...]:
        """All environments of the board's projects, the official one first."""
        return (self.baremetal_env,) if self.platformio is None else (self.id, self.baremetal_env)


_ISAS = {
    "cortex-m0plus": (False, False, "-mcpu=cortex-m0plus -mthumb -mfloat-abi=soft"),
    "cortex-m3": (False, False, "-mcpu=cortex-m3 -mthumb -mfloat-abi=soft"),
    "cortex-m4": (True, False, "-mcpu=cortex-m4 -mthumb -mfloat-abi=soft"),
    "cortex-m4f": (True, True, "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16"),
    "cortex-m7": (True, True, "-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16"),
    "cortex-m33": (True, True, "-mcpu=cortex-m33 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16"),
}


def isa(core: str) -> Isa:
    """The Isa of a core name; UserError for an unknown one."""
    if core not in _ISAS:
        raise UserError(f"unknown core {core!r}: firmnet knows {', '.join(_ISAS)}")
    dsp, fpu, flags = _ISAS[core]
    return Isa(core, dsp, fpu, tuple(flags.split()))


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
        raw = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path.name} is not TOML: {error}") from None
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
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "unexpected_keyword_argument":
        return f"unknown key '{key}'"
    if problem["type"] in ("missing", "missing_argument"):
        return f"missing key '{key}'"
    reason = re.sub(r"^Input ", "", str(problem["msg"]))
    return f"'{key}' = {problem['input']!r} {reason[:1].lower()}{reason[1:]}"
