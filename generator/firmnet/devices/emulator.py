"""How does an emulator run, its port on a socket of ours? Asked how it ended, and ended with us at latest."""

import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ..artifact import Artifact
from ..errors import UserError, VerificationError
from ..processes import end, start
from ..provenance import built, published
from ..targets import Board
from ..targets.board import Emulator
from ..toolchain import clean_environment
from .serial import SerialDevice, open_port

Ending = Callable[[int, bytes], str]
"""How an emulator ended, for people: of its exit code and what it printed."""


@dataclass(frozen=True)
class Emulated:
    """A running emulator: the URL of its serial port (for one client at a time) and its process id."""

    url: str
    pid: int


@contextmanager
def running(command: Callable[[int], Sequence[str]], ending: Ending) -> Iterator[Emulated]:
    """The emulator whose `command` takes a listening socket; it starts to run when that is connected to.

    Errors that pass through are told how the emulator ended, if it did.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryFile() as said:
        process = start(
            command(listener.fileno()),
            pass_fds=[listener.fileno()],
            env=clean_environment(),
            stdout=said,
            stderr=said,
        )
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        try:
            yield Emulated(url, process.pid)
        except (UserError, VerificationError) as error:
            try:
                code = process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                raise error from None
            said.seek(0)
            raise type(error)(f"{error}; {ending(code, said.read())}") from error
        finally:
            end(process, grace_s=0.0)  # it has nothing to save, and takes 0.3 s when asked


class EmulatedDevice(SerialDevice):
    """A SerialDevice that owns its emulator; `emulator.pid` is there for those who want to end it early."""

    def __init__(
        self, artifact: Artifact, emulator: AbstractContextManager[Emulated], kind: str, timeout_s: float
    ) -> None:
        with ExitStack() as stack:
            self.emulator = stack.enter_context(emulator)
            port = open_port(self.emulator.url, artifact.board.link.baud)
            name = f"{artifact.manifest.board} ({kind})"
            super().__init__(artifact, port, name, name, timeout_s)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """End the emulator; its REPL needs no farewell."""
        self._port.close()
        self._stack.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port.close()
        self._stack.__exit__(kind, error, trace)


def emulator_of(board: Board, kind: str) -> Emulator:
    """The board's, if it is of that kind; UserError else."""
    if board.emulator is None:
        raise UserError(
            f"board {board.id!r} has no emulator: connect it and give its --port, or choose netduinoplus2"
        )
    if board.emulator.kind != kind:
        raise UserError(
            f"board {board.id!r} is emulated by another program: name {board.emulator.kind!r} as the device"
        )
    return board.emulator


def firmware_of(artifact: Artifact) -> Path:
    """The built firmware; UserError when there is none, or one that only the real board runs."""
    env, wanted = built(artifact, "--emulate").env, artifact.board.baremetal_env
    if env != wanted:
        raise UserError(
            f"{artifact.path} is built as {env!r}, the emulator runs {wanted!r}: build it with --emulate"
        )
    return published(artifact, option="--emulate")
