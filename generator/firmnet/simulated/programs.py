"""What may a board be running? firmnet's firmware, another one, or what hangs, babbles or restarts."""

from dataclasses import dataclass, field
from typing import Protocol

from ..artifact import Artifact
from .line import SimulatedLine
from .twin import Burnt, Twin


class ChipProgram(Protocol):
    """What runs on a chip from its start on; ends when the line does (recv gives b"", or OSError)."""

    def __call__(self, line: SimulatedLine) -> None: ...


def silent(line: SimulatedLine) -> None:
    """A program that hangs: it neither reads nor writes."""
    line.sleep(1e9)


@dataclass(frozen=True)
class Babbling:
    """Prints the same for ever and reads nothing, as a sketch without an end does."""

    text: str = "t=21.5 C h=40 %\r\n"
    every_s: float = 0.05

    def __call__(self, line: SimulatedLine) -> None:
        while True:
            line.drop()
            line.sendall(self.text.encode())
            line.sleep(self.every_s)


@dataclass(frozen=True)
class BootLoop:
    """Starts, and dies before its prompt: a brown-out, a watchdog that nobody feeds, a fault at start."""

    banner: str = "\r\nMicroPython v1.25.0; firmnet\r\n"
    every_s: float = 0.3

    def __call__(self, line: SimulatedLine) -> None:
        while True:
            line.sendall(self.banner.encode())
            line.sleep(self.every_s)
            line.drop()


@dataclass(frozen=True)
class ResetsWhenOpened:
    """Whoever opens the port moves DTR, which resets such boards; while they start they hear nothing."""

    program: ChipProgram
    start_s: float = 0.5

    def __call__(self, line: SimulatedLine) -> None:
        line.resets_when_opened = True
        line.sleep(self.start_s)
        line.drop()
        self.program(line)


@dataclass(frozen=True)
class Marlin:
    """A 3D printer: it answers lines, each of which is no command."""

    def __call__(self, line: SimulatedLine) -> None:
        line.sendall(b"start\r\necho:Marlin 2.1.2.4\r\necho: Last Updated: 2024-07-15 | Author: (none)\r\n")
        text = b""
        while byte := line.recv(1):
            text += byte
            if byte in b"\r\n" and text.strip():
                line.sendall(b'echo:Unknown command: "%b"\r\nok\r\n' % text.strip()[:40])
                text = b""


@dataclass(frozen=True)
class Python:
    """Another MicroPython, or CircuitPython: the same raw REPL, and nothing of firmnet's in it."""

    banner: str = "MicroPython v1.24.1 on 2024-11-29; Arduino Nano 33 BLE with NRF52840\r\n"
    interrupted: str = ""

    def __call__(self, line: SimulatedLine) -> None:
        line.sendall(self.banner.encode() + b">>> ")
        text, raw = b"", False
        while byte := line.recv(1):
            if byte == b"\x01":
                raw, text = True, b""
                line.sendall(b"raw REPL; CTRL-B to exit\r\n>")
            elif byte == b"\x02":
                raw, text = False, b""
                line.sendall(b"\r\n" + self.banner.encode() + b">>> ")
            elif byte == b"\x03":
                text = b""
                line.sendall(b"\r\n" + (b"" if raw else self.interrupted.encode() + b">>> "))
            elif byte == b"\x04" and raw:
                line.sendall(b"OK" + _traceback(text) + b"\x04>")
                text = b""
            else:
                text += byte


CIRCUITPYTHON = Python(
    "Adafruit CircuitPython 9.1.1 on 2024-07-22; Arduino Nano 33 BLE with nRF52840\r\n",
    "\r\nAuto-reload is on. Simply save files over USB to run them or enter REPL to disable.\r\n",
)


def _traceback(code: bytes) -> bytes:
    """What a REPL says of the code that asks for firmnet: output, 0x04, complaint."""
    module = code.split()[1].rstrip(b";") if code.startswith(b"import ") else b"firmnet_link"
    said = b'Traceback (most recent call last):\r\n  File "<stdin>", line 1, in <module>\r\n'
    return b"\x04" + said + b"ImportError: no module named '%b'\r\n" % module


@dataclass(frozen=True)
class Shell:
    """A small Linux computer's console."""

    prompt: str = "root@beaglebone:~# "

    def __call__(self, line: SimulatedLine) -> None:
        line.sendall(b"\r\n" + self.prompt.encode())
        text = b""
        while byte := line.recv(1):
            if byte == b"\x03":
                line.sendall(b"^C\r\n" + self.prompt.encode())
                text = b""
            elif byte in b"\r\n":
                word = text.split(b" ")[0]
                said = b"-bash: %b: command not found\r\n" % word if word.strip() else b""
                line.sendall(b"\r\n" + said + self.prompt.encode())
                text = b""
            else:
                text += byte
                line.sendall(byte)  # a terminal echoes


@dataclass
class Firmnet:
    """The firmware of an artifact, computed by the oracle; `flash` is the chip's memory."""

    artifact: Artifact
    flash: bytearray
    edited: dict[str, object] = field(default_factory=dict)

    def __call__(self, line: SimulatedLine) -> None:
        made, board = self.artifact.manifest, self.artifact.board
        origin, identity = board.chip.flash_origin, bytes.fromhex(made.fingerprint)
        burnt = Burnt(identity, board, origin, tuple(made.labels), made.firmnet, made.arena_bytes)
        twin = Twin(self.artifact.graph, burnt, self.flash)
        twin.edited |= self.edited
        line.sendall(f"\r\nMicroPython v1.25.0; firmnet with {board.name}\r\n>>> ".encode())
        twin.repl(line)
