"""What is known of a board, and what may its file say?"""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from .isa import CoreName
from .machines import LPUART1, Memory, misfit

_CLOSED = ConfigDict(extra="forbid")

Bytes = Annotated[int, Field(gt=0, le=2**28, strict=True)]
Hertz = Annotated[int, Field(gt=0, le=4 * 10**9, strict=True)]
Address = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
UsbId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]

# Texts of a board file go into C, Python, platformio.ini and command lines: what they may hold is listed.
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Label = Annotated[str, Field(max_length=80, pattern=r"^[\w][\w .,:+()/&-]*$")]
PlainWord = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
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
Pin = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9._]{0,8}$")]
"""As the chip's family calls it (PA5, P0.13, GP25), or the Arduino core (D13, A0)."""
PinName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,8}$")]
BusNumber = Annotated[int, Field(ge=0, le=15)]
"""A key of a table, so a text in TOML and JSON."""


@dataclass(frozen=True, config=_CLOSED)
class Chip:
    """`clock_hz` as the official core sets it, which may be less than the chip can do; see Board.clock_hz."""

    mcu: PlainWord
    core: CoreName
    clock_hz: Hertz
    flash_origin: Address
    flash_bytes: Bytes
    ram_origin: Address
    ram_bytes: Bytes
    flash_wait_states: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    """Cycles that reading flash adds at clock_hz where no cache or accelerator hides them."""

    @property
    def line(self) -> str:
        """Which chips are alike: "stm32f446", "stm32l4r5", "nrf52840"."""
        return re.split(r"[^a-z0-9]", self.mcu.lower())[0][:9]

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
    board: PlainWord
    framework: Literal["arduino"]
    upload_protocol: PlainWord | Literal[""] = ""
    build_flags: tuple[Flag, ...] = ()
    build_unflags: tuple[Flag, ...] = ()
    malloc_bytes: Annotated[int, Field(ge=0, le=2**28, strict=True)] = 0


@dataclass(frozen=True, config=_CLOSED)
class Baremetal:
    """The board on our own platform: which glue file, the clock it runs at, and how it would be flashed."""

    glue: Literal[
        "stm32f1_usart",
        "stm32f4_usart",
        "stm32f7_usart",
        "stm32h7_usart",
        "stm32l4_usart",
        "nrf5_uart",
        "rp2040_uart",
        "rp2040_usb",
        "cmsdk_uart",
    ]
    clock_hz: Hertz
    uart_irq: Annotated[int, Field(ge=0, lt=112, strict=True)]
    defines: Mapping[Define, UInt32] = field(default_factory=dict)
    upload_protocol: Literal["", "stlink", "dfu", "uf2", "msd"] = ""
    openocd_cfg: tuple[OpenocdConfig, ...] = ()

    def __post_init__(self) -> None:
        if own := {"FN_CLOCK_HZ", "FN_UART_IRQ"} & self.defines.keys():
            raise ValueError(f"{min(own)} is not for 'defines': it is made of clock_hz and uart_irq")

    @property
    def pins_glue(self) -> str:
        """The file beside the glue, if there is one, that knows the chip's pins: "stm32f4_pins"."""
        return self.glue.rpartition("_")[0] + "_pins"


EMULATED_ONLY = Baremetal("cmsdk_uart", clock_hz=25_000_000, uart_irq=0)
"""Of a board that says nothing of it: our own build runs on one of Arm's MPS2 machines, if anywhere."""


@dataclass(frozen=True, config=_CLOSED)
class Connection:
    """How host and board talk. USB ids are "vid:pid"; a board in its bootloader shows another.

    `baud`: of its prompt, and where a UART begins; they may agree on a faster rate, up to `most_baud`.
    """

    transport: Literal["uart", "usb_cdc"]
    baud: Annotated[int, Field(ge=300, le=20_000_000, strict=True)] = 115_200
    most_baud: Annotated[int, Field(ge=300, le=20_000_000, strict=True)] = 2_000_000
    usb_ids: tuple[UsbId, ...] = ()
    bootloader_usb_ids: tuple[UsbId, ...] = ()
    touch_1200: bool = False


