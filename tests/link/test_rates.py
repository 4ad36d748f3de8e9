"""Do host and board find the fastest rate that the line between them carries, and are both back at their own?

The line is a simulated one, on which nothing comes through while the two ends speak at different rates.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from board_twin import BoardTwin, inputs, save_artifact, two_layers
from c_board import c_artifact, compiled, powered
from shared_port import Boastful, Stubborn, Terminal, shared

from firmnet.artifact import Artifact
from firmnet.devices import serial
from firmnet.devices.frames import Message
from firmnet.simulated import Halt, SimulatedLine
from firmnet.verify import verify

OWN = 115_200


class Wire(SimulatedLine):
    """Keeps the rates at which the board spoke; loses the board's answers to requests of one kind."""

    loses: Message | None = None

    def __init__(self, link: Path) -> None:
        super().__init__(link)
        self.rates: list[int] = []

    def speak_at(self, baud: int, /) -> None:
        super().speak_at(baud)
        self.rates.append(baud)

    def sendall(self, data: bytes, /) -> None:
        lost = self.loses is not None and data[2:3] == bytes([self.loses | 0x80])
        super().sendall(data[: len(data) // 2] if lost else data)


Board = Callable[[], tuple[Artifact, Wire]]


@pytest.fixture(params=["MicroPython", "C runtime"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Artifact, Wire]]:
    """Switched on, behind a port."""
    wire = Wire(tmp_path / "ttyACM0")
    if request.param == "MicroPython":
        artifact = save_artifact(tmp_path / "twin", two_layers())
        with running(lambda: BoardTwin(two_layers()).repl(wire), wire):
            yield artifact, wire
    else:
        artifact = c_artifact(tmp_path / "twin", two_layers(), inputs(4))
        with c_process(compiled(artifact, tmp_path / "board"), wire):
            yield artifact, wire


@contextmanager
def running(program: Callable[[], None], wire: Wire) -> Iterator[None]:
    def run() -> None:
        with suppress(Halt, OSError):
            program()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    wire.close()
    thread.join(timeout=5)
    wire.free()


@contextmanager
def c_process(program: Path, wire: Wire) -> Iterator[None]:
    """The C runtime tells by a pipe at which rate it speaks."""
    told, telling = os.pipe()
    wire.speak_at(OWN)
    with powered(program, rates=telling) as url:
        os.close(telling)
        end = urlsplit(url)
        board = socket.create_connection((end.hostname, end.port))

        def back() -> None:
            while data := board.recv(4096):
                wire.sendall(data)

        def rates() -> None:
            while rate := os.read(told, 4):
                wire.speak_at(int.from_bytes(rate, "little"))

        def towards() -> None:
            while data := wire.recv(4096):
                board.sendall(data)

        for work in (back, rates):
            threading.Thread(target=work, daemon=True).start()
        with running(towards, wire):
            yield
        board.close()


def spoken(wire: Wire, baud: int) -> bool:
    """Whether the board soon speaks at that rate."""
    deadline = time.monotonic() + 2
    while wire.rates[-1] != baud and time.monotonic() < deadline:
        time.sleep(0.01)
    return wire.rates[-1] == baud


def test_the_fastest_rate_is_found_and_left_at_the_end(board: tuple[Artifact, Wire]) -> None:
    artifact, wire = board
    with serial.open(artifact, str(wire.link)) as device:
        assert device.link.baud == wire.baud == wire.rates[-1] == 2_000_000
        assert verify(artifact, device, inputs(20), layers=True).ok
        assert device.link.resends == 0
        assert wire.rates[-1] == 2_000_000  # again, where the prompt was asked for something
    assert wire.baud == OWN
    assert spoken(wire, OWN)


def test_the_rate_of_a_port_on_another_machine_is_raised_too(board: tuple[Artifact, Wire]) -> None:
    artifact, wire = board
    with shared(str(wire.link), Terminal) as url:
        with serial.open(artifact, url) as device:
            assert device.link.baud == wire.baud == wire.rates[-1] == 2_000_000
            assert verify(artifact, device, inputs(5), layers=True).ok
            assert device.link.resends == 0
        assert wire.baud == OWN
        assert spoken(wire, OWN)


@pytest.mark.parametrize(
    ("board", "port"), [("MicroPython", Boastful), ("C runtime", Stubborn)], indirect=["board"]
)
def test_a_server_that_keeps_its_rate_is_used_at_that(board: tuple[Artifact, Wire], port: type) -> None:
    """Whether it says so or claims to have changed it."""
    artifact, wire = board
    with shared(str(wire.link), port) as url, serial.open(artifact, url) as device:
        assert (device.link.baud, wire.baud, wire.rates[-1]) == (0, OWN, OWN)
        assert verify(artifact, device, inputs(5)).ok
    assert max(wire.rates) > OWN, "the board was asked"


def test_an_adapter_that_garbles_is_found_out(board: tuple[Artifact, Wire]) -> None:
    artifact, wire = board
    wire.garbles_above = 460_800
    began = time.monotonic()
    with serial.open(artifact, str(wire.link)) as device:
        assert time.monotonic() - began < 6
        assert device.link.baud == wire.baud == wire.rates[-1] == 460_800
        assert verify(artifact, device, inputs(5)).ok


def test_a_line_that_gets_worse_is_slowed_down(board: tuple[Artifact, Wire]) -> None:
    artifact, wire = board
    with serial.open(artifact, str(wire.link)) as device:
        device.run(inputs(3))
        wire.garbles_above = OWN
        assert verify(artifact, device, inputs(5)).ok
        assert (device.link.baud, wire.baud, wire.rates[-1]) == (0, OWN, OWN)


@pytest.mark.parametrize("kind", [Message.BAUD, Message.HELLO])
def test_where_answers_about_the_rate_are_lost_both_go_back(
    board: tuple[Artifact, Wire], kind: Message
) -> None:
    """The answer to the change itself, or to the frame that tries the new rate out."""
    artifact, wire = board
    speak_at = wire.speak_at

    def fails_when_fast(baud: int) -> None:
        speak_at(baud)
        wire.loses = kind if baud > OWN else None

    if kind == Message.BAUD:
        wire.loses = kind
    else:
        wire.speak_at = fails_when_fast  # type: ignore[method-assign]
    with serial.open(artifact, str(wire.link)) as device:
        assert (device.link.baud, wire.baud, wire.rates[-1]) == (0, OWN, OWN)
        assert verify(artifact, device, inputs(5)).ok


def test_a_board_whose_host_is_gone_is_soon_found_at_its_own_rate(board: tuple[Artifact, Wire]) -> None:
    artifact, wire = board
    device = serial.open(artifact, str(wire.link))
    assert wire.rates[-1] == 2_000_000
    device._port.close()  # killed: nothing is sent
    with serial.open(artifact, str(wire.link)) as again:
        assert verify(artifact, again, inputs(5)).ok
    assert spoken(wire, OWN)


def test_a_terminal_finds_the_prompt_after_five_seconds(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "ttyACM0")
    artifact = save_artifact(tmp_path / "twin", two_layers())
    twin = BoardTwin(two_layers(), idle_ms=300)
    with running(lambda: twin.repl(wire), wire):
        device = serial.open(artifact, str(wire.link))
        device._port.close()
        deadline = time.monotonic() + 5
        while twin.serving and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (twin.serving, wire.rates[-1]) == (False, OWN)
        with serial.open_port(str(wire.link), OWN) as terminal:
            terminal.write(b"\x02")
            assert b">>> " in terminal.read(64)


def test_a_board_file_may_say_how_fast_is_fast_enough(tmp_path: Path) -> None:
    wire = Wire(tmp_path / "ttyACM0")
    artifact = save_artifact(tmp_path / "twin", two_layers())
    link = replace(artifact.board.link, most_baud=1_000_000)
    object.__setattr__(artifact, "board", replace(artifact.board, link=link))
    with (
        running(lambda: BoardTwin(two_layers()).repl(wire), wire),
        serial.open(artifact, str(wire.link)) as device,
    ):
        assert device.link.baud == wire.rates[-1] == 1_000_000
