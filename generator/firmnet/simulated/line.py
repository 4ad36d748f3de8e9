"""What is a serial port without hardware? A pseudo-terminal, whose other end is a simulated board's.

The board sees what a real one does: that somebody opens or closes the port (which moves DTR), and at which
rate.
"""

import errno
import os
import select
import termios
import threading
import time
import tty
from pathlib import Path

RATES = {
    getattr(termios, f"B{rate}"): rate
    for rate in (1200, 9600, 115_200, 230_400, 460_800, 921_600, 1_000_000, 1_500_000, 2_000_000)
}
LOOK_S = 0.02
"""How often a board looks whether its port is open."""


class Restarted(OSError):
    """The board was reset while its program ran."""


class SimulatedLine:
    """One port, by the name `link`; what is written while nobody has it open is lost, as over USB."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._board, port = os.openpty()
        tty.setraw(port)
        link.symlink_to(os.ttyname(port))
        os.close(port)
        os.set_blocking(self._board, False)
        self._timeout_s: float | None = None
        self._gone = threading.Event()
        self._reset = threading.Event()
        self._was_open = False
        self._spoken: int | None = None
        self.garbles_above: int | None = None
        """Its adapter takes faster rates, and then no byte comes through as it was."""
        self.resets_when_opened = False
        """Whether DTR leads to the board's reset."""

    @property
    def is_open(self) -> bool:
        """Whether somebody has the port open; whoever opens it may reset the board."""
        poll = select.poll()
        poll.register(self._board, 0)
        now = not self._gone.is_set() and not poll.poll(0)  # else it hung up
        if now and not self._was_open and self.resets_when_opened:
            self._reset.set()
        self._was_open = now
        return now

    @property
    def baud(self) -> int:
        """The rate at which it was opened last."""
        return RATES.get(termios.tcgetattr(self._board)[5], 0)

    def speak_at(self, baud: int, /) -> None:
        """The board's own rate from now on: while the host's is another, nothing comes through as it was."""
        self._spoken = baud

    def _carried(self, data: bytes) -> bytes:
        """What the other end makes of it."""
        baud = self.baud
        wrong = self._spoken not in (None, baud) or (self.garbles_above and baud > self.garbles_above)
        return bytes(len(data)) if wrong else data

    def reset(self) -> None:
        """Make the program that reads here begin anew."""
        self._reset.set()

    def settimeout(self, seconds: float | None, /) -> None:
        self._timeout_s = seconds

    def recv(self, size: int, /) -> bytes:
        """Up to `size` bytes; b"" once the port is taken away; TimeoutError, Restarted."""
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        while not self._gone.is_set():
            self._check()
            if self.is_open:
                with_data, _, _ = select.select([self._board], [], [], LOOK_S)
                data = self._carried(self._read(size)) if with_data else b""
                if data:
                    return data
            else:
                self._gone.wait(LOOK_S)
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError
        return b""

    def sendall(self, data: bytes, /) -> None:
        data = self._carried(data)
        while data and self.is_open:
            self._check()
            select.select([], [self._board], [], LOOK_S)
            try:
                data = data[os.write(self._board, data) :]
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EIO):
                    raise

    def sleep(self, seconds: float) -> None:
        """Let time pass; OSError when the port is taken away meanwhile, Restarted."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._was_open = self.is_open
            self._check()
            if self._gone.wait(min(left, LOOK_S)):
                raise OSError(errno.ENODEV, "the port is gone")

    def drop(self) -> None:
        """Forget what came and was not read."""
        while self.is_open and self._read(4096):
            pass

    def close(self) -> None:
        """Take the port away: whoever has it open is told so by the system."""
        self._gone.set()
        self.link.unlink(missing_ok=True)

    def free(self) -> None:
        """Give the system its own back, when nobody reads here any more."""
        os.close(self._board)

    def _check(self) -> None:
        if self._reset.is_set():
            self._reset.clear()
            raise Restarted

    def _read(self, size: int) -> bytes:
        try:
            return os.read(self._board, size)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
            return b""