@dataclass(frozen=True, config=_CLOSED)
class Flashing:
    """How else a board can be flashed than by the `upload_protocol` of its builds.

    `protocols` are PlatformIO's names of its own uploaders, and ours: uf2 and msd copy a file onto a drive,
    pyocd goes through a probe to `pyocd_target`. `drives`: by which label, or Board-ID in INFO_UF2.TXT, its
    drive is known. `uf2_family`: the number by which a UF2 bootloader knows what is for its chip.
    """

    protocols: tuple[PlainWord, ...] = ()
    drives: tuple[PlainWord, ...] = ()
    uf2_family: UInt32 | None = None
    pyocd_target: PlainWord | Literal[""] = ""

    def __post_init__(self) -> None:
        if "pyocd" in self.protocols and not self.pyocd_target:
            raise ValueError("'flash.protocols' has pyocd, which wants 'flash.pyocd_target'")


OWN_WAYS = ("uf2", "msd", "pyocd")
"""How firmnet itself writes; every other protocol is one of PlatformIO's uploaders."""
BAREMETAL_WAYS = ("stlink", "dfu", *OWN_WAYS)
"""How a build of our own platform can be written."""


@dataclass(frozen=True, config=_CLOSED)
class MicroPython:
    """`heap_bytes`: the least that must be left on bare metal, what is reserved under an Arduino core.

    `machine`: whether the module of that name comes along; it takes some 17 KB of flash.
    """

    heap_bytes: Bytes
    stack_bytes: Bytes
    machine: bool = True


@dataclass(frozen=True, config=_CLOSED)
class I2c:
    """The pins of an I2C bus."""

    scl: Pin
    sda: Pin


@dataclass(frozen=True, config=_CLOSED)
class Spi:
    """The pins of an SPI bus."""

    sck: Pin
    miso: Pin
    mosi: Pin


@dataclass(frozen=True, config=_CLOSED)
class SecondUart:
    """The UART beside the board's port: its number in the chip, and its pins."""

    id: BusNumber
    tx: Pin
    rx: Pin


@dataclass(frozen=True, config=_CLOSED)
class Pins:
    """What a board calls the pins of its chip, and which pins its buses have, by the number of each bus."""

    names: Mapping[PinName, Pin] = field(default_factory=dict)
    i2c: Mapping[BusNumber, I2c] = field(default_factory=dict)
    spi: Mapping[BusNumber, Spi] = field(default_factory=dict)
    uart: SecondUart | None = None

    @property
    def by_key(self) -> dict[str, str]:
        """Every pin that is named here, by its key in the board file."""
        named = {f"names.{name}": pin for name, pin in self.names.items()}
        for id, bus in self.i2c.items():
            named |= {f"i2c.{id}.scl": bus.scl, f"i2c.{id}.sda": bus.sda}
        for id, wires in self.spi.items():
            named |= {f"spi.{id}.sck": wires.sck, f"spi.{id}.miso": wires.miso, f"spi.{id}.mosi": wires.mosi}
        if self.uart:
            named |= {"uart.tx": self.uart.tx, "uart.rx": self.uart.rx}
        return named


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
    """A machine that runs the bare-metal build, see machines.py; `arguments` (QEMU's) come before its
    `-serial`. `kind` is also the name of the device (devices/) that runs it. `ram_files_bytes` and
    `ram_romfs_bytes`: of its RAM for files and ROMFS, where nobody can write its flash; from
    `ram_files_origin` on, where nothing else is, or of what the heap can spare.
    """

    kind: Literal["qemu", "rp2040js"]
    machine: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    arguments: tuple[str, ...] = ()
    ram_files_bytes: Annotated[int, Field(ge=0, le=2**24, multiple_of=4096, strict=True)] = 0
    ram_romfs_bytes: Annotated[int, Field(ge=0, le=2**24, multiple_of=4096, strict=True)] = 0
    ram_files_origin: Annotated[int, Field(ge=0, lt=2**32, multiple_of=8, strict=True)] | None = None

    def __post_init__(self) -> None:
        if self.kind == "rp2040js" and self.arguments:
            raise ValueError("'arguments' are for QEMU: leave them out")
        pairs = zip(self.arguments[::2], self.arguments[1::2], strict=False)
        odd = [f"{option} {value}" for option, value in pairs if not _is_harmless(option, value)]
        if len(self.arguments) % 2:
            odd.append(self.arguments[-1])
        if odd:
            raise ValueError(f"'arguments' has {odd[0][:80]!r}, and may have {', '.join(_ARGUMENTS)}")


