"""What crosses the line between host and board, byte by byte? Frames, found among whatever else comes.

A frame is a header of 20 bytes (magic, kind, version, session, number, length, and their CRC-32), its
payload, and the CRC-32 continued over the payload; integers are little-endian. An answer has its request's
session and number, kind + 0x80, and a payload that begins with the request's last CRC-32: it says what it
answers.
The board's half is runtime_micropython/firmnet_link.py, or templates/runtime_c/firmnet_link.c.
"""

import re
import secrets
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

from ..errors import VerificationError
from .crash import LAST_WORDS_BYTES, Crash, last_words
from .strangers import SAID_BYTES

MAGIC = b"\xf1\x4e"
VERSION = 6
"""Not 4, which a raw prompt that a hello reaches takes for Ctrl-D: the board would reset itself."""
ANSWER = 0x80
HEADER = struct.Struct("<2sBBIIII")
CRC = struct.Struct("<I")
HELLO = struct.Struct("<32s6I")
STEP_HEAD = struct.Struct("<3I")
COUNTERS = struct.Struct("<IIIII")
IMAGE = struct.Struct("<III")
PREDICTION = struct.Struct("<IIIf")
INFO = struct.Struct("<IIII")
RESTARTS_REPL = re.compile(rb"[\x01-\x05\r\n][^ -~]*\x04")
"""What a REPL takes for Ctrl-D on an empty line: it forgets all that it was told, the session too."""
EVERY_BYTE = bytes(range(255, -1, -1))
"""What a hello may carry both ways, to test the line. XOFF comes before the XON that ends it."""

TEXT_LIMIT_BYTES = 1024
"""No answer without a known size (a greeting, a complaint) is longer."""
PROSE_LIMIT_BYTES = 1 << 20
"""So much text without the end that was waited for is no answer."""
GAP_S = 0.3
"""How long a board that sends what it has already may be silent inside a frame."""
LEAST_BYTES_PER_S = 100
"""A frame that has begun and comes more slowly is given up at the deadline."""
STRAY_BYTES = 400
FILLER = b"\0"
"""What a board sends behind a frame that fills its last USB packet: without a shorter one the host's USB
waits for more."""


MOST_UNDER_WAY = 8
"""No board has room for more requests at once."""


class Message(IntEnum):
    """What a frame says. Answers are `kind | ANSWER`; the last four only ever come from the board."""

    HELLO = 1  # (every byte) -> fingerprint, six numbers, model, firmnet version, ports (, every byte)
    RUN = 2  # step, inputs -> outputs, microseconds u32
    CHECKSUMS = (
        3  # step, inputs -> outputs, CRC-32 u32 of every layer's outputs, then of what every state holds
    )
    DUMP = 4  # step, inputs -> a layer's outputs
    COUNTERS = 5  # -> runs, bad frames, free heap bytes, stack peak bytes, microseconds of the last run
    RESET = 6  # -> nothing; the board returns to its REPL
    AGAIN = 7  # -> the answer to the request of this number, from memory; NAK when there is none
    IMAGE = 8  # address, bytes, CRC-32 to continue -> CRC-32 of the board's memory there
    RESTART = 9  # -> nothing; the model's states are as at the beginning, the next step is 0
    PREDICT = 10  # real numbers -> CRC-32 of inputs and outputs, index and score of the largest (C runtime)
    INFO = 11  # -> arena bytes, room for PREDICT, steps, clock, board, labels (C runtime)
    BAUD = 12  # rate -> the rate that holds behind this answer; 0: it stays as it is
    STATE = 13  # -> steps, what every state holds (models that have states)
    SET_STATE = 14  # step, what every state is to hold -> nothing; the next step is that one
    NAK = 0x15  # send it again: damage, or the last request that arrived whole has the number in the header
    READY = 0x16  # the board begins to serve
    STRANGER = 0x17  # no hello has opened this session
    FAULT = 0x18  # the request arrived whole but cannot be met: the payload says why


def step_payload(step: int, inputs: bytes, layer: int = 0) -> bytes:
    """What a run, checksums or dump request says: which step, which layer to dump, CRC-32 of the inputs,
    inputs.
    """
    return STEP_HEAD.pack(step, layer, zlib.crc32(inputs)) + inputs


@dataclass(frozen=True)
class Frame:
    kind: int
    session: int
    number: int
    payload: bytes = b""
    version: int = VERSION

    @property
    def crc(self) -> int:
        """The last CRC-32, over everything after the magic."""
        return zlib.crc32(self.payload, zlib.crc32(self._covered))

    @property
    def _covered(self) -> bytes:
        """The header but for the magic and its CRC."""
        return struct.pack("<BBIII", self.kind, self.version, self.session, self.number, len(self.payload))

    def encode(self) -> bytes:
        """The frame as bytes on the line."""
        head = MAGIC + self._covered
        return head + CRC.pack(zlib.crc32(head[2:])) + self.payload + CRC.pack(self.crc)


def new_session() -> int:
    """One that nobody can guess, of four bytes that are no REPL's keys."""
    return int.from_bytes(bytes(32 + secrets.randbelow(224) for _ in range(4)), "little")


