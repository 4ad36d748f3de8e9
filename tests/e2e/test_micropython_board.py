"""Do people's own programs live on the board? They start, stop, start again, and never shut the host out."""

from collections.abc import Iterator

import pytest
import serial
from board_checks import random_inputs
from prompt import PATIENCE_S

from firmnet import devices
from firmnet.artifact import Artifact
from firmnet.devices.qemu import emulated
from firmnet.verify import verify

BEGINS = b"running main.py: Ctrl-C stops it\r\napp hello 5\r\n"
CTRL_C, CTRL_D, RAW, FRIENDLY = b"\x03", b"\x04", b"\x01", b"\x02"
OBEY, RAISE, DEFY, TALK = range(4)


class Board:
    """A port, read until something is said."""

    def __init__(self, port: serial.SerialBase) -> None:
        self.port = port

    def until(self, text: bytes) -> bytes:
        heard: bytes = self.port.read_until(text)
        assert heard.endswith(text), f"no {text!r} after {heard!r}"
        return heard

    def send(self, data: bytes) -> None:
        self.port.write(data)

    def wish(self, number: int) -> None:
        """From its prompt: the app begins anew, and does that."""
        self.send(b"import inhabited; inhabited.input[0] = %d\r" % number)
        self.until(b"\r\n>>> ")
        self.send(CTRL_D)
        self.until(BEGINS)


@pytest.fixture
def board(inhabited: Artifact) -> Iterator[Board]:
    """One that has just booted: its app runs."""
    with emulated(inhabited) as it, serial.serial_for_url(it.url, timeout=PATIENCE_S) as port:
        board = Board(port)
        board.until(BEGINS)
        yield board


@pytest.fixture
def stopped(board: Board) -> Board:
    """At its prompt."""
    board.send(CTRL_C)
    assert b"KeyboardInterrupt" in board.until(b">>> ")
    return board


def test_the_app_starts_at_boot_stops_and_starts_again(stopped: Board) -> None:
    stopped.send(b"GREETING == 'hello'\r")
    assert b"\r\nTrue\r\n" in stopped.until(b">>> ")  # what it made is there to look at
    stopped.send(CTRL_D)
    assert b"MPY: soft reboot" in stopped.until(BEGINS)


def test_a_soft_reset_at_the_raw_prompt_does_not_start_it(stopped: Board) -> None:
    stopped.send(RAW)
    stopped.until(b"raw REPL; CTRL-B to exit\r\n>")
    stopped.send(CTRL_D)
    assert BEGINS not in stopped.until(b"raw REPL; CTRL-B to exit\r\n>")


def test_its_exception_is_shown_and_leaves_the_prompt(stopped: Board) -> None:
    stopped.wish(RAISE)
    shown = stopped.until(b">>> ").decode().splitlines()[:3]
    assert shown[1:] == ['  File "main.py", line 18, in <module>', "ValueError: as wished"]


def test_one_that_catches_ctrl_c_is_stopped_in_the_end(stopped: Board) -> None:
    stopped.wish(DEFY)
    for _ in range(3):
        stopped.send(CTRL_C)
        stopped.until(b"caught\r\n")
    stopped.send(CTRL_C)
    assert b"MPY: what catches Ctrl-C was stopped" in stopped.until(b">>> ")
    stopped.send(CTRL_D)
    stopped.until(BEGINS)


@pytest.mark.parametrize("wish", [OBEY, DEFY, TALK], ids=["obeys", "defies", "talks"])
def test_the_board_is_verified_and_starts_its_app_again(inhabited: Artifact, wish: int) -> None:
    with emulated(inhabited) as it:
        with serial.serial_for_url(it.url, timeout=PATIENCE_S) as port:
            board = Board(port)
            board.until(BEGINS)
            board.send(CTRL_C)
            board.until(b">>> ")
            board.wish(wish)
        with devices.open(it.url, inhabited) as device:
            assert verify(inhabited, device, random_inputs(inhabited, 2), layers=True).ok
        with serial.serial_for_url(it.url, timeout=PATIENCE_S) as port:
            port.write(CTRL_C)
            assert b'File "main.py"' in Board(port).until(b"KeyboardInterrupt: \r\n")