@dataclass(frozen=True, config=_CLOSED)
class Board:
    """One boards/<id>.toml. Without `micropython` it has the C runtime (runtimes.py)."""

    id: Id
    name: Label
    chip: Chip
    link: Connection
    micropython: MicroPython | None = None
    baremetal: Baremetal = EMULATED_ONLY
    platformio: PlatformIO | None = None
    flash: Flashing = Flashing()
    pins: Pins = Pins()
    emulator: Emulator | None = None

    def __post_init__(self) -> None:
        own = self.micropython
        kept = own.heap_bytes + own.stack_bytes if own else 0
        if kept >= self.chip.ram_bytes:
            raise ValueError(f"'micropython': heap and stack ({kept:,} bytes) leave nothing of the RAM")
        _check_glue(self.baremetal, self.chip, self.link)
        _check_pins(self.pins, self.chip)
        _check_second_uart(self.pins.uart, self.baremetal)
        ways = [*self.flash.protocols, self.baremetal.upload_protocol]
        if "uf2" in ways and (not self.flash.drives or self.flash.uf2_family is None):
            raise ValueError("'uf2' wants 'flash.drives' and 'flash.uf2_family': by what its drive is known")
        if self.emulator:
            _check_emulator(self.emulator, self.baremetal, self.chip)

    @property
    def baremetal_env(self) -> str:
        """The PlatformIO environment that needs no registry, and that emulators run."""
        return self.id if self.platformio is None else f"{self.id}_baremetal"

    def clock_hz(self, env: str) -> int:
        """The clock at which a build of that environment runs on the chip."""
        return self.baremetal.clock_hz if env == self.baremetal_env else self.chip.clock_hz

    @property
    def baremetal_clock_hz(self) -> int | None:
        """The clock of our own build on the chip itself; None where only an emulator runs it."""
        flashed = self.baremetal.upload_protocol and self.baremetal.glue in _GLUES
        return self.baremetal.clock_hz if flashed else None

    def clock_line(self, env: str) -> str:
        """For people: the clock of a build, and why it is not the one that is expected."""
        why = ""
        if env == self.baremetal_env:
            emulated = ", the emulated machine's" if self.emulator else ", but nothing runs this build"
            why = emulated
            if self.baremetal_clock_hz:
                reset = self.baremetal.clock_hz == _GLUES[self.baremetal.glue].reset_hz
                why = ", as it is out of reset" if reset else ", by its PLL"
                why += "; an emulator's times are not the board's" if self.emulator else ""
            official = f"the official core sets {self.chip.clock_hz / 1e6:g} MHz"
            differs = self.platformio and self.chip.clock_hz != self.baremetal.clock_hz
            why += f"; {official}" if differs else ""
        return f"clock     {self.clock_hz(env) / 1e6:g} MHz{why}"

    @property
    def second_uart_irq(self) -> int | None:
        """The interrupt of the UART beside the port, where our own build has one."""
        glue = _GLUES.get(self.baremetal.glue)
        return glue.second_uarts.get(self.pins.uart.id) if glue and self.pins.uart else None

    @property
    def flashable(self) -> bool:
        """Whether one of its environments can be put on a real board; else only an emulator runs it."""
        return self.platformio is not None or bool(self.baremetal.upload_protocol)

    def protocols(self, env: str) -> tuple[str, ...]:
        """How a build of that environment can be written to a board, the usual way first; none: not at all.

        "platformio" where PlatformIO chooses.
        """
        if env != self.baremetal_env:
            usual = self.platformio.upload_protocol if self.platformio else ""
            return tuple(dict.fromkeys([usual or "platformio", *self.flash.protocols]))
        usual = self.baremetal.upload_protocol
        able = [way for way in self.flash.protocols if way in BAREMETAL_WAYS]
        if not self.baremetal.openocd_cfg:
            able = [way for way in able if way != "stlink"]
        return tuple(dict.fromkeys([usual, *able])) if usual else ()

    def owns_port(self, env: str) -> bool:
        """Whether a build of that environment talks over a port that the board itself shows.

        Our own builds for chips with USB mostly do not speak it: they talk over a UART, by an adapter that
        only the user knows.
        """
        if env != self.baremetal_env or self.link.transport == "uart":
            return True
        return self.baremetal.glue in _GLUES and _GLUES[self.baremetal.glue].speaks_usb

    @property
    def envs(self) -> tuple[str, ...]:
        """All environments of the board's projects, the official one first."""
        return (self.baremetal_env,) if self.platformio is None else (self.id, self.baremetal_env)


