"""How is a board reached? Over any pyserial URL: /dev/ttyACM0, COM3, socket://host:port, rfc2217://…"""

import errno
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import serial  # pyserial, not this file

from ..artifact import Artifact
from ..calls import Prediction
from ..errors import UserError, VerificationError, escaped, first_line
from ..ir import Array, unwrapped
from ..manifest import Manifest
from ..targets import Board, remedy
from .computer import computer
from .crash import Crashed, explain
from .device import (
    Closing,
    Counters,
    Remembering,
    RunResult,
    RunsDone,
    Timed,
    alone,
    real,
    side_by_side,
    stored,
    taken_apart,
)
from .frames import (
    COUNTERS,
    CRC,
    IMAGE,
    INFO,
    MOST_UNDER_WAY,
    PREDICTION,
    STEP_HEAD,
    TEXT_LIMIT_BYTES,
    Message,
    step_payload,
)
from .link import BoardReset, Hello, Link
from .prompt import BoardPrompt
from .rates import setter

POLL_S = 0.1
"""How long one read of the port may wait."""
TIMEOUT_S = 15.0
"""How long a board may be silent when it should answer, beside what its bytes and its MACs need."""
CYCLES_PER_MAC = 20
"""No kernel that is worth waiting for is slower."""
APPEARS_S = 3.0
"""A port that has just appeared may be missing, closed to us or busy for so long."""
NOT_KNOWN = 2**32 - 1
"""What a board says of its free RAM where nobody has told it."""
SETTLING = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EBUSY, errno.EAGAIN)
SCHEMES = ("alt", "cp2110", "loop", "rfc2217", "socket", "spy")
"""What pyserial makes ports of, beside the system's own."""
BAD_URL = (ValueError, TypeError, AttributeError, LookupError, ImportError, NotImplementedError)
"""What pyserial raises for an URL that it cannot make a port of, beside OSError."""


def open(artifact: Artifact, address: str, *, timeout_s: float = TIMEOUT_S) -> "SerialDevice":
    """The board at pyserial URL `address`, made to serve.

    Raises UserError when there is no such port, VerificationError when no firmnet board answers there
    within `timeout_s`, or another than the artifact's.
    """
    baud = artifact.board.link.baud
    return SerialDevice(
        artifact, open_port(address, baud), address, f"{artifact.manifest.board} ({address})", timeout_s
    )


def open_port(url: str, baud: int) -> serial.SerialBase:
    """The port for us alone, DTR set, with short reads; UserError with what to do if it cannot open.

    A port that is not ready yet, as after a board's reset, is tried again for some seconds.
    """
    scheme = check_url(url)
    # A write over rfc2217 has no timeout of its own: the network's ends it.
    limits = {} if scheme == "rfc2217" else {"write_timeout": TIMEOUT_S}
    deadline = time.monotonic() + APPEARS_S
    while True:
        try:  # pyserial sets DTR as it opens, where the line has one
            return serial.serial_for_url(url, baudrate=baud, timeout=POLL_S, exclusive=True, **limits)
        except (OSError, *BAD_URL) as error:
            if not _settling(error) or time.monotonic() >= deadline:
                raise UserError(
                    f"cannot open serial port {escaped(url)} ({escaped(_why(error))}): "
                    f"{_remedy(error, scheme)}"
                ) from None
        time.sleep(POLL_S)


def _why(error: Exception) -> str:
    """The system's own word for it, where it has one: pyserial's says it twice."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else first_line(error)


def check_url(url: str) -> str:
    """The scheme of a pyserial URL, "" of a port's name; UserError for one that can never be opened."""
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if "hwgrep://" in url.lower():
        raise UserError(
            f"cannot open serial port {escaped(url)}: it would open whatever port fits first, which may be "
            "another board's; name the port"
        )
    if scheme and scheme not in SCHEMES:
        raise UserError(
            f"cannot open serial port {escaped(url)}: there are no {escaped(scheme)}:// ports; give a serial "
            "port, socket://host:port or rfc2217://host:port"
        )
    if scheme in ("socket", "rfc2217") and not _has_host_and_port(url):
        raise UserError(f"cannot open serial port {escaped(url)}: write it as {scheme}://host:port")
    return scheme


def _has_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname and parts.port)
    except ValueError:
        return False


def _settling(error: Exception) -> bool:
    """Whether the port may be ready in a moment. On Windows pyserial tells the reason in text only."""
    reasons = ("PermissionError", "FileNotFoundError")
    return getattr(error, "errno", None) in SETTLING or any(reason in str(error) for reason in reasons)


