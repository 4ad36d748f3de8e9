"""Does a board that lies ever pass for verified? Each lie is told by the real protocol to the real command.

The board is a BoardTwin. A lie may change every frame before it is sent, and all CRCs are made right again.
"""

import itertools
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from board_twin import BoardTwin, powered, save_artifact, two_layers
from lying import hello_with
from serial.urlhandler import protocol_socket

from firmnet import cli
from firmnet.artifact import Artifact
from firmnet.devices import frames, link, serial, transparency
from firmnet.devices.frames import ANSWER, CRC, FILLER, HEADER, Frame, Message

Lie = Callable[["Liar", Frame], bytes]
"""What the line gets in place of a frame; the liar is there for lies that need to remember."""
ASKED = CRC.size


class Liar(BoardTwin):
    """A board that sends `lie(frame)` where an honest one sends `frame`."""

    def __init__(self, lie: Lie) -> None:
        super().__init__(two_layers())
        self.lie, self.kept, self.hellos = lie, [], itertools.count()
        self._half = b""

    kept: list[Frame]

    def _c_module(self) -> SimpleNamespace:
        module = super()._c_module()
        module.write = self._speak
        return module

    def _speak(self, part: bytes) -> None:
        self._half = (self._half + bytes(part)).lstrip(FILLER)
        if len(self._half) < HEADER.size:
            return
        _, kind, version, session, number, length, _ = HEADER.unpack_from(self._half)
        whole = HEADER.size + length + CRC.size
        if len(self._half) >= whole:
            frame = Frame(kind, session, number, self._half[HEADER.size :][:length], version)
            self._half = self._half[whole:]
            self._line.sendall(self.lie(self, frame))


def at(kind: Message, change: Callable[[Frame], Frame | bytes]) -> Lie:
    """Lie in answers of one kind only."""

    def lie(board: Liar, frame: Frame) -> bytes:
        said = change(frame) if frame.kind == kind | ANSWER else frame
        return said if isinstance(said, bytes) else said.encode()

    return lie


def in_hello(**changes: object) -> Lie:
    """Say other fields, or other `names`, in hello."""
    return at(Message.HELLO, lambda frame: hello_with(frame, **changes))


INPUT, OUTPUT = b"input x int8 64", b"output scores int8 10"


def with_ports(*ports: bytes) -> Lie:
    """Say in hello that these are the inputs, outputs and states."""
    return in_hello(names=b"\0".join((b"twin", b"0", *ports)))


def in_payload(kind: Message, change: Callable[[bytes], bytes]) -> Lie:
    """Answer with another payload behind the right request's CRC-32."""
    return at(kind, lambda f: replace(f, payload=f.payload[:ASKED] + change(f.payload[ASKED:])))


def replayed(board: Liar, frame: Frame) -> bytes:
    if frame.kind == Message.RUN | ANSWER:
        board.kept.append(frame)
        return board.kept[0].encode()
    return frame.encode()


def swapped(board: Liar, frame: Frame) -> bytes:
    if frame.kind == Message.RUN | ANSWER:
        board.kept.append(frame)
        return replace(frame, payload=board.kept[0].payload).encode()
    return frame.encode()


def constant(board: Liar, frame: Frame) -> bytes:
    if frame.kind == Message.RUN | ANSWER:
        board.kept.append(frame)
        return replace(frame, payload=frame.payload[:ASKED] + board.kept[0].payload[ASKED:]).encode()
    return frame.encode()


def other_hello_later(board: Liar, frame: Frame) -> bytes:
    if frame.kind == Message.HELLO | ANSWER and next(board.hellos) > 1:  # two are of the first connection
        return in_hello(layer_count=5)(board, frame)
    return frame.encode()


def reset_in_secret(board: Liar, frame: Frame) -> bytes:
    return in_hello(session_before=0)(board, frame)


def talks_to_others(board: Liar, frame: Frame) -> bytes:
    return in_hello(session_before=77)(board, frame)


def short_dump(board: Liar, frame: Frame) -> bytes:
    if frame.kind == Message.CHECKSUMS | ANSWER:
        return in_payload(Message.CHECKSUMS, lambda p: p[:-8] + bytes(8))(board, frame)
    frame_of_run = in_payload(Message.DUMP, lambda p: p[:-1])(board, frame)
    return frame_of_run if frame.kind == Message.DUMP | ANSWER else constant(board, frame)


def fault(text: bytes) -> Callable[[Frame], Frame]:
    return lambda frame: replace(frame, kind=Message.FAULT, payload=frame.payload[:ASKED] + text)