@dataclass(frozen=True)
class _Glue:
    """Which chips a glue drives: how their names begin, their cores, the clocks that it sets up.

    `reset_hz`: that which it may leave. `most_hz`: by how the names begin, the longest counts.
    `interrupts`: of each UART that FN_USART may be; None: it has one port, and no FN_USART. `wanted`: what
    it must be told beside. `speaks_usb`: its port is the chip's own USB.
    """

    chips: str
    cores: tuple[CoreName, ...]
    reset_hz: int | None
    most_hz: Mapping[str, int]
    interrupts: Mapping[int | None, int]
    least_hz: int = 1
    step_hz: int = 1_000_000
    wanted: tuple[str, ...] = ()
    second_uarts: Mapping[int, int] = field(default_factory=dict)
    speaks_usb: bool = False

    def most_for(self, chip: Chip) -> int:
        """The highest clock of that chip."""
        return self.most_hz[max((name for name in self.most_hz if chip.mcu.startswith(name)), key=len)]


_M4: tuple[CoreName, ...] = ("cortex-m4", "cortex-m4f")
_F4 = {
    f"stm32f4{line}": mhz * 1_000_000
    for mhz, lines in ((100, "10 11 12 13 23"), (168, "05 07 15 17"), (180, "27 29 37 39 46 69 79"))
    for line in lines.split()
}
_L4_PLUS = {f"stm32l4{letter}": 120_000_000 for letter in "pqrs"}
_GLUES = {
    "stm32f1_usart": _Glue(
        "stm32f103",
        ("cortex-m3",),
        reset_hz=None,
        least_hz=72_000_000,
        most_hz={"stm32f103": 72_000_000},
        interrupts={1: 37, 2: 38},
    ),
    "stm32f4_usart": _Glue(
        "stm32f4",
        _M4,
        reset_hz=16_000_000,
        least_hz=50_000_000,
        most_hz={"stm32f4": 84_000_000, **_F4},
        interrupts={1: 37, 2: 38},
        second_uarts={1: 37, 2: 38, 3: 39, 6: 71},
    ),
    "stm32f7_usart": _Glue(
        "stm32f7",
        ("cortex-m7",),
        reset_hz=16_000_000,
        least_hz=50_000_000,
        most_hz={"stm32f7": 216_000_000},
        interrupts={3: 39},
        second_uarts={1: 37, 2: 38, 3: 39, 6: 71},
    ),
    "stm32h7_usart": _Glue(
        "stm32h743",
        ("cortex-m7",),
        reset_hz=64_000_000,
        step_hz=2_000_000,
        least_hz=100_000_000,
        most_hz={"stm32h743": 480_000_000},
        interrupts={3: 39},
        second_uarts={1: 37, 2: 38, 3: 39, 6: 71},
    ),
    "stm32l4_usart": _Glue(
        "stm32l4",
        _M4,
        reset_hz=4_000_000,
        step_hz=2_000_000,
        least_hz=32_000_000,
        most_hz={"stm32l4": 80_000_000, **_L4_PLUS},
        interrupts={1: 37, 2: 38, LPUART1: 70},
        second_uarts={1: 37, 2: 38, 3: 39, 4: 52},
    ),
    "nrf5_uart": _Glue(
        "nrf5",
        ("cortex-m0plus", *_M4),
        reset_hz=64_000_000,
        most_hz={"nrf5": 0},
        interrupts={0: 2},
        wanted=("FN_TX_PIN", "FN_RX_PIN"),
        second_uarts={1: 40},
    ),
    "rp2040_uart": _Glue(
        "rp2040",
        ("cortex-m0plus",),
        reset_hz=None,
        least_hz=125_000_000,
        most_hz={"rp2040": 125_000_000},
        interrupts={0: 20},
        second_uarts={0: 20, 1: 21},
    ),
    "rp2040_usb": _Glue(
        "rp2040",
        ("cortex-m0plus",),
        reset_hz=None,
        least_hz=125_000_000,
        most_hz={"rp2040": 125_000_000},
        interrupts={None: 5},
        speaks_usb=True,
        second_uarts={0: 20, 1: 21},
    ),
}
"""The other glue drives an emulator's own UART."""


