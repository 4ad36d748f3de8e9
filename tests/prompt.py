"""How does a test type at the board's prompt? Lines in, what the board printed out."""

from collections.abc import Iterator
from contextlib import contextmanager

import serial

from firmnet.artifact import Artifact
from firmnet.devices.qemu import emulated

PROMPT = b">>> "
PATIENCE_S = 10.0


class Prompt:
    """The friendly REPL of a booted board; `banner` is what it printed before the first prompt."""

    def __init__(self, port: serial.SerialBase) -> None:
        self.port = port
        self.banner = self._until_prompt()

    def __call__(self, line: str) -> str:
        """What `line` prints, without its echo."""
        self.port.write(line.encode() + b"\r")
        echo, _, printed = self._until_prompt().partition("\n")
        assert echo == line, f"the board echoed {echo!r}"
        return printed.removesuffix("\n")

    def key(self, byte: bytes) -> str:
        """What a control character prints."""
        self.port.write(byte)
        return self._until_prompt()

    def start(self, line: str, says: str) -> None:
        """Begin something that does not end, but first prints `says` on a line of its own."""
        self.port.write(line.encode() + b"\r")
        self.port.read_until(f"\n{says}\r\n".encode())

    def _until_prompt(self) -> str:
        heard = self.port.read_until(PROMPT)
        assert heard.endswith(PROMPT), f"no prompt after {heard!r}"
        return heard.removesuffix(PROMPT).decode().replace("\r\n", "\n")


@contextmanager
def prompt_of(artifact: Artifact) -> Iterator[Prompt]:
    """Boot the artifact's firmware in its emulator."""
    with emulated(artifact) as board, serial.serial_for_url(board.url, timeout=PATIENCE_S) as port:
        yield Prompt(port)