def _remedy(error: Exception, scheme: str) -> str:
    said = str(error)
    if known := remedy(said):
        return known
    if scheme == "rfc2217" and "RFC2217" in said:
        return "nothing there speaks RFC 2217: for a plain TCP port give socket:// instead"
    if scheme and isinstance(error, BAD_URL):
        return "write it as socket://host:port, rfc2217://host:port, or give the name of a serial port"
    seen = ", ".join(f"{p.path} ({p.description})" for p in computer().plugged().ports) or "none"
    return f"connect the board and give its port with --port; serial ports seen here: {seen}"


class ServedDevice(Closing, Remembering):
    """A board that serves frames, whatever its firmware. Layer order and shapes are the artifact's.

    `prompts`: it has a REPL; `remedy`: how it gets what it should run. Meets `Device` and `HasCalls`.
    """

    def __init__(
        self,
        artifact: Artifact,
        port: serial.SerialBase,
        line: str,
        name: str,
        timeout_s: float,
        *,
        prompts: bool,
        remedy: str,
    ) -> None:
        self._name = name
        self._manifest, self._board = artifact.manifest, artifact.board
        self._remedy = remedy
        self._port = port
        self._refusal = ""
        self._known = False
        self._prompts = prompts
        self._python: BoardPrompt | None = None
        self._timed = Timed()
        self._step: int | None = None  # the next; None: the model may have run meanwhile, reset it first
        self._info_bytes = TEXT_LIMIT_BYTES + sum(4 * len(label) + 1 for label in artifact.manifest.labels)
        self._output_bytes = sum(edge.byte_count for edge in artifact.manifest.outputs)
        self._layer_bytes = [layer.byte_count for layer in artifact.manifest.layers]
        board = artifact.board
        self.link = Link(
            port,
            line,
            timeout_s,
            self._check,
            bytes_per_s=board.link.baud / 10,
            work_s=CYCLES_PER_MAC
            * sum(layer.macs for layer in artifact.manifest.layers)
            / min(map(board.clock_hz, board.envs)),
            prompts=self._prompts,
            explain=lambda crash: explain(crash, artifact),
            set_baud=setter(port) if board.link.transport == "uart" else None,
            most_baud=board.link.most_baud,
            greeting_bytes=TEXT_LIMIT_BYTES // 2 + sum(1 + len(port) for port in ports_of(artifact.manifest)),
        )
        try:
            self.hello = self.link.enter()
            self._known = True
        except Crashed:
            port.close()
            raise
        except VerificationError as error:
            port.close()
            raise (VerificationError(f"{error}; {self._of_app()}") if self._manifest.app else error) from None
        except BaseException:
            port.close()
            raise

    @property
    def name(self) -> str:
        return self._name

    def fingerprint(self) -> bytes:
        return self.hello.fingerprint

    def run(self, inputs: Any, *, layers: bool = False, progress: RunsDone | None = None) -> RunResult:
        """See Device.run; `cycles` are microseconds by the board's own clock (none with `layers`)."""
        count, output_bytes = len(self._layer_bytes), self._output_bytes
        tails = count + len(self._manifest.states) if layers else 1
        rows = side_by_side(stored(self._manifest.inputs, inputs))
        outputs = np.empty((len(rows), output_bytes), np.int8)
        numbers = np.empty((len(rows), tails), np.uint32)
        kind = Message.CHECKSUMS if layers else Message.RUN
        asked = (row.tobytes() for row in rows)
        for i, answer in enumerate(self._ask_steps(kind, asked, output_bytes + 4 * tails)):
            outputs[i] = np.frombuffer(answer, np.int8, output_bytes)
            numbers[i] = np.frombuffer(answer, "<u4", offset=output_bytes)
            if not layers:
                self._check_duration(int(numbers[i, 0]) / 1e6, self.link.waited_s)
                self._timed = Timed(self._timed.runs + 1, self._timed.microseconds + int(numbers[i, 0]))
            if progress:
                progress(i + 1)
        made = unwrapped(taken_apart(self._manifest.outputs, outputs))
        if layers:
            return RunResult(made, layers=numbers[:, :count], states=numbers[:, count:])
        return RunResult(made, cycles=numbers[:, 0])

    def reset(self) -> None:
        self._ask(Message.RESTART, b"", 0)
        self._step = 0

    def _snapshot(self) -> bytes:
        if not self._manifest.states:
            return b""
        size = sum(state.byte_count for state in self._manifest.states)
        answer = self._ask(Message.STATE, b"", CRC.size + size)
        (step,) = CRC.unpack_from(answer)
        if self._step is not None and step != self._step:
            raise VerificationError(
                f"{self._name} has run {step:,} steps, where {self._step:,} were asked for: it was reset, or "
                "somebody else ran it; begin anew"
            )
        self._step = step
        return answer[CRC.size :]

    def _restore(self, data: bytes, step: int) -> None:
        self._step = None
        if self._manifest.states:
            self._ask(Message.SET_STATE, step_payload(step, data), 0)
        else:
            self._ask(Message.RESTART, b"", 0)
            step = 0
        self._step = step

    def dump(self, x: Any, layer: int) -> Array:
        (row,) = side_by_side(stored(self._manifest.inputs, alone(x)))
        with self.link.patient():
            (answer,) = self._ask_steps(Message.DUMP, [row.tobytes()], self._layer_bytes[layer], layer)
        return self._manifest.layers[layer].values(answer)

    def predict(self, samples: Any) -> tuple[Prediction, ...]:
        """See HasCalls.predict: by the board's own module, at its prompt, or by the C runtime."""
        self._step = None
        given = real(self._manifest.inputs, samples)
        return self._prompt().predict(given) if self._prompts else self._predict(given)

    def info(self) -> dict[str, Any]:
        """See HasCalls.info; the board serves again after it."""
        if not self._prompts:
            return self._told()[1]
        said = self._prompt().info()
        self.hello = self.link.enter()
        return said

    def _predict(self, samples: Sequence[Array]) -> tuple[Prediction, ...]:
        """By the C runtime, which says index and score of the largest output."""
        room_bytes, told = self._told()
        if sum(x[0].nbytes for x in samples) > room_bytes:
            return ()
        found, labels = [], told["labels"]
        for sample in zip(*samples, strict=True):
            payload = b"".join(x.astype("<f4").tobytes() for x in sample)
            answer = self._ask(Message.PREDICT, payload, PREDICTION.size)
            input_crc, output_crc, index, score = PREDICTION.unpack(answer)
            label = labels[index] if index < len(labels) else index
            found.append(Prediction(input_crc, output_crc, index, score, label))
        return tuple(found)

    def _told(self) -> tuple[int, dict[str, Any]]:
        """The C runtime's room for a sample, and what it says of its firmware."""
        answer = self.link.request(Message.INFO, answer_bytes=self._info_bytes)
        arena_bytes, room_bytes, steps, clock_hz = INFO.unpack_from(answer.ljust(INFO.size, b"\0"))
        board, *labels = [text.decode(errors="replace") for text in answer[INFO.size :].split(b"\0")]
        return room_bytes, {
            "name": self.hello.model,
            "board": board,
            "firmnet": self.hello.firmnet,
            "fingerprint": self.hello.fingerprint.hex(),
            "labels": tuple(labels),
            "arena_bytes": arena_bytes,
            "steps": steps,
            "clock_hz": clock_hz or None,
        }

    def _prompt(self) -> BoardPrompt:
        self._python = self._python or BoardPrompt(self.link, self._manifest)
        return self._python

    def counters(self) -> Counters:
        answer = self._ask(Message.COUNTERS, b"", COUNTERS.size)
        runs, bad_frames, free_bytes, stack_bytes, last_us = COUNTERS.unpack(answer)
        known = None if free_bytes == NOT_KNOWN else free_bytes
        return Counters(runs, bad_frames, known, stack_bytes, last_us)

    def timed(self) -> Timed:
        return self._timed

    def repl(self, code: str) -> str:
        """What `code` prints when the board's MicroPython executes it; UserError where it has none."""
        if not self._prompts:
            raise UserError(f"{self._name} runs the C runtime, which has no prompt to execute code at")
        self._step = None
        return self.link.execute(code)

    def close(self) -> None:
        """Give the board's REPL back, have it start its app again, and close the port."""
        self.link.leave()
        if self._manifest.app:
            self.link.soft_reset()
        self._port.close()

    def _of_app(self) -> str:
        """What may be wrong where the board starts a program of the user's."""
        return (
            f"if it is this firmware, its app {self._manifest.app[0]} may keep the port to itself: "
            "micropython.kbd_intr(-1) and machine code that never returns let no Ctrl-C through; hold "
            "Ctrl-C down in a terminal while you press the board's reset button, and try again"
        )

    def _check(self, hello: Hello) -> None:
        """VerificationError unless all that the board says of itself is the artifact's.

        Of a board that runs another firmware from the start only runs are refused: verify says whose it is.
        """
        wrong = difference(self._manifest, hello, self._board)
        self._refusal = wrong and (f"{self._name} runs another firmware: {wrong}; {self._remedy}")
        stranger = hello.fingerprint.hex() != self._manifest.fingerprint
        if self._refusal and (self._known or not stranger):
            raise VerificationError(self._refusal)

    def _check_duration(self, claimed_s: float, waited_s: float) -> None:
        """VerificationError when the board's own clock says what cannot be; clocks may be wrong by much."""
        if claimed_s > 10 * waited_s + 1:
            raise VerificationError(
                f"{self._name} claims to have computed for {claimed_s:.4g} s, and answered after "
                f"{waited_s:.2g} s: its clock is set wrong, or it runs another firmware"
            )

    def _ask_steps(
        self, kind: Message, inputs: Iterable[bytes], answer_bytes: int, layer: int = 0
    ) -> Iterator[bytes]:
        """The answers to the next steps, each of which the board computes once, however often it is asked."""
        if self._step is None:
            self.reset()
        first, done = self._step or 0, 0
        self._step = None  # unless every answer comes, nobody knows
        payloads = (step_payload(first + i, each, layer) for i, each in enumerate(inputs))
        try:
            for answer in self._answers(kind, payloads, answer_bytes):
                done += 1
                yield answer
        except VerificationError as error:
            if not self._manifest.states:
                raise
            lost = ", and what it remembered is lost" if isinstance(error, BoardReset) else ""
            raise type(error)(f"{error}; the sequence ended before step {first + done}{lost}") from None
        self._step = first + done

    def _ask(self, kind: Message, payload: bytes, answer_bytes: int) -> bytes:
        return next(self._answers(kind, [payload], answer_bytes))

    def _answers(self, kind: Message, payloads: Iterable[bytes], answer_bytes: int) -> Iterator[bytes]:
        """The answers, which must have exactly `answer_bytes`."""
        if self._refusal:
            raise VerificationError(self._refusal)
        for answer in self.link.requests(kind, payloads, answer_bytes):
            if len(answer) != answer_bytes:
                raise VerificationError(
                    f"{self._name} answered a {kind.name.lower()} frame with {len(answer)} bytes instead of "
                    f"{answer_bytes}: it runs another firmware, {self._remedy}"
                )
            yield answer


