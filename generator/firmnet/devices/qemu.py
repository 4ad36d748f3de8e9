"""How does the very firmware run without a board? On QEMU's machine of it, over its emulated serial port."""

import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from ..artifact import Artifact
from ..emulators import PROGRAM, emulator_for
from ..errors import UserError, VerificationError
from ..processes import end, start
from ..provenance import built, published
from ..targets import MACHINES, Board, Machine
from ..targets.board import Emulator
from ..toolchain import clean_environment
from .serial import TIMEOUT_S, SerialDevice, open_port


@dataclass(frozen=True)
class Emulated:
    """A running emulator: the URL of its serial port (for one client at a time) and its process id."""

    url: str
    pid: int


@contextmanager
def emulated(artifact: Artifact, elf: Path | None = None) -> Iterator[Emulated]:
    """The board's emulator with `elf` (default: the artifact's firmware); it starts when its port is opened.

    Raises UserError when there is no emulator or no firmware; errors that pass through are told how
    the emulator ended, if it did.
    """
    _emulator(artifact.board)
    elf = elf or _firmware(artifact)
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryFile() as said:
        process = start(
            _command(artifact.board, elf, listener.fileno()),
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
            raise type(error)(f"{error}; {_ending(code, said.read())}") from error
        finally:
            end(process, grace_s=0.0)  # it has nothing to save, and takes 0.3 s when asked


def open(artifact: Artifact, address: str = "qemu", *, timeout_s: float = TIMEOUT_S) -> "QemuDevice":
    """The emulated board, started and made to serve."""
    return QemuDevice(artifact, timeout_s)


class QemuDevice(SerialDevice):
    """A SerialDevice that owns its emulator; `emulator.pid` is there for those who want to end it early."""

    def __init__(self, artifact: Artifact, timeout_s: float, elf: Path | None = None) -> None:
        with ExitStack() as stack:
            self.emulator = stack.enter_context(emulated(artifact, elf))
            port = open_port(self.emulator.url, artifact.board.link.baud)
            name = f"{artifact.manifest.board} (qemu)"
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


def _emulator(board: Board) -> Emulator:
    if board.emulator is None:
        raise UserError(
            f"board {board.id!r} has no emulator: connect it and give its --port, or choose netduinoplus2"
        )
    return board.emulator


def _firmware(artifact: Artifact) -> Path:
    """The built firmware; UserError when there is none, or one that only the real board runs."""
    env, wanted = built(artifact, "--emulate").env, artifact.board.baremetal_env
    if env != wanted:
        raise UserError(
            f"{artifact.path} is built as {env!r}, the emulator runs {wanted!r}: build it with --emulate"
        )
    return published(artifact, option="--emulate")


def _command(board: Board, elf: Path, listener: int) -> list[str]:
    """QEMU waits for the first client, so the banner is not lost, and takes the socket already listening."""
    emulator = _emulator(board)
    uart = f"socket,id=uart,fd={listener},server=on,wait=on,nodelay=on"
    machine = ["-machine", emulator.machine, *emulator.arguments, *_fitting(board, elf)]
    quiet = ["-display", "none", "-monitor", "none", "-no-reboot"]
    program = emulator_for(emulator.machine)
    return [program, *machine, *quiet, "-chardev", uart, "-serial", "chardev:uart", "-kernel", str(elf)]


def _fitting(board: Board, elf: Path) -> list[str]:
    """What a machine that is known must be told of this board: which UART is ours, and where to begin.

    The UARTs before ours get nothing. Where it looks for vectors and this board has none, it begins at the
    reset code.
    """
    emulator, told = _emulator(board), list[str]()
    machine = MACHINES.get(emulator.machine)
    if machine is None:
        return told
    before_ours = machine.serials.index(board.baremetal.defines.get("FN_USART", 1))
    _check_memory(machine, elf)
    told += ["-serial", "null"] * (before_ours - emulator.arguments.count("-serial"))
    if machine.vectors != board.chip.flash_origin:
        with elf.open("rb") as file:
            entry = ELFFile(file).header["e_entry"]
        told += ["-device", f"loader,addr={entry:#x},cpu-num=0"]
    return told


def _check_memory(machine: Machine, elf: Path) -> None:
    """UserError where a firmware takes RAM that a machine with a part of its family's does not have."""
    if not machine.part:
        return
    with elf.open("rb") as file:
        taken = [
            section["sh_addr"] + section["sh_size"]
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_addr"] >= machine.ram.origin
        ]
    excess = max(taken, default=0) - machine.ram.end
    if excess > 0:
        raise UserError(
            f"this firmware takes {excess:,} bytes of RAM more than the {machine.ram.size_bytes:,} of QEMU's "
            f"{machine.name}: verify it on the board, or emulate another board with more"
        )


def _ending(code: int, said: bytes) -> str:
    """How the emulator ended, with the lines of its output that say why."""
    lines = said.decode(errors="replace").splitlines()
    telling = [
        line
        for line in lines
        if "waiting for connection" not in line and not re.match(r"[A-Zs]+\d*\S*=|FPSCR", line)
    ]
    if any("Lockup" in line for line in telling):
        telling.append("(has this machine memory where the board's [chip] has it? See docs/boards.md)")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{PROGRAM} ended with {how}: {' '.join(telling).strip() or 'it said nothing'}"
