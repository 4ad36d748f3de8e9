"""How does a model get onto a board with MicroPython of somebody else's, and how is it run there?

Its files are written at the raw REPL, into ROMFS where there is one, read back, and can be imported only when
all of them are right. Then the board serves like any other.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..artifact import Artifact
from ..errors import UserError
from .link import Link
from .romfs import partition, write_image
from .serial import TIMEOUT_S, ServedDevice, open_port
from .stock_files import BytesSent, Files, summary

MPY_VERSION = 6
MPY_SUBVERSION = 3
"""Of machine code."""
ARCHITECTURES = (
    *("", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc"),
)
"""As MicroPython numbers them; of those from armv6m to armv7emdp each runs what those before it do."""
CORTEX_M_CODE = ARCHITECTURES[4:9]
OLDER = "version"


class ChosenFiles(Protocol):
    """Files for a board, and which machine code is in them; another word where there is none."""

    @property
    def files(self) -> Mapping[str, bytes]: ...

    @property
    def architecture(self) -> str: ...

    @property
    def module(self) -> str:
        """Which of them is imported by its user: it takes its name last."""

    @property
    def image(self) -> bytes:
        """All of them as an image of ROMFS."""


ChooseFiles = Callable[[str], ChosenFiles]
"""Files for a board that runs this machine code (`runs`)."""


class StockDevice(ServedDevice):
    """A board that runs a model which was pushed. What its flash holds is not compared: it is not ours."""


def open(artifact: Artifact, address: str, *, timeout_s: float = TIMEOUT_S) -> StockDevice:
    """The board at pyserial URL `address`, to which the artifact's model was pushed, made to serve.

    `timeout_s` is the longest that a run may take.
    """
    name = f"MicroPython ({address})"
    port = open_port(address, artifact.board.link.baud)
    remedy = f"push it with `firmnet push {artifact.path}`"
    return StockDevice(artifact, port, address, name, timeout_s, prompts=True, remedy=remedy)


def push(
    choose: ChooseFiles | ChosenFiles,
    address: str,
    baud: int,
    sent: BytesSent = lambda done: None,
    *,
    romfs: bool = True,
) -> int:
    """Write files to the board, and forget what it has imported of them; the bytes written.

    To its partition for ROMFS, where there is one with room and nobody else's files in it, unless `romfs` is
    false; else to its current folder.

    `choose` gives them when it is told what machine code the board runs. Those that are there already are
    left alone; all others change together. Raises UserError for a board that cannot load them,
    VerificationError where they do not arrive.
    """
    port = open_port(address, baud)
    try:
        link = Link(port, address, TIMEOUT_S, bytes_per_s=baud / 10)
        board = Files(link, address)
        its = runs(board.ask("getattr(sys.implementation,'_mpy',None)"), address)
        chosen = choose(its) if callable(choose) else choose
        check_runs(its, chosen.architecture, address)
        files = chosen.files
        board.check_not_hidden(files)
        board.forget([name.partition(".")[0] for name in files])
        room = partition(board) if romfs else None
        if room and room.takes(chosen.image, files):
            done = write_image(board, room, chosen.image, files, sent)
        else:
            names = sorted(files, key=lambda name: name == chosen.module)
            missing = [name for name in names if board.ask(f"_fs({name!r})") != summary(files[name])]
            done = board.replace(missing, files, sent)
        link.leave()
        return done
    finally:
        port.close()


def runs(mpy: Any, address: str) -> str:
    """Which machine code a MicroPython that says this of its .mpy files loads, as ARCHITECTURES names it.

    "": none; "version 6.2": a Cortex-M's, but of an older MicroPython, which is not ours. UserError where it
    loads no .mpy files, or others.
    """
    if not isinstance(mpy, int):
        raise UserError(f"{address}: the MicroPython of this board loads no .mpy files: use a newer one")
    version, subversion, number = mpy & 0xFF, mpy >> 8 & 3, mpy >> 10
    if version != MPY_VERSION:
        raise UserError(
            f"{address}: this board's MicroPython loads .mpy files of version {version}, these are of "
            f"{MPY_VERSION}: install MicroPython 1.23 or newer on it"
        )
    its = ARCHITECTURES[number] if number < len(ARCHITECTURES) else f"number {number}"
    older = subversion != MPY_SUBVERSION and its in CORTEX_M_CODE
    return f"{OLDER} {version}.{subversion}" if older else its


def is_thumb(its: str) -> bool:
    """Whether a board runs machine code of some Cortex-M, or would with a newer MicroPython."""
    return its in CORTEX_M_CODE or its.startswith(OLDER)


def check_runs(its: str, architecture: str, address: str) -> None:
    """UserError unless a board that runs this machine code runs that of `architecture`, or needs none."""
    if architecture not in CORTEX_M_CODE or (
        its in CORTEX_M_CODE and CORTEX_M_CODE.index(architecture) <= CORTEX_M_CODE.index(its)
    ):
        return
    raise UserError(
        f"{address}: this board's MicroPython runs machine code for {its or 'no architecture'}, this "
        f"is for {architecture}: generate the model for a board with the core of this one, install "
        "MicroPython 1.23 or newer where it is older, or give --arch python (plain Python, which is slow)"
    )
