"""How does a board's port come to another machine? Through an RFC 2217 server, as ser2net has it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import serial
from board_twin import listening
from serial import rfc2217


@contextmanager
def shared(board: str) -> Iterator[str]:
    """The rfc2217:// URL of a server that shares the port at URL `board`."""

    def serve(client: socket.socket) -> None:
        with serial.serial_for_url(board, timeout=0.02) as port:
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
