"""How is a board reached? Over any pyserial URL: /dev/ttyACM0, COM3, socket://host:port, rfc2217://…"""

from dataclasses import dataclass

import numpy as np
import serial  # pyserial, not this file
from serial.tools import list_ports

from ..artifact import Artifact
from ..board import Board, load_board
from ..errors import UserError, VerificationError
from ..ir import Array
from .device import Closing, Counters, Progress, RunResult
from .link import COUNTERS, Kind, Link

POLL_S = 0.1
"""How long one read of the port may wait."""
TIMEOUT_S = 15.0
"""How long a board may be silent, or take for one inference."""


@dataclass(frozen=True)
class PortInfo:
    """One serial port of this machine: `usb_id` is "vid:pid" in hex, `location` its place on the bus."""

    path: str
    description: str
    usb_id: str = ""
    location: str = ""


def ports() -> list[PortInfo]:
    """The serial ports that can be seen now."""
    return [
        PortInfo(
            p.device, p.description, f"{p.vid:04x}:{p.pid:04x}" if p.vid is not None else "", p.location or ""
        )
        for p in sorted(list_ports.comports())
    ]


def find_port(board: Board) -> str:
    """The one port that shows one of the board's USB ids; UserError when there are none or several."""
    seen = ports()
    fitting = [p.path for p in seen if p.usb_id in board.link.usb_ids]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UserError(
            f"several ports may be the {board.name}: choose with --port {' or --port '.join(fitting)}"
        )
    listed = ", ".join(f"{p.path} ({p.description})" for p in seen) or "none"
    emulate = " or --emulate" if board.emulator else ""
    raise UserError(
        f"no {board.name} found on USB: connect it, or give --port{emulate}; serial ports seen here: {listed}"
    )


def open(artifact: Artifact, address: str, *, timeout_s: float = TIMEOUT_S) -> "SerialDevice":
    """The board at pyserial URL `address`, made to serve.

    Raises UserError when there is no such port, VerificationError when no firmnet board answers there
    within `timeout_s`.
    """
    baud = load_board(artifact.manifest.board).link.baud
    return SerialDevice(
        artifact, open_port(address, baud), address, f"{artifact.manifest.board} ({address})", timeout_s
    )


def open_port(url: str, baud: int) -> serial.SerialBase:
    """The port for us alone, DTR set, with short reads; UserError with what to do if it cannot open."""
    try:  # pyserial sets DTR as it opens, where the line has one
        return serial.serial_for_url(
            url, baudrate=baud, timeout=POLL_S, write_timeout=TIMEOUT_S, exclusive=True
        )
    except (OSError, ValueError) as error:
        raise UserError(f"cannot open serial port {url} ({error}): {_remedy(error)}") from None


def _remedy(error: Exception) -> str:
    if "Permission denied" in str(error):
        return "add yourself to its group with `sudo usermod -aG dialout $USER` and log in again"
    if "lock port" in str(error) or "busy" in str(error):
        return "another program has it open: close its terminal or monitor and try again"
    seen = ", ".join(f"{p.path} ({p.description})" for p in ports()) or "none"
    return f"connect the board and give its port with --port; serial ports seen here: {seen}"


class SerialDevice(Closing):
    """A board that serves frames. Layer order and shapes are the artifact's; meets `Device`."""

    def __init__(
        self, artifact: Artifact, port: serial.SerialBase, line: str, name: str, timeout_s: float
    ) -> None:
        self._name = name
        self._manifest = artifact.manifest
        self._port = port
        self.link = Link(port, line, timeout_s)
        try:
            self.hello = self.link.enter()
        except BaseException:
            port.close()
            raise

    @property
    def name(self) -> str:
        return self._name

    def fingerprint(self) -> bytes:
        return self.hello.fingerprint

    def run(self, inputs: Array, *, layers: bool = False, progress: Progress | None = None) -> RunResult:
        """See Device.run; `cycles` are microseconds by the board's own clock (none with `layers`)."""
        output_bytes, tails = self.hello.output_bytes, self.hello.layer_count if layers else 1
        outputs = np.empty((len(inputs), output_bytes), np.int8)
        numbers = np.empty((len(inputs), tails), np.uint32)
        for i, x in enumerate(inputs):
            kind = Kind.CHECKSUMS if layers else Kind.RUN
            answer = self._ask(kind, self._stored(x), output_bytes + 4 * tails)
            outputs[i] = np.frombuffer(answer, np.int8, output_bytes)
            numbers[i] = np.frombuffer(answer, "<u4", offset=output_bytes)
            if progress:
                progress(i + 1)
        shape = self._manifest.output.shape[1:]
        if output_bytes == np.prod(shape, dtype=np.int64):
            outputs = outputs.reshape(len(inputs), *shape)
        return RunResult(outputs, layers=numbers) if layers else RunResult(outputs, cycles=numbers[:, 0])

    def dump(self, x: Array, layer: int) -> Array:
        size = int(np.prod(self._manifest.layers[layer].shape, dtype=np.int64))
        request = self._stored(x) + layer.to_bytes(4, "little")
        return np.frombuffer(self._ask(Kind.DUMP, request, size), np.int8)

    def counters(self) -> Counters:
        answer = self._ask(Kind.COUNTERS, b"", COUNTERS.size)
        return Counters(*COUNTERS.unpack(answer))

    def repl(self, code: str) -> str:
        """What `code` prints when the board's MicroPython executes it."""
        return self.link.execute(code)

    def close(self) -> None:
        """Give the board's REPL back and close the port."""
        self.link.leave()
        self._port.close()

    def _stored(self, x: Array) -> bytes:
        """One input as the board stores it; ValueError when it is not int8 of the right size."""
        if x.dtype != np.int8 or x.size != self.hello.input_bytes:
            raise ValueError(f"input holds {x.size} {x.dtype}, the board takes {self.hello.input_bytes}")
        return np.ascontiguousarray(x).tobytes()

    def _ask(self, kind: Kind, payload: bytes, answer_bytes: int) -> bytes:
        """The answer, which must have exactly `answer_bytes`."""
        answer = self.link.request(kind, payload, answer_bytes)
        if len(answer) != answer_bytes:
            raise VerificationError(
                f"{self._name} answered a {kind.name.lower()} frame with {len(answer)} bytes instead of "
                f"{answer_bytes}: it runs another firmware, flash it with `firmnet flash`"
            )
        return answer