class SerialDevice(ServedDevice):
    """A board with the artifact's firmware, whose memory can be compared with what was built."""

    def __init__(
        self, artifact: Artifact, port: serial.SerialBase, line: str, name: str, timeout_s: float
    ) -> None:
        super().__init__(
            artifact,
            port,
            line,
            name,
            timeout_s,
            prompts=artifact.manifest.runtime == "micropython",
            remedy=f"flash it with `firmnet flash {artifact.path}`",
        )

    def memory_crc(self, address: int, size: int, crc: int) -> int:
        answer = self._ask(Message.IMAGE, IMAGE.pack(address, size, crc), CRC.size)
        return int(CRC.unpack(answer)[0])


def ports_of(manifest: Manifest) -> tuple[str, ...]:
    """What a board's greeting must say of its inputs, outputs and states."""
    kinds = (("input", manifest.inputs), ("output", manifest.outputs), ("state", manifest.states))
    return tuple(
        f"{what} {each.name} {each.dtype} {each.byte_count}" for what, some in kinds for each in some
    )


def _differing(said: Sequence[str], right: Sequence[str]) -> dict[str, tuple[object, object]]:
    """The first input, output or state that is told otherwise than it should be."""
    pairs = [(told, wanted) for told, wanted in zip(said, right, strict=False) if told != wanted]
    return {f"its {wanted.partition(' ')[0]}": (told, wanted) for told, wanted in pairs[:1]}


