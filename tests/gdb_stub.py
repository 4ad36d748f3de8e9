"""What is QEMU made to skip, through the port on which it serves debuggers?

The packets are those of GDB's remote serial protocol (GDB manual, appendix E).
"""

import socket
import time
from types import TracebackType

WAIT_S = 20.0
LR, PC = 14, 15


class GdbStub:
    """The debugger's side of a processor that stands still."""

    def __init__(self, port: int) -> None:
        self._socket = _connected(port)
        self._received = b""

    def __enter__(self) -> "GdbStub":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, packet: str) -> str:
        """The answer to one packet; AssertionError for an error or for none."""
        body = packet.encode()
        self._socket.sendall(b"$%b#%02x" % (body, sum(body) % 256))
        answer = self._answer()
        assert not answer.startswith("E"), f"{packet} was answered with {answer}"
        return answer

    def return_from(self, function: int) -> None:
        """Runs until the function begins, and goes on where it was called from."""
        self.ask(f"Z1,{function:x},2")
        assert self.ask("c").startswith("T05"), "the processor stopped for another reason"
        assert int.from_bytes(bytes.fromhex(self.ask(f"p{PC:x}")), "little") == function
        self.ask(f"P{PC:x}={self.ask(f'p{LR:x}')}")
        self.ask(f"z1,{function:x},2")

    def _answer(self) -> str:
        while (end := self._received.find(b"#")) < 0 or len(self._received) < end + 3:
            received = self._socket.recv(4096)
            assert received, "QEMU closed its debugger's port"
            self._received += received
        begin = self._received.index(b"$") + 1
        answer = self._received[begin:end].decode()
        self._received = self._received[end + 3 :]
        self._socket.sendall(b"+")
        return answer


def _connected(port: int) -> socket.socket:
    """QEMU opens the port when it is ready to."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
