"""Does every kind of port that the help promises lead to a board, and every other to one clear sentence?"""

import errno
import os
import select
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import serial as pyserial
from board_twin import BoardTwin, inputs, powered, save_artifact, two_layers
from serial.urlhandler import protocol_socket
from shared_port import shared

from firmnet.artifact import Artifact
from firmnet.devices import serial
from firmnet.errors import UserError, VerificationError
from firmnet.verify import verify


class Wire:
    """The board's end of a pseudo-terminal, with a socket's methods."""

    def __init__(self, end: int) -> None:
        self.end, self.timeout_s = end, None

    timeout_s: float | None

    def settimeout(self, timeout_s: float | None) -> None:
        self.timeout_s = timeout_s

    def recv(self, size: int) -> bytes:
        if not select.select([self.end], [], [], self.timeout_s)[0]:
            raise TimeoutError
        return os.read(self.end, size)

    def sendall(self, data: bytes) -> None:
        data = bytes(data)
        while data:
            data = data[os.write(self.end, data) :]


@contextmanager
def wired(board: BoardTwin) -> Iterator[str]:
    """The path of a serial port of this machine, a pseudo-terminal, with the board at its other end."""
    end, line = os.openpty()
    tty.setraw(line)

    def live() -> None:
        with suppress(OSError):
            board.repl(Wire(end))  # type: ignore[arg-type]

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield os.ttyname(line)
    finally:
        os.close(line)
        thread.join(timeout=5)
        os.close(end)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(serial, "APPEARS_S", 0.4)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return save_artifact(tmp_path / "twin", two_layers())


@pytest.fixture
def board() -> BoardTwin:
    return BoardTwin(two_layers())


@pytest.mark.parametrize("scheme", ["", "spy://", "alt://"])
def test_a_port_of_this_machine(artifact: Artifact, board: BoardTwin, scheme: str) -> None:
    with wired(board) as path, serial.open(artifact, scheme + path) as device:
        assert verify(artifact, device, inputs(3)).ok


def test_a_port_behind_an_rfc2217_server(artifact: Artifact, board: BoardTwin) -> None:
    with powered(board) as plain, shared(plain) as url, serial.open(artifact, url) as device:
        assert url.startswith("rfc2217://")
        assert verify(artifact, device, inputs(3)).ok


def test_a_plain_tcp_port_is_no_rfc2217_server(artifact: Artifact, board: BoardTwin) -> None:
    with powered(board) as url, pytest.raises(UserError, match=r"nothing there speaks RFC 2217.*socket://"):
        serial.open(artifact, url.replace("socket://", "rfc2217://"))


def test_a_loop_is_no_board(artifact: Artifact) -> None:
    with pytest.raises(VerificationError, match=r"everything that is sent comes back, so there is no board"):
        serial.open(artifact, "loop://")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("telnet://host:23", r"there are no telnet:// ports; give a serial port, socket://host:port"),
        ("\x1b[2J://x", r"cannot open serial port \\x1b\[2J://x: there are no"),
        ("://", r"cannot open serial port ://"),
        ("socket://localhost", r"cannot open serial port socket://localhost: write it as socket://host:port"),
        ("socket://localhost:none", r"cannot open serial port .*socket://host:port"),
        ("socket://localhost:99999", r"cannot open serial port .*socket://host:port"),
        ("socket://no.such.host.invalid:1", r"cannot open serial port .*socket://no.such.host.invalid:1"),
        ("rfc2217://localhost", r"cannot open serial port .*rfc2217://host:port"),
        ("rfc2217://localhost:1", r"cannot open serial port .*Connection refused"),
        ("loop://?nonsense=1", r"cannot open serial port .*loop://"),
        ("spy://", r"cannot open serial port spy://"),
        ("hwgrep://.", r"cannot open serial port hwgrep://\.: it would open whatever port fits first"),
        ("spy://hwgrep://.", r"cannot open serial port .*: it would open whatever port fits first"),
        ("cp2110://", r"cannot open serial port cp2110://"),
        ("", r"cannot open serial port"),
        ("/dev/null", r"cannot open serial port /dev/null"),
        ("/tmp", r"cannot open serial port /tmp"),
    ],
)
def test_what_is_no_port_is_one_sentence(artifact: Artifact, url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        serial.open(artifact, url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EBUSY, errno.ENOENT], ids=errno.errorcode.get)
def test_a_port_that_is_not_ready_yet_is_tried_again(
    artifact: Artifact, board: BoardTwin, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    honest, ready = pyserial.serial_for_url, time.monotonic() + 0.25

    def slow(*args: Any, **options: Any) -> pyserial.SerialBase:
        if time.monotonic() < ready:
            raise pyserial.SerialException(reason, f"could not open port: {os.strerror(reason)}")
        return honest(*args, **options)

    monkeypatch.setattr(pyserial, "serial_for_url", slow)
    with powered(board) as url, serial.open(artifact, url) as device:
        assert verify(artifact, device, inputs(1)).ok


@pytest.mark.parametrize(
    ("reason", "said"),
    [(errno.EACCES, r"dialout.*udev rule"), (errno.EBUSY, r"another program has it open.*ModemManager")],
    ids=["EACCES", "EBUSY"],
)
def test_a_port_that_never_gets_ready(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, reason: int, said: str
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise pyserial.SerialException(reason, f"could not open port: {os.strerror(reason)}")

    monkeypatch.setattr(pyserial, "serial_for_url", refuse)
    with pytest.raises(UserError, match=said):
        serial.open(artifact, "/dev/ttyACM0")