def huge(frame: Frame) -> bytes:
    head = struct.pack("<BBIII", frame.kind, frame.version, frame.session, frame.number, 2**32 - 1)
    return frames.MAGIC + head + CRC.pack(frames.zlib.crc32(head)) + bytes(64)


def flipped_output(payload: bytes) -> bytes:
    return bytes([payload[0] ^ 1]) + payload[1:]


@dataclass(frozen=True)
class Case:
    """A lie and the sentence that must answer it."""

    lie: Lie
    said: str
    layers: bool = False
    awake_s: float = 3.0


RUN, SUMS = Message.RUN, Message.CHECKSUMS
CASES = {
    "another fingerprint": Case(in_hello(fingerprint=bytes(32)), r"runs another firmware: its fingerprint"),
    "no input bytes": Case(with_ports(b"input x int8 0", OUTPUT), r"input \(x int8 0\) should be x int8 64"),
    "no output bytes": Case(
        with_ports(INPUT, b"output scores int8 0"), r"its output \(scores int8 0\) should be scores int8 10"
    ),
    "more output bytes": Case(with_ports(INPUT, b"output scores int8 20"), r"its output \(scores int8 20\)"),
    "another type": Case(with_ports(b"input x uint8 64", OUTPUT), r"its input \(x uint8 64\)"),
    "another name": Case(with_ports(b"input y int8 64", OUTPUT), r"its input \(y int8 64\)"),
    "no output": Case(with_ports(INPUT), r"its count of inputs, outputs and states \(1\) should be 2"),
    "a state that is none": Case(with_ports(INPUT, OUTPUT, b"state h int8 4"), r"outputs and states \(3\)"),
    "no layers": Case(in_hello(layer_count=0), r"its layer count \(0\) should be 2", layers=True),
    "one layer more": Case(in_hello(layer_count=3), r"its layer count \(3\) should be 2", layers=True),
    "layers of other sizes": Case(in_hello(sizes=1), r"its layers' sizes \(1\) should be \d+"),
    "no window": Case(in_hello(window=0), r"its window \(0\) should be 1"),
    "a window without end": Case(in_hello(window=5000), r"its window \(5000\) should be 8"),
    "another baud rate": Case(in_hello(baud=9600), r"its baud rate \(9600\) should be 115200"),
    "another model": Case(in_hello(names=b"other\0000"), r"its model \(other\) should be twin"),
    "another firmnet": Case(in_hello(names=b"twin\0009"), r"its firmnet version \(9\) should be 0"),
    "a name that clears the screen": Case(in_hello(names=b"\x1b[2J\0000"), r"its model \(\\x1b\[2J\)"),
    "a version that rings and colours": Case(
        in_hello(names=b"twin\0\x07\x1b[31m"), r"version \(\\x07\\x1b\[31m\)"
    ),
    "hello without names": Case(in_hello(names=b""), r"said hello in 56 bytes that are none"),
    "hello cut off": Case(
        in_payload(Message.HELLO, lambda p: p[:20]), r"said hello in 20 bytes that are none"
    ),
    "hello of a thousand bytes": Case(
        in_payload(Message.HELLO, lambda p: p + bytes(2000)), r"announces 2,\d+ bytes where at most 1,024"
    ),
    "link of another version": Case(
        at(Message.HELLO, lambda f: replace(f, version=9)), r"speaks link version 9, this firmnet version 6"
    ),
    "another text than tests the line": Case(
        in_payload(Message.HELLO, lambda p: p[:-1] + b"x" if len(p) > 256 else p), r"sent back another text"
    ),
    "another hello after a reconnection": Case(
        other_hello_later, r"its layer count \(5\) should be 2", awake_s=0.0
    ),
    "reset and kept quiet": Case(reset_in_secret, r"was reset in the middle of the run", awake_s=0.0),
    "served another meanwhile": Case(talks_to_others, r"talked to another program", awake_s=0.0),
    "empty output": Case(in_payload(RUN, lambda p: b""), r"answered a run frame with 0 bytes instead of 14"),
    "output too short": Case(in_payload(RUN, lambda p: p[:-1]), r"with 13 bytes instead of 14"),
    "output too long": Case(in_payload(RUN, lambda p: p + b"\0"), r"with 15 bytes instead of 14"),
    "a length of four gigabytes": Case(at(RUN, huge), r"announces 4,294,967,295 bytes"),
    "microseconds that are no number": Case(
        in_payload(RUN, lambda p: p[:10] + struct.pack("<f", float("nan"))), r"claims to have .* for 2143 s"
    ),
    "an answer replayed": Case(replayed, r"answered request \d+ once more instead of request \d+: a replay"),
    "answers swapped": Case(swapped, r"gave the answer to request \d+ as that to request \d+"),
    "the answer to another input": Case(
        at(RUN, lambda f: replace(f, payload=bytes(4) + f.payload[4:])), r"for another input than was sent"
    ),
    "an answer without its request": Case(
        at(RUN, lambda f: replace(f, payload=b"")), r"its CRC-32 is missing"
    ),
    "an answer of another session": Case(
        at(RUN, lambda f: replace(f, session=f.session ^ 1)), r"answer of another conversation.*a replay"
    ),
    "an answer to a request to come": Case(
        at(RUN, lambda f: replace(f, number=f.number + 99)), r"answered request \d+, which was never sent"
    ),
    "an answer of another kind": Case(
        at(RUN, lambda f: replace(f, kind=Message.DUMP | ANSWER)), r"a run frame with one of kind 132"
    ),
    "the same answer to every input": Case(constant, r"not verified: 1 of 4 outputs bit-exact"),
    "one wrong bit": Case(in_payload(RUN, flipped_output), r"not verified: 0 of 4 .*same wrong outputs came"),
    "too few checksums": Case(
        in_payload(SUMS, lambda p: p[:-4]), r"checksums frame with 14 bytes instead of 18", layers=True
    ),
    "no checksums": Case(in_payload(SUMS, lambda p: p[:10]), r"with 10 bytes instead of 18", layers=True),
    "too many checksums": Case(in_payload(SUMS, lambda p: p + p[-4:]), r"with 22 bytes", layers=True),
    "wrong checksums": Case(
        in_payload(SUMS, lambda p: p[:-4] + bytes(4)), r"not verified.*wrong layer is 'scores'", layers=True
    ),
    "a dump of the wrong size": Case(short_dump, r"answered a dump frame with 15 bytes instead of 16"),
    "endless faults": Case(at(RUN, fault(b"no time")), r"cannot answer a run frame: no time"),
    "a fault that takes over the terminal": Case(
        at(RUN, fault(b"\x1b]0;owned\x07\x1b[2J\n\n" * 9)), r"frame: \\x1b\]0;owned\\x07\\x1b\[2J\\n.*…"
    ),
    "endless NAKs": Case(
        at(RUN, lambda f: Frame(Message.NAK, f.session, 0)), r"the board found what came damaged \d+ times"
    ),
    "a stranger for ever": Case(
        at(RUN, lambda f: Frame(Message.STRANGER, f.session, f.number)), r"same run frame again and again"
    ),
    "prints instead of answers": Case(
        at(RUN, lambda f: b"Traceback \x1b[31m\r\n" * 99), r"nothing valid came back|the same run frame"
    ),
    "sends every request back": Case(
        at(Message.HELLO, lambda f: replace(f, kind=Message.HELLO)), r"everything that is sent comes back"
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(frames, "GAP_S", 0.1)
    monkeypatch.setattr(link, "PATIENCE_S", 0.1)
    monkeypatch.setattr(transparency, "BACK_AT_REPL_S", 0.1)
    monkeypatch.setitem(serial.open.__kwdefaults__, "timeout_s", 0.7)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return save_artifact(tmp_path_factory.mktemp("lies") / "twin", two_layers())


@contextmanager
def verifying(path: Path, board: BoardTwin, *options: str) -> Iterator[int]:
    """The exit code of `firmnet verify`."""
    with powered(board) as url:
        with pytest.raises(SystemExit) as ended:
            cli.main(["verify", str(path), "--port", url, *options])
        yield ended.value.code  # type: ignore[misc]


@pytest.mark.parametrize("name", CASES)
def test_a_lie_is_refused_in_one_sentence(
    artifact: Artifact, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    monkeypatch.setattr(link, "AWAKE_S", case.awake_s)
    with verifying(artifact.path, Liar(case.lie), *(["--layers"] if case.layers else [])) as code:
        printed = "".join(capsys.readouterr())
    assert code in (1, 2)
    assert re.search(case.said, printed), printed
    assert not re.search(r"(?<!not )verified:", printed)
    assert all(character.isprintable() or character == "\n" for character in printed)


@pytest.mark.parametrize("layers", [[], ["--layers"]], ids=["outputs", "layers"])
def test_the_truth_is_verified(
    artifact: Artifact, layers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with verifying(artifact.path, Liar(lambda board, frame: frame.encode()), *layers) as code:
        assert "verified: 4 of 4 outputs bit-exact" in capsys.readouterr().out
    assert code == 0