def most_under_way(manifest: Manifest, board: Board) -> int:
    """For so many requests the board may have room, where all but one wait in its RAM."""
    waiting_bytes = STEP_HEAD.size + sum(edge.byte_count for edge in manifest.inputs)
    return min(MOST_UNDER_WAY, 1 + board.chip.ram_bytes // waiting_bytes)


def difference(manifest: Manifest, hello: Hello, board: Board) -> str:
    """The first thing in which a board's greeting differs from the manifest; "" when there is none."""
    layers = [layer.byte_count for layer in manifest.layers]
    ports = ports_of(manifest)
    wanted: dict[str, tuple[object, object]] = {
        "its fingerprint": (hello.fingerprint.hex(), manifest.fingerprint),
        "its model": (hello.model, manifest.name),
        "its firmnet version": (hello.firmnet, escaped(manifest.firmnet)),
        "its count of inputs, outputs and states": (len(hello.ports), len(ports)),
        **_differing(hello.ports, ports),
        "its layer count": (hello.layer_count, len(layers)),
        "its layers' sizes": (hello.sizes, zlib.crc32(np.array(layers, "<u4").tobytes())),
        "its window": (hello.window, min(max(hello.window, 1), most_under_way(manifest, board))),
        "its baud rate": (hello.baud, hello.baud and board.link.baud),
    }
    for what, (said, right) in wanted.items():
        if said != right:
            return f"{what} ({shortened(said)}) should be {shortened(right)}"
    return ""


def shortened(value: object) -> str:
    """A fingerprint by its begin; what is said of a port is told from its name on."""
    text = str(value)
    return text.partition(" ")[2][:60] if " " in text else text[:12]
