"""Does a serial line deliver every byte as it was sent? If not: what does it change, and how is that mended?

The board's own Python, or its C runtime, sends all 256 values and tells in hex which it received, so that
nothing but printable text and the REPL's few keys must pass for the answer to be right.
"""

import re
import time
from dataclasses import dataclass
from difflib import SequenceMatcher

from .frames import EVERY_BYTE, ByteStream, Receiver

PROBE = (
    "import _firmnet as f,micropython as m,binascii as b;m.kbd_intr(-1);r=bytearray(300);"
    "f.write(bytes((60,))+bytes(range(255,-1,-1)));n=f.read(r,{silence_ms});m.kbd_intr(3);"
    "print(chr(91)+str(n)+chr(58)+b.hexlify(r).decode()+chr(93))"
)
"""Has none of the characters <, [ and ] that mark what it prints, for the REPL may echo it."""
SILENCE_S = 1.5
"""So much silence ends what the board reads: the C runtime's EXAMINED_MS; a REPL may be told otherwise."""
REPLS = ((b"\x03\x03\r\x01", b"\x04"), (b"\x03\x03\x02\r", b"\r"))
"""How to reach the raw and the friendly REPL, and have it execute: where one fails, the other may not."""
QUESTION = b"?line\r"
"""What has the C runtime do the same."""
NOBODY = b": firmnet's C runtime has no prompt"
"""How that answers keys."""
BACK_AT_REPL_S = 7.0
"""A board that still serves frames is back at its REPL by then."""
QUIET_S = 0.4
SETTLED_S = 2.0
"""What goes on for longer will not end."""
CR, LF, XON, XOFF, IAC = 0x0D, 0x0A, 0x11, 0x13, 0xFF


@dataclass(frozen=True)
class Examination:
    """A line to examine: its port, its receiver, whose text goes astray meanwhile, and its slowest pace.

    `prompts`: the board has a REPL, else the C runtime.
    """

    port: ByteStream
    receiver: Receiver
    bytes_per_s: float
    prompts: bool = True


@dataclass(frozen=True)
class Change:
    """What a line does to bytes, and the fix."""

    does: str
    fix: str


EIGHTH_BIT = Change("changes the eighth bit", "set it to 8 data bits, no parity")


def examine(line: Examination) -> str:
    """One sentence on what the line changes; "" when it changes nothing, nothing regular, or nobody answers.

    Leaves a board that has one at its REPL. Raises OSError when the port breaks.
    """
    deadline = time.monotonic() + BACK_AT_REPL_S
    attempt = talks = 0
    while time.monotonic() < deadline:
        silence_s = SILENCE_S * (1 + talks) if line.prompts else SILENCE_S
        _ask(line, attempt, silence_s)
        attempt += 1
        if _read_until(line, b"<", 1.0) is None:
            continue
        out = _read_quiet(line)
        line.port.write(EVERY_BYTE)
        told = _read_until(line, b"]", silence_s + 2.5)
        found = re.search(rb"\[(?:(\d+):)?((?:[0-9a-f]{2})*)\]", told or b"")
        received = bytes.fromhex(found[2].decode())[: int(found[1] or len(found[2]))] if found else b""
        if min(len(out), len(received)) > len(EVERY_BYTE) // 2:
            return sentence(changes(received), changes(out))
        if not found and changes(out) == (EIGHTH_BIT,):  # what the board told is as illegible
            return sentence((), (EIGHTH_BIT,))
        if not talks:  # somebody is there: a computer that is busy may have missed the rest
            deadline = time.monotonic() + BACK_AT_REPL_S
        talks += 1
    return ""


def _ask(line: Examination, attempt: int, silence_s: float) -> None:
    """Have the board send every byte and tell which it receives then, until it is silent for so long."""
    if attempt or not line.prompts:  # what comes without a pause before it belongs to what came before
        _settle(line)
    if not line.prompts:
        line.port.write(QUESTION)
        return
    keys, execute = REPLS[attempt % len(REPLS)]
    line.port.write(keys)
    _read_until(line, b">", 0.5)
    line.receiver.discard()
    line.port.write(PROBE.format(silence_ms=round(1000 * silence_s)).encode() + execute)


def changes(got: bytes) -> tuple[Change, ...]:
    """What a line did to EVERY_BYTE that made it `got`; empty for nothing, or nothing that is regular."""
    seven_bits = bytes(value & 0x7F for value in EVERY_BYTE)
    if got != EVERY_BYTE and bytes(value & 0x7F for value in got) == seven_bits:
        return (EIGHTH_BIT,)
    lost: set[int] = set()
    moved: set[int] = set()
    for what, start, end, at, to in SequenceMatcher(None, EVERY_BYTE, got, autojunk=False).get_opcodes():
        if what == "delete":
            lost |= set(EVERY_BYTE[start:end])
        elif what != "equal":
            moved |= {*EVERY_BYTE[start:end], *got[at:to]}
    controls = {*range(32), 127}
    if moved - {CR, LF, IAC} or lost - controls - {IAC}:
        return ()
    found = []
    if IAC in lost | moved:
        found.append(Change("doubles or drops 0xFF, as telnet does", "give the port as rfc2217:// instead"))
    if moved & {CR, LF} or lost & {CR, LF}:
        found.append(Change("translates line ends (CR, LF)", "set it to raw (`stty raw -echo`)"))
    if lost & {XON, XOFF}:
        found.append(
            Change("swallows XON and XOFF", "switch software flow control off (`stty -ixon -ixoff`)")
        )
    eaten = sorted(lost - {CR, LF, XON, XOFF, IAC})
    if eaten:
        listed = ", ".join(f"0x{value:02x}" for value in eaten[:8]) + (", …" if len(eaten) > 8 else "")
        found.append(Change(f"swallows the control characters {listed}", "set it to raw (`stty raw -echo`)"))
    return tuple(found)


def sentence(towards: tuple[Change, ...], back: tuple[Change, ...]) -> str:
    """For people: what the line does in each direction, and each fix once; "" when it does nothing."""
    if not (towards or back):
        return ""
    ways = [
        f"{where} it " + " and ".join(change.does for change in found)
        for where, found in (("towards the board", towards), ("from the board", back))
        if found
    ]
    fixes = dict.fromkeys(change.fix for change in (*towards, *back))
    return f"the line does not carry every byte: {'; '.join(ways)}; {', and '.join(fixes)}"


def _read_until(line: Examination, marker: bytes, wait_s: float) -> bytes | None:
    """Text up to `marker`; None, and it is dropped, when that does not come."""
    return line.receiver.until(marker, time.monotonic() + wait_s)


def _settle(line: Examination) -> None:
    """Let what is still on its way come, an echo of many bytes for instance."""
    deadline = time.monotonic() + SETTLED_S
    while time.monotonic() < deadline and _read_quiet(line):
        pass


def _read_quiet(line: Examination) -> bytes:
    """What comes until the line is quiet, or has delivered twice what it should."""
    out = b""
    heard = time.monotonic()
    while time.monotonic() - heard < QUIET_S and len(out) < 2 * len(EVERY_BYTE):
        got = line.receiver.take(2 * len(EVERY_BYTE))
        if got:
            out, heard = out + got, time.monotonic()
    return out
