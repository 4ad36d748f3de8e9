"""Does a model fit a board? Judged before anything is compiled, by what every firmware of the board takes."""

from ..errors import UserError
from ..ir import Graph
from ..targets import Board, isa
from .arena import SMALLER, STACK_BYTES, Program, TooLarge, largest, least, plan

MICROPYTHON_FLASH_BYTES = 150_000
"""MicroPython, the link and the start of the board: 163,088 on bare metal, with Arduino cores more."""
MICROPYTHON_VARIABLES_BYTES = 2_560
"""Their variables: 2,888 on bare metal, with Arduino cores 5,152 and more."""


def plan_for(graph: Graph, board: Board, ram_limit_bytes: int | None) -> tuple[Program, int | None]:
    """The program within the limit, or within what the board has where that is less; and the limit it keeps.

    Raises UserError where there is none, naming the least RAM that the model can run in.
    """
    instructions, room = isa(board.chip.core), ram_room(board)
    try:
        found = plan(graph, isa=instructions, ram_limit_bytes=ram_limit_bytes)
        if found.ram_bytes <= room:
            return found, ram_limit_bytes
        return plan(graph, isa=instructions, ram_limit_bytes=room), room
    except TooLarge:
        smallest = least(graph, isa=instructions)
        if smallest.ram_bytes > room:
            raise _without_room(graph, board, smallest, room) from None
        raise


def ram_room(board: Board) -> int:
    """Bytes left at most for the arena and the stack of run(), which is a part of the board's stack."""
    micropython = board.micropython
    taken = MICROPYTHON_VARIABLES_BYTES + micropython.heap_bytes + micropython.stack_bytes
    return board.chip.ram_bytes - taken + STACK_BYTES[isa(board.chip.core)]


def check_flash(name: str, constants_bytes: int, board: Board) -> None:
    """Raise UserError when a model's constants alone leave no room for MicroPython; code comes to it."""
    flash_bytes = board.chip.flash_bytes
    if constants_bytes + MICROPYTHON_FLASH_BYTES > flash_bytes:
        raise UserError(
            f"model {name!r} does not fit {board.name}: its weights and tables take {constants_bytes:,} of "
            f"{flash_bytes:,} bytes of flash, and MicroPython at least {MICROPYTHON_FLASH_BYTES:,}; "
            "make the network smaller or choose a larger board (`firmnet boards`)"
        )


def _without_room(graph: Graph, board: Board, smallest: Program, room: int) -> UserError:
    heap, stack = board.micropython.heap_bytes, board.micropython.stack_bytes
    return UserError(
        f"model {graph.name!r} does not fit {board.name}: with any --ram-limit it needs at least "
        f"{smallest.ram_bytes:,} bytes of RAM ({smallest.arena_bytes:,} of arena, {smallest.stack_bytes} of "
        f"stack), and MicroPython leaves {max(room, 0):,} of {board.chip.ram_bytes:,} (heap {heap:,}, "
        f"stack {stack:,}): make {largest(graph, smallest)} smaller ({SMALLER}), or choose a larger board "
        "(`firmnet boards`)"
    )
