"""How does a board's port come to another machine? Through an RFC 2217 server, as ser2net has it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import serial
from board_twin import listening
from serial import rfc2217


class Terminal(serial.Serial):
    """A pseudo-terminal, which has no modem lines."""

    cts = dsr = ri = cd = False

    def _update_dtr_state(self) -> None:
        pass

    _update_rts_state = _update_dtr_state


class Stubborn(Terminal):
    """Stays at its rate, and says so."""

    claims = False
    claimed = 0

    @property
    def baudrate(self) -> int:
        return self.claimed or super().baudrate

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        if not self.is_open:
            serial.Serial.baudrate.fset(self, baud)
        elif self.claims:
            self.claimed = baud


class Boastful(Stubborn):
    """Says that it has the other rate."""

    claims = True


@contextmanager
def shared(board: str, opened: Callable[..., serial.SerialBase] = serial.serial_for_url) -> Iterator[str]:
    """The rfc2217:// URL of a server that shares the port at URL `board`."""

    def serve(client: socket.socket) -> None:
        with opened(board, 115_200, timeout=0.02) as port:
            lock = threading.Lock()

            def write(data: bytes) -> None:
                with lock:
                    client.sendall(data)

            manager = rfc2217.PortManager(port, SimpleNamespace(write=write))
            closed = threading.Event()

            def back() -> None:
                with suppress(OSError):
                    while not closed.is_set():
                        data = port.read(port.in_waiting or 1)
                        if data:
                            write(b"".join(manager.escape(data)))

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            with suppress(OSError):
                while data := client.recv(1024):
                    port.write(b"".join(manager.filter(data)))
            closed.set()
            thread.join()

    with listening(serve) as url:
        yield url.replace("socket://", "rfc2217://")
