"""Who is it that answers, but not as a board with firmnet's firmware does? By what it says of itself."""

import re
from collections import Counter
from dataclasses import dataclass

SAID_BYTES = 4000
"""Of what came that was no answer, the last so many bytes tell who spoke."""
STARTS = re.compile(
    rb"(?i)micropython v|circuitpython \d|\bboot|\brst:|reset|brown.?out|watchdog|panic|\bfault|\bstart"
)
"""What a board says as it starts, or dies."""


GREETING = re.compile(rb"[^\n]*Python [^\n]*\n([^\n]*help\(\)[^\n]*\n)?>>> ")
"""What a REPL says whenever it is asked for: no sign that anything began anew."""


@dataclass(frozen=True)
class Stranger:
    """Something else than a board of ours: how it is recognised, what it is, what to do."""

    sign: re.Pattern[bytes]
    what: str
    fix: str


STRANGERS = (
    Stranger(
        re.compile(rb"uncaught NLR|FATAL: uncaught exception|NLR jump failed"),
        "MicroPython has died on the board, most likely as its RAM was full",
        "press its reset button, stop what it runs at boot, and try again",
    ),
    Stranger(
        re.compile(rb"echo:|\bMarlin\b|\bM\d+ |T:\d+\.\d+ /\d"),
        "a 3D printer's firmware (Marlin or its kind) answers",
        "this is the printer's port: give the board's with --port, or flash the board if this is it",
    ),
    Stranger(
        re.compile(rb"CircuitPython|Auto-reload is|code\.py output"),
        "CircuitPython answers",
        "flash the board with `firmnet flash`, after copying what you want to keep from its drive CIRCUITPY",
    ),
    Stranger(
        re.compile(
            rb"command not found|: not found\s|\b(login|Password): ?$|[\w~)\]] ?[$#] ?(\r|\^C|$)", re.M
        ),
        "a computer's shell or login answers",
        "this is a console, not the board: give the board's port with --port",
    ),
    Stranger(
        re.compile(rb"\[VER:|Grbl \d|\berror:\d+"),
        "Grbl, the firmware of a milling machine, answers",
        "this is the machine's port: give the board's with --port",
    ),
    Stranger(
        re.compile(rb"\+CM[ES] ERROR|(^|\n)ERROR\r?\n|NO CARRIER"),
        "a modem answers",
        "give the board's port with --port",
    ),
)


def who_speaks(said: bytes, unasked: bool) -> tuple[str, str]:
    """What it is, and what to do about it; two empty words where that is not known.

    `unasked`: it goes on without being asked anything.
    """
    if restarts(said):
        return (
            "the board starts again and again",
            "look for a weak supply or cable (a brown-out), a watchdog that nobody feeds, or a firmware that "
            "dies as it starts; then flash it anew",
        )
    for stranger in STRANGERS:
        if stranger.sign.search(said):
            return stranger.what, stranger.fix
    if unasked and said:
        return (
            "it prints by itself all the time and Ctrl-C does not stop it",
            "it runs a program of another kind, or at another baud rate: press its reset button as this "
            "begins, or flash the board with `firmnet flash`",
        )
    return "", ""


def restarts(said: bytes) -> bool:
    """Whether the same words of a beginning come again and again."""
    unasked = GREETING.sub(b"", said)
    lines = Counter(line.strip() for line in unasked.splitlines() if STARTS.search(line))
    return any(count >= 3 for count in lines.values())
