"""What can run a model on a board, and what does it take of flash and RAM beside the model?"""

from dataclasses import dataclass
from typing import Literal

from ..errors import UserError
from .board import Board

Runtime = Literal["micropython", "c"]
"""A prompt with the model as a module; or the link alone, in C, for boards without room for that."""
AskedRuntime = Literal["auto", "micropython", "c"]
"""auto: MicroPython where it fits."""

RUNTIME_NAMES: dict[Runtime, str] = {"micropython": "MicroPython", "c": "the C runtime"}

C_STACK_BYTES = 1_536
"""448 of them for run(), the rest for the link, the board's port and interrupts."""
GUARD_BYTES = 512
"""Below the stack, or its own lowest where it is not the lowest of RAM: nothing may touch them (faults.h)."""
MUTE_CORE = "cortex-m0plus"
"""Locks up in silence as soon as a fault's frame does not fit its RAM."""


@dataclass(frozen=True)
class Needs:
    """The least that every firmware takes beside its model: flash; RAM for variables, heap and stack.

    `stack_bytes` holds what run() takes of it.
    """

    flash_bytes: int
    variables_bytes: int
    heap_bytes: int
    stack_bytes: int


def stack_is_low(board: Board, runtime: Runtime) -> bool:
    """Whether our own build has the stack below all variables, so that what overflows it leaves the RAM.

    Elsewhere MicroPython's heap lies below it, or the RAM that the C runtime leaves.
    """
    return runtime == "c" and board.chip.core != MUTE_CORE


def needs(board: Board, runtime: Runtime) -> Needs:
    """Of MicroPython 204,000 to 221,000 bytes of flash on bare metal, 17,000 of them `machine`'s, of the C
    runtime 6,085, with the start of the board; Arduino cores take more. UserError for MicroPython on a board
    whose file leaves it out.
    """
    if runtime == "c":
        guard_bytes = 0 if stack_is_low(board, runtime) else GUARD_BYTES
        return Needs(5_000, 450, 0, C_STACK_BYTES + guard_bytes)
    if board.micropython is None:
        raise UserError(
            f"{board.name} has no MicroPython: its board file has no table [micropython]; generate it with "
            "--runtime c"
        )
    flash_bytes = 200_000 if board.micropython.machine else 185_000
    return Needs(flash_bytes, 2_200, board.micropython.heap_bytes, board.micropython.stack_bytes)