def harmless(frame: Frame) -> Frame:
    """A frame with no payload, or the next one by number that does no harm to a REPL which reads it."""
    while RESTARTS_REPL.search(frame.encode()):
        frame = replace(frame, number=frame.number + 1)
    return frame


class ByteStream(Protocol):
    """A serial line. Errors are OSError (pyserial's are)."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; fewer, or none, when they do not arrive within a short time (0.1 s)."""

    def write(self, data: bytes, /) -> int | None: ...


class Receiver:
    """Finds frames in what a port delivers, whatever lies between them."""

    def __init__(self, port: ByteStream) -> None:
        self._port = port
        self._buffer = bytearray()
        self.limit_bytes = TEXT_LIMIT_BYTES
        """The longest payload that can be right. A longer one with a sound header is a VerificationError."""
        self.gap_s = GAP_S
        """A silence inside a frame that means its rest is lost."""
        self.stray = bytearray()
        """The last bytes that belonged to no frame: text of the REPL, noise."""
        self.said = bytearray()
        """More of them, for telling who speaks when nothing answers."""
        self.received_bytes = 0
        self.crashed: Callable[[Crash], None] = lambda crash: None
        """Called with what a board says as its processor stops, even in the middle of a frame."""
        self._lately = b""

    def frame(self, deadline: float) -> Frame | None:
        """The next whole frame; None at the deadline (time.monotonic) or when one turns out damaged.

        One whose header has come by then is waited for to its end, as long as its bytes come.
        """
        silent_since = time.monotonic()
        damaged = False
        while True:
            missing = self._missing()
            while missing <= 0:
                frame = self._take()
                if frame:
                    return frame
                damaged = True
                missing = self._missing()
            if damaged and not self._buffer:
                return None
            now = time.monotonic()
            late = now >= deadline + max(0, len(self._buffer) - HEADER.size + missing) / LEAST_BYTES_PER_S
            if late or (self._buffer and now - silent_since > self.gap_s):
                self.discard()
                return None
            if self.read(missing):
                silent_since = time.monotonic()

    def read(self, size: int) -> bytes:
        """Fetch up to `size` bytes from the port into the buffer; returns them."""
        data = self._port.read(size)
        self._buffer += data
        self.received_bytes += len(data)
        self._lately = self._lately[-LAST_WORDS_BYTES:] + data
        if b"\n" in data and (crash := last_words(self._lately)):
            self.crashed(crash)
        return data

    def take(self, size: int) -> bytes:
        """What is in the buffer and up to `size` bytes more, as they are: no frame is looked for."""
        self.read(size)
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def until(self, marker: bytes, deadline: float) -> bytes | None:
        """Plain text up to and with `marker`; None, and it is dropped, at the deadline or if endless."""
        seen = 0
        while (found := self._buffer.find(marker, max(0, seen - len(marker)))) < 0:
            seen = len(self._buffer)
            if time.monotonic() >= deadline or seen > PROSE_LIMIT_BYTES:
                self.discard()
                return None
            self.read(1)
        text = bytes(self._buffer[: found + len(marker)])
        self.discard(len(text))
        return text

    def discard(self, size: int | None = None) -> None:
        """Drop bytes from the buffer's start (default: all); the last are kept in `stray`."""
        size = len(self._buffer) if size is None else size
        lost = self._buffer[:size].removesuffix(FILLER)
        self.stray = (self.stray + lost)[-STRAY_BYTES:]
        self.said = (self.said + lost)[-SAID_BYTES:]
        del self._buffer[:size]

    def _missing(self) -> int:
        """How many bytes are wanted before the buffer's first frame can be judged; ≤ 0: it is there.

        Bytes that cannot begin a frame are dropped on the way.
        """
        while True:
            start = self._buffer.find(MAGIC)
            if start < 0:
                start = len(self._buffer) - self._buffer.endswith(MAGIC[:1])
            self.discard(start)
            if len(self._buffer) < HEADER.size:
                return HEADER.size - len(self._buffer)
            *_, length, crc = HEADER.unpack_from(self._buffer)
            if zlib.crc32(self._buffer[2 : HEADER.size - CRC.size]) != crc:
                self.discard(1)
            elif length > self.limit_bytes:
                raise VerificationError(
                    f"the board announces {length:,} bytes where at most {self.limit_bytes:,} can be right: "
                    "it runs another firmware, flash it with `firmnet flash`"
                )
            else:
                return HEADER.size + int(length) + CRC.size - len(self._buffer)

    def _take(self) -> Frame | None:
        """The whole frame at the start of the buffer; None, and on by one byte, when its CRC is wrong."""
        _, kind, version, session, number, length, _ = HEADER.unpack_from(self._buffer)
        end = HEADER.size + length
        frame = Frame(kind, session, number, bytes(self._buffer[HEADER.size : end]), version)
        if frame.crc != CRC.unpack_from(self._buffer, end)[0]:
            self.discard(1)
            return None
        del self._buffer[: end + CRC.size]
        return frame
