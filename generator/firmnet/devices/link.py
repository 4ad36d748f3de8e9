"""How do host and board talk: frames over one serial line that is also the board's REPL?

A frame is magic (2 bytes), kind u8, sequence u8, length u32, payload, CRC-32 u32 over kind..payload; integers
are little-endian. The host asks, the board answers with the same sequence number and kind + 0x80, and nobody
speaks out of turn. Every request may be repeated: it carries all that its answer depends on. So a damaged or
lost frame, in either direction, ends in the host sending the request again: at once after the board's NAK or
a damaged answer, else after a pause that doubles. The board's half is runtime_micropython/firmnet_link.py.
"""

import struct
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from ..errors import VerificationError

MAGIC = b"\xf1\x4e"
VERSION = 1
ANSWER = 0x80
HEADER = struct.Struct("<2sBBI")
CRC = struct.Struct("<I")
HELLO = struct.Struct("<B32sIII")
COUNTERS = struct.Struct("<IIIII")

TEXT_LIMIT_BYTES = 1024
"""No answer without a known size (a greeting, a complaint) is longer."""
GAP_S = 0.3
"""A silence inside a frame that means its rest is lost."""
PATIENCE_S = 1.0
"""The first wait for an answer before asking again, beside the time the bytes need on the slowest line."""
SLOWEST_BYTES_PER_S = 3000
AWAKE_S = 3.0
"""The board leaves serve() after 5 s without a valid frame: after 3 s of silence the host knocks again."""

INTERRUPT = b"\r\x03\x03"
RAW_REPL = b"\r\x01"
RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
FRIENDLY_REPL = b"\x02"
SERVE = b"import firmnet_link; firmnet_link.serve()\x04"
EXECUTED = b"\x04>"
"""What the raw REPL prints when the code it was given has ended."""
PROMPTS = (EXECUTED, b"\n>>> ", b"\n... ")
"""Signs that a REPL has the port again."""


class Kind(IntEnum):
    """What a frame says. Answers are `kind | ANSWER`; the last three only ever come from the board."""

    HELLO = 1  # -> version u8, fingerprint, input, output bytes, layer count, model name
    RUN = 2  # input -> output, microseconds u32
    CHECKSUMS = 3  # input -> output, CRC-32 u32 of every layer's output
    DUMP = 4  # input, layer u32 -> that layer's output
    COUNTERS = 5  # -> runs, bad frames, free heap bytes, stack peak bytes, microseconds of the last run
    RESET = 6  # -> nothing; the board returns to its REPL
    NAK = 0x15  # what arrived was damaged: send it again
    READY = 0x16  # the board begins to serve
    FAULT = 0x18  # the request arrived whole but cannot be met: the payload says why


@dataclass(frozen=True)
class Frame:
    kind: int
    sequence: int
    payload: bytes


@dataclass(frozen=True)
class Hello:
    """Who the board says it is."""

    fingerprint: bytes
    input_bytes: int
    output_bytes: int
    layer_count: int
    model: str


class Port(Protocol):
    """A serial line. Errors are OSError (pyserial's are)."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; fewer, or none, when they do not arrive within a short time (0.1 s)."""

    def write(self, data: bytes, /) -> int | None: ...


