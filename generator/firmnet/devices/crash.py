"""What does a board say when its processor cannot go on, and what does that mean?

"firmnet fault", seven words in hex (which exception, pc, lr, sp, the stack's limit, CFSR, the address that
was touched), "calls" and up to six addresses that calls return to, by what the stack holds, the last first,
and "sum" of all characters before. What the core does not tell is zero. The board's half is
boards/baremetal/faults.c, on an Arduino core arduino_faults.c.

A watchdog that a program started and does not feed is told of alike, once and shortly before it resets the
board, with what hangs; on an Arduino core after that.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from ..artifact import Artifact
from ..errors import UserError, VerificationError
from ..image import Image, Region, read_image
from ..provenance import published
from ..targets.runtimes import GUARD_BYTES, needs
from .parts import Parts

IN_HEX = rb"(?: [0-9a-f]{8})"
LAST_WORDS = re.compile(
    rb"(firmnet fault(" + IN_HEX + rb"{7}) calls(" + IN_HEX + rb"{0,6})) sum ([0-9a-f]{8})\r\n"
)
LAST_WORDS_BYTES = 200
"""No such line is longer."""
STACK_IN_VAIN = 1 << 4 | 1 << 12 | 1 << 20
"""Bits of CFSR: there was no room on the stack for what an exception puts there, or its limit was reached."""
REASONS = (
    (1 << 16, "it came upon an instruction that is none"),
    (1 << 17, "it jumped to an address without the lowest bit, which means code for another kind of core"),
    (1 << 18, "it returned to what is no place to return to"),
    (1 << 19, "it came upon an instruction for an FPU that is off or missing"),
    (1 << 24, "it accessed memory at an address that is not aligned"),
    (1 << 25, "it divided by zero"),
    (1 << 0, "it jumped to an address where no code may be"),
    (1 << 8, "it jumped to an address where there is no memory"),
    (1 << 1, "it accessed memory that is guarded"),
    (1 << 9, "it accessed an address where there is nothing"),
    (1 << 10, "shortly before, it wrote to an address where there is nothing"),
    (1 << 3 | 1 << 11, "what it needed to return was not on the stack"),
    (1 << 5 | 1 << 13, "the FPU's registers could not be kept on the stack"),
)
"""Bits of CFSR, and what they say."""
EXCEPTIONS = {2: "a non-maskable interrupt came", 3: "it cannot tell why (HardFault)"}
CORE_GAVE_UP = 512
"""Instead of an exception: mbed ended it, for the reason that stands where else the address does."""
WATCHDOG_IS_DUE = 513
"""Instead of an exception: its watchdog will reset it, not fed for the milliseconds that stand where else the
address does.
"""
WATCHDOG_WAS_DUE = 514
"""The same, told after the reset that then came."""
INTERRUPTS = 16
"""Numbers of exceptions from here on are those of interrupts."""
CODE = 1


@dataclass(frozen=True)
class Crash:
    """Why a processor stopped, and where. `number`: of the exception; 0: paint below the stack was gone.

    `limit`: of the stack that is guarded; 0: it ran on another.
    """

    number: int
    pc: int
    lr: int
    sp: int
    limit: int
    status: int
    touched: int
    calls: tuple[int, ...]

    @property
    def is_hang(self) -> bool:
        """Whether it ran on, and a watchdog was about to end that."""
        return self.number in (WATCHDOG_IS_DUE, WATCHDOG_WAS_DUE)

    @property
    def is_over(self) -> bool:
        """Whether the board was reset since, and runs as ever."""
        return self.number == WATCHDOG_WAS_DUE

    @property
    def has_overflown(self) -> bool:
        """Whether the stack was too small."""
        if self.is_hang:
            return False
        on_guard = self.limit - GUARD_BYTES <= self.touched < self.limit
        return not self.number or self.sp < self.limit or on_guard or bool(self.status & STACK_IN_VAIN)

    @property
    def reason(self) -> str:
        """In words, but for an overflow of the stack."""
        if self.is_hang:
            about = "was" if self.is_over else "is"
            return f"its watchdog, not fed for {self.touched:,} ms, {about} about to reset it"
        if self.number == CORE_GAVE_UP:
            return f"mbed, its Arduino core, gave up with the error 0x{self.touched:08x}"
        for bits, what in REASONS:
            if self.status & bits:
                return what + (f" (0x{self.touched:08x})" if self.touched else "")
        if self.number >= INTERRUPTS:
            return f"interrupt {self.number - INTERRUPTS} came, which nothing handles"
        return EXCEPTIONS.get(self.number, f"exception {self.number} came, which nothing handles")


class Crashed(VerificationError):
    """The board's processor has stopped, or hangs: nothing more will come of it until it is reset."""