def _check_glue(own: Baremetal, chip: Chip, link: Connection) -> None:
    """ValueError naming the key where the glue is not for this chip, or not set up for it."""
    name, glue = f"'baremetal.glue' = {own.glue!r}", _GLUES.get(own.glue)
    if glue is None:
        if own.upload_protocol:
            raise ValueError(f"{name} drives an emulator's UART, so leave 'baremetal.upload_protocol' out")
        return
    if not chip.mcu.startswith(glue.chips):
        raise ValueError(f"{name} is for {glue.chips}…, not for {chip.mcu!r}")
    if chip.core not in glue.cores:
        cores = " or ".join(map(repr, glue.cores))
        raise ValueError(f"'chip.core' = {chip.core!r} is not what {chip.mcu!r} has: it is {cores}")
    clocks = range(glue.least_hz, glue.most_for(chip) + 1, glue.step_hz)
    if own.clock_hz != glue.reset_hz and own.clock_hz not in clocks:
        may = [f"{glue.reset_hz} (as {chip.mcu!r} comes out of reset)"] if glue.reset_hz else []
        may += [f"{clocks[0]} to {clocks[-1]} in steps of {glue.step_hz}"] if clocks else []
        raise ValueError(
            f"'baremetal.clock_hz' = {own.clock_hz} must be {' or '.join(may)}: this glue sets up no other"
        )
    usart = own.defines.get("FN_USART")
    if usart not in glue.interrupts:
        known = " or ".join(str(port) for port in glue.interrupts if port is not None)
        raise ValueError(
            f"{name} wants 'baremetal.defines.FN_USART' to be {known}"
            if known
            else f"{name} has one port: leave 'baremetal.defines.FN_USART' out"
        )
    if missing := [define for define in glue.wanted if define not in own.defines]:
        raise ValueError(f"{name} wants 'baremetal.defines.{missing[0]}' too")
    if own.uart_irq != glue.interrupts[usart]:
        whose = "its port" if usart is None else f"USART{usart}"
        raise ValueError(
            f"'baremetal.uart_irq' = {own.uart_irq} must be {glue.interrupts[usart]}, that of {whose}"
        )
    if glue.speaks_usb and link.transport != "usb_cdc":
        raise ValueError(f"{name} talks over USB: 'link.transport' must be 'usb_cdc'")


_PINS = {
    "stm32": (r"P[A-K](\d|1[0-5])", "PA0 to PK15"),
    "nrf5": (r"P[01]\.[0-3]\d|[AD]\d{1,2}", "P0.00 to P1.15, or on an Arduino core D0, A0 and so on"),
    "rp2040": (r"GP[0-2]?\d", "GP0 to GP29"),
}
"""How families, by what their chips' names begin with, call their pins: a pattern, and for people."""


def _check_pins(pins: Pins, chip: Chip) -> None:
    """ValueError naming the key of a pin that is called as another family's are."""
    for family, (form, told) in _PINS.items():
        odd = [key for key, pin in pins.by_key.items() if not re.fullmatch(form, pin)]
        if chip.mcu.startswith(family) and odd:
            raise ValueError(f"'pins.{odd[0]}' = {pins.by_key[odd[0]]!r}: pins of {chip.mcu!r} are {told}")


def _check_second_uart(uart: SecondUart | None, own: Baremetal) -> None:
    """ValueError naming the key where our own build has no such UART, or has it as its port."""
    if uart is None or own.glue not in _GLUES:
        return
    known = {**_GLUES[own.glue].second_uarts}
    known.pop(own.defines.get("FN_USART", -1), None)
    if uart.id not in known:
        may = ", ".join(map(str, known)) or "none"
        raise ValueError(f"'pins.uart.id' = {uart.id}: beside its port {own.glue!r} drives {may}")


def _check_emulator(emulator: Emulator, own: Baremetal, chip: Chip) -> None:
    """ValueError naming the key where a machine that is known cannot run the firmware."""
    flash, ram = Memory(chip.flash_origin, chip.flash_bytes), Memory(chip.ram_origin, chip.ram_bytes)
    if why := misfit(emulator.kind, emulator.machine, own.glue, chip.core, flash, ram):
        raise ValueError(
            f"'emulator.machine' = {emulator.machine!r}: {why}; all else works without [emulator]"
        )