def encode(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """One frame as bytes on the line."""
    head = HEADER.pack(MAGIC, kind, sequence, len(payload))
    return head + payload + CRC.pack(zlib.crc32(payload, zlib.crc32(head[2:])))


class Receiver:
    """Finds frames in what a port delivers, whatever lies between them."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._buffer = bytearray()
        self.limit_bytes = TEXT_LIMIT_BYTES
        self.stray = bytearray()
        """The last bytes that belonged to no frame: text of the REPL, noise."""
        self.received_bytes = 0

    def frame(self, deadline: float) -> Frame | None:
        """The next whole frame; None at the deadline (time.monotonic) or when one turns out damaged."""
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
            if now >= deadline or (self._buffer and now - silent_since > GAP_S):
                self._discard(len(self._buffer))
                return None
            if self.read(missing):
                silent_since = time.monotonic()

    def read(self, size: int) -> bytes:
        """Fetch up to `size` bytes from the port into the buffer; returns them."""
        data = self._port.read(size)
        self._buffer += data
        self.received_bytes += len(data)
        return data

    def until(self, marker: bytes, deadline: float) -> bytes | None:
        """Plain text up to and with `marker`; None, and the text is dropped, at the deadline."""
        while marker not in self._buffer:
            if time.monotonic() >= deadline:
                self._discard(len(self._buffer))
                return None
            self.read(1)
        text = bytes(self._buffer)
        self._discard(len(self._buffer))
        return text

    def _missing(self) -> int:
        """How many bytes are wanted before the buffer's first frame can be judged; ≤ 0: it is there.

        Bytes that cannot begin a frame are dropped on the way.
        """
        while True:
            self._discard_to_magic()
            if len(self._buffer) < HEADER.size:
                return HEADER.size - len(self._buffer)
            length = HEADER.unpack_from(self._buffer)[3]
            if length <= self.limit_bytes:
                return HEADER.size + int(length) + CRC.size - len(self._buffer)
            self._discard(1)

    def _take(self) -> Frame | None:
        """The whole frame at the start of the buffer; None, and on by one byte, when its CRC is wrong."""
        _, kind, sequence, length = HEADER.unpack_from(self._buffer)
        end = HEADER.size + length
        if zlib.crc32(self._buffer[2:end]) != CRC.unpack_from(self._buffer, end)[0]:
            self._discard(1)
            return None
        payload = bytes(self._buffer[HEADER.size : end])
        del self._buffer[: end + CRC.size]
        return Frame(kind, sequence, payload)

    def _discard_to_magic(self) -> None:
        start = self._buffer.find(MAGIC)
        if start < 0:
            start = len(self._buffer) - self._buffer.endswith(MAGIC[:1])
        self._discard(start)

    def _discard(self, size: int) -> None:
        self.stray = (self.stray + self._buffer[:size])[-400:]
        del self._buffer[:size]


class Link:
    """One conversation with a board: enter(), any number of requests, leave().

    `line` names the port in error sentences. Every wait ends after `timeout_s` with a VerificationError
    that says what was sent, what came back and what to try.
    """

    def __init__(self, port: Port, line: str, timeout_s: float) -> None:
        self._port = port
        self._line = line
        self._timeout_s = timeout_s
        self._receiver = Receiver(port)
        self._sequence = 0
        self._heard = float("-inf")
        self._slowest_s = 0.0
        self._answers = 0
        self.resends = 0

    def enter(self) -> Hello:
        """Interrupt what the board does, start its serve loop and return its greeting."""
        deadline = time.monotonic() + self._timeout_s
        patience_s, complaints = 0.5, 0
        while time.monotonic() < deadline:
            if self._raw_repl(patience_s):
                complaint = self._start_serving(deadline)
                complaints += bool(complaint)
                if complaints == 3:
                    raise VerificationError(
                        f"{self._line}: the board runs MicroPython but cannot serve firmnet requests "
                        f"({complaint}): flash it with `firmnet flash`"
                    )
                if complaint:
                    continue
            answer = self._ask(
                Kind.HELLO, b"", TEXT_LIMIT_BYTES, min(deadline, time.monotonic() + patience_s)
            )
            if answer is not None:
                return parse_hello(self._line, answer)
            patience_s *= 1.5
        raise self._silence("Ctrl-C, Ctrl-A and a hello frame", self._timeout_s)

    def leave(self) -> None:
        """Send the board back to its REPL; a board that no longer answers is left alone."""
        with suppress(VerificationError):
            if time.monotonic() - self._heard < AWAKE_S:
                self._ask(Kind.RESET, b"", 0, time.monotonic() + 2.0)
                self._until(EXECUTED, time.monotonic() + 0.5)
            self._write(FRIENDLY_REPL)
        self._heard = float("-inf")

    def execute(self, code: str) -> str:
        """What `code` prints on the board's REPL; VerificationError with the exception it raises."""
        self.leave()
        if not self._raw_repl(self._timeout_s):
            raise self._silence("Ctrl-C and Ctrl-A", self._timeout_s)
        self._write(code.encode() + b"\x04")
        said = self._until(EXECUTED, time.monotonic() + self._timeout_s)
        self._write(FRIENDLY_REPL)
        if said is None:
            raise self._silence(f"{code!r} to the REPL", self._timeout_s)
        output, complaint = said.removeprefix(b"OK").split(b"\x04")[:2]
        if complaint:
            last = complaint.decode(errors="replace").strip().splitlines()[-1]
            raise VerificationError(f"{self._line}: {code!r} failed on the board: {last}")
        return output.decode(errors="replace")

    def request(self, kind: Kind, payload: bytes = b"", answer_bytes: int = TEXT_LIMIT_BYTES) -> bytes:
        """The board's answer to one request, at most `answer_bytes` long."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            if time.monotonic() - self._heard > AWAKE_S:
                self.enter()
            answer = self._ask(kind, payload, answer_bytes, deadline)
            if answer is not None:
                return answer
            self._heard = float("-inf")
            if time.monotonic() >= deadline:
                raise self._silence(f"the same {kind.name.lower()} frame again and again", self._timeout_s)

    def _ask(self, kind: Kind, payload: bytes, answer_bytes: int, deadline: float) -> bytes | None:
        """Send until answered; None at the deadline, or when the board is back at its REPL."""
        self._sequence = (self._sequence + 1) & 0xFF
        self._receiver.limit_bytes = max(answer_bytes, TEXT_LIMIT_BYTES)
        request = encode(kind, self._sequence, payload)
        patience_s = (
            max(PATIENCE_S, 4 * self._slowest_s) + (len(request) + answer_bytes) / SLOWEST_BYTES_PER_S
        )
        while True:
            sent = time.monotonic()
            self._write(request)
            answer = self._answer(kind, min(deadline, sent + patience_s))
            now = time.monotonic()
            if answer is not None:
                self._heard = now
                self._answers += 1
                self._receiver.stray.clear()
                self._slowest_s = max(self._slowest_s, now - sent)
                return answer
            if now >= deadline or any(prompt in self._receiver.stray for prompt in PROMPTS):
                return None
            if now - sent >= patience_s:
                patience_s *= 2
            self.resends += 1

    def _answer(self, kind: Kind, deadline: float) -> bytes | None:
        """The payload of the answer to the request just sent; None when it should be sent again."""
        while frame := self._frame(deadline):
            if frame.kind == Kind.NAK:
                return None
            if frame.sequence == self._sequence and frame.kind == Kind.FAULT:
                why = frame.payload.decode(errors="replace")
                raise VerificationError(
                    f"{self._line}: the board cannot answer a {kind.name.lower()} frame: {why}"
                )
            if frame.sequence == self._sequence and frame.kind == kind | ANSWER:
                return frame.payload
        return None

    def _raw_repl(self, patience_s: float) -> bool:
        """Interrupt and ask for the raw REPL; True when its prompt came."""
        self._write(INTERRUPT + RAW_REPL)
        return self._until(RAW_PROMPT, time.monotonic() + patience_s) is not None

    def _start_serving(self, deadline: float) -> str:
        """Have the raw REPL call serve(); returns what the REPL complained about, "" when nothing."""
        self._receiver.stray.clear()
        self._write(SERVE)
        deadline = min(deadline, time.monotonic() + 1.0)
        while time.monotonic() < deadline and EXECUTED not in self._receiver.stray:
            frame = self._frame(min(deadline, time.monotonic() + 0.1))
            if frame and frame.kind == Kind.READY:
                return ""
        lines = printable(bytes(self._receiver.stray)).split("\n") if EXECUTED in self._receiver.stray else []
        return next((line.strip() for line in reversed(lines) if line.strip(" .>")), "")

    def _silence(self, sent: str, waited_s: float) -> VerificationError:
        """The error for a board that does not answer as it should."""
        stray = bytes(self._receiver.stray)
        if not self._receiver.received_bytes:
            back, hint = (
                "nothing came back",
                "is it powered and flashed, and is this its port? Press its reset button",
            )
        elif self._answers:
            back = f"after {self._answers} good answers nothing valid came back"
            hint = "the board hangs or was unplugged: press its reset button and try again"
        else:
            back = f"what came back is no answer: {excerpt(stray)}"
            hint = (
                "another program or baud rate? Close other terminals, check `baud` and flash the board again"
            )
        return VerificationError(f"{self._line}: sent {sent} for {waited_s:g} s, {back}; {hint}")

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            raise self._broken(error) from error

    def _frame(self, deadline: float) -> Frame | None:
        try:
            return self._receiver.frame(deadline)
        except OSError as error:
            raise self._broken(error) from error

    def _until(self, marker: bytes, deadline: float) -> bytes | None:
        try:
            return self._receiver.until(marker, deadline)
        except OSError as error:
            raise self._broken(error) from error

    def _broken(self, error: OSError) -> VerificationError:
        return VerificationError(
            f"{self._line}: the connection broke after {self._receiver.received_bytes} bytes from the board "
            f"({error}): was the board unplugged or the emulator ended? Connect it again and retry"
        )


def parse_hello(line: str, payload: bytes) -> Hello:
    """Hello from its frame; VerificationError for a firmware of another firmnet version."""
    if len(payload) < HELLO.size or payload[0] != VERSION:
        version = payload[0] if payload else "none"
        raise VerificationError(
            f"{line}: the board speaks link version {version}, this firmnet version {VERSION}: "
            "flash it with `firmnet flash`"
        )
    _, fingerprint, input_bytes, output_bytes, layers = HELLO.unpack_from(payload)
    return Hello(
        fingerprint, input_bytes, output_bytes, layers, payload[HELLO.size :].decode(errors="replace")
    )


def printable(data: bytes) -> str:
    """Text with control and non-ASCII characters as dots; line ends stay."""
    text = data.decode("ascii", errors="replace").replace("\r", "")
    return "".join(c if c == "\n" or (c.isprintable() and c.isascii()) else "." for c in text)


def excerpt(data: bytes) -> str:
    """The end of some stray bytes for an error sentence, as text when it is text, else as hex."""
    text = printable(data).strip()
    if len(text.replace(".", "")) * 2 > len(text):
        return repr(text[-120:])
    return f"bytes {data[-24:].hex(' ')}"