def last_words(said: bytes) -> Crash | None:
    """The last whole line in which a board tells why it stopped, if there is one."""
    found = None
    for match in LAST_WORDS.finditer(said):
        if int(match[4], 16) == _sum(match[1]):
            number, pc, lr, sp, limit, status, touched = _words(match[2])
            found = Crash(number, pc, lr, sp, limit, status, touched, tuple(_words(match[3])))
    return found


def _words(text: bytes) -> list[int]:
    return [int(word, 16) for word in text.split()]


def _sum(text: bytes) -> int:
    total = 0
    for byte in text + b" sum":
        total = (total * 31 + byte) % 2**32
    return total


def explain(crash: Crash, artifact: Artifact) -> str:
    """What happened, in which function and layer, and what to do."""
    try:
        image = read_image(published(artifact))
    except (UserError, VerificationError):
        return f"{_end(crash)}: {_what(crash, artifact)}; {_fix(crash, artifact)}"
    if crash.calls and not any(_is_return(image, address) for address in crash.calls):
        return (
            f"{_end(crash)} ({crash.reason}, at 0x{crash.pc:08x}) in another firmware "
            f"than that in {artifact.path}: flash it with `firmnet flash {artifact.path}`"
        )
    where = _where(crash, artifact, image)
    return f"{_end(crash)} {where}: {_what(crash, artifact)}; {_fix(crash, artifact)}"


def _end(crash: Crash) -> str:
    since = "before its last reset " if crash.is_over else ""
    return f"{since}the board's processor {'was busy' if crash.is_hang else 'stopped'}"


def _what(crash: Crash, artifact: Artifact) -> str:
    if crash.has_overflown:
        return f"its stack of {_stack_bytes(artifact):,} bytes has overflown"
    return crash.reason


def _stack_bytes(artifact: Artifact) -> int:
    return needs(artifact.board, artifact.manifest.runtime).stack_bytes


def _fix(crash: Crash, artifact: Artifact) -> str:
    if crash.is_hang:
        return (
            "feed it in every loop of the program, or start it with a longer timeout, WDT(timeout=...): "
            "while run() computes and while firmnet asks, the program feeds nothing"
            + ("; this is told once, and the board runs again" if crash.is_over else "")
        )
    if not crash.has_overflown:
        return (
            "press its reset button and verify again; if it stops elsewhere then, look at its supply and "
            "clock, if in the same place, it is a defect of the code there"
        )
    if artifact.manifest.runtime == "c":
        return "no model needs so much of the C runtime's: it is a defect of the code there"
    return (
        f"raise stack_bytes in [micropython] of {artifact.board.id}.toml, or call less deeply, and press its "
        "reset button"
    )


def _where(crash: Crash, artifact: Artifact, image: Image) -> str:
    """ "in 'net__conv__kernel', the code of layer 'conv', called by 'net_run'"."""
    parts = Parts(artifact, image)
    places = [_region(image, address) for address in _trace(crash)]
    named = [(parts.function(place), parts.owner(place)) for place in places if place]
    chain = [place for place, _ in groupby(named)]
    if not chain:
        return f"at 0x{crash.pc:08x}, where no code is known"
    (function, owner), *callers = chain
    begin = (
        f"in {function!r} (0x{crash.pc:08x}), {owner}"
        if _region(image, crash.pc)
        else (f"under {function!r}, {owner}")
    )
    layers = [
        f"{name!r}, {owner}" for name, owner in callers if "layer" in owner and "layer" not in chain[0][1]
    ]
    told = layers[:1] or [repr(name) for name, _ in callers[:2]]
    return f"{begin}, called by {', '.join(told)}" if told else begin


def _trace(crash: Crash) -> Iterator[int]:
    """Where it was and who called, the last first; a call is where it was made."""
    yield crash.pc
    if crash.lr & CODE:
        yield (crash.lr & ~CODE) - 2
    for address in crash.calls:
        yield address - 2


def _region(image: Image, address: int) -> Region | None:
    """The section that holds an address that is code."""
    for region in image.regions:
        if region.linked <= address < region.linked + len(region.data) and image.at(address).name:
            return Region(region.section, region.address + address - region.linked, address, b"")
    return None


def _is_return(image: Image, address: int) -> bool:
    """Whether there is a call right before an address: BL, or BLX by a register."""
    for region in image.regions:
        at = address - region.linked
        if 4 <= at <= len(region.data):
            first, second = (int.from_bytes(region.data[at - n : at - n + 2], "little") for n in (4, 2))
            return second & 0xFF87 == 0x4780 or (first & 0xF800 == 0xF000 and second & 0xD000 == 0xD000)
    return False
