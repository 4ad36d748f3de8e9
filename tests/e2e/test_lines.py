"""Is a line that changes bytes recognised and named? The emulated board is behind each of these."""

import contextlib
import time

import pytest
from board_checks import random_inputs
from noisy_line import Damage, even_parity, noisy, replacing, seven_bits, without

from firmnet.artifact import Artifact
from firmnet.devices import qemu, serial
from firmnet.devices.frames import EVERY_BYTE, Frame, Message, Receiver, harmless, new_session
from firmnet.errors import VerificationError
from firmnet.verify import verify

LINES = {
    "seven bits both ways": (seven_bits, seven_bits, "changes the eighth bit.*8 data bits, no parity"),
    "a parity bit from the board": (bytes, even_parity, "from the board it changes the eighth bit"),
    "LF becomes CR LF from the board": (bytes, replacing(b"\n", b"\r\n"), "from the board it translates"),
    "CR becomes LF towards the board": (replacing(b"\r", b"\n"), bytes, "towards the board it translates"),
    "XON and XOFF swallowed": (without(0x11, 0x13), without(0x11, 0x13), "swallows XON and XOFF.*-ixon"),
    "Ctrl-C eaten": (without(0x03), bytes, "towards the board it swallows the control characters 0x03"),
    "Ctrl-D eaten": (without(0x04), bytes, "towards the board it swallows the control characters 0x04"),
    "Ctrl-A eaten": (without(0x01), bytes, "towards the board it swallows the control characters 0x01"),
    "telnet": (bytes, replacing(b"\xff", b"\xff\xff"), "from the board it doubles or drops 0xFF.*rfc2217://"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_changes_bytes_is_named(small: Artifact, name: str) -> None:
    towards, back, said = LINES[name]
    with (
        qemu.emulated(small) as emulator,
        noisy(emulator.url, Damage(towards=towards, back=back), 0) as line,
        pytest.raises(VerificationError, match=rf"the line does not carry every byte: .*{said}"),
        serial.open(small, line) as device,
    ):
        verify(small, device, random_inputs(small, 20))


def test_a_computer_that_is_late_once_names_it_too(small: Artifact) -> None:
    """The bytes that test the line reach a board that has given up, and then a REPL as keys."""
    late = []

    def stalling(data: bytes) -> bytes:
        if EVERY_BYTE[64:96] in data and not late:
            late.append(data)
            time.sleep(2.5)
        return without(0x01)(data)

    with (
        qemu.emulated(small) as emulator,
        noisy(emulator.url, Damage(towards=stalling), 0) as line,
        pytest.raises(VerificationError, match="towards the board it swallows the control characters 0x01"),
        serial.open(small, line, timeout_s=4.0) as device,
    ):
        verify(small, device, random_inputs(small, 2))
    assert late


def test_a_prompt_that_reads_greetings_does_not_begin_anew(small: Artifact) -> None:
    """The host greets whoever is silent, and that may be a board that is late at its prompt."""
    with (
        qemu.emulated(small) as emulator,
        contextlib.closing(serial.open_port(emulator.url, small.board.link.baud)) as port,
    ):
        line = Receiver(port)
        port.write(b"\r\x03\x02")
        assert line.until(b">>> ", time.monotonic() + 30) is not None
        port.write(b"here=1\r")
        port.timeout = 0.005
        for i in range(60):
            port.write((b"\r\x03\r\x01", b"\r\x03\x02")[i % 2])
            session = new_session()
            for number in range(1, 20):
                port.write(harmless(Frame(Message.HELLO, session, number)).encode())
                port.read(1000)
        port.write(b"\r\x03\x03\x02\rprint('ended', 'here' in globals())\r")
        assert line.until(b"ended True", time.monotonic() + 10) is not None, bytes(line.said)
