"""Does a model fit a board? Judged before anything is compiled, by what every firmware of the board takes."""

from dataclasses import dataclass

from ..errors import UserError
from ..ir import Graph
from ..ops import OPS
from ..targets import RUNTIME_NAMES, Board, Runtime, isa, needs
from .arena import SMALLER, STACK_BYTES, Program, TooLarge, largest, least, plan

OWN_BYTES = 256
"""By so much our own start of a board may take more RAM than is known before it is built."""
ANSWERS_BYTES = 1024
"""Answers that are remembered take no more, but for one."""
LEAST_RING_BYTES = 256
"""Of the ring in which waits what comes, where only short questions do."""
SMALL_FLASH_BYTES = 65_536
"""No chip with less remembers more than one answer: the code for that is left out."""
FRAME_BYTES = 36
"""What a request to run is longer than its inputs."""
ARDUINO_BYTES = 6_144
"""By so much an Arduino core may."""


def plan_for(
    graph: Graph, board: Board, ram_limit_bytes: int | None, runtime: Runtime = "micropython"
) -> tuple[Program, int | None]:
    """The program within the limit, or within what the board has where that is less; and the limit it keeps.

    Raises UserError where there is none, naming the least RAM that the model can run in.
    """
    instructions, room = isa(board.chip.core), ram_room(board, runtime, link_bytes(graph, runtime))
    try:
        found = plan(graph, isa=instructions, ram_limit_bytes=ram_limit_bytes)
        if found.ram_bytes <= room:
            return found, ram_limit_bytes
        return plan(graph, isa=instructions, ram_limit_bytes=room), room
    except TooLarge:
        smallest = least(graph, isa=instructions)
        if smallest.ram_bytes > room:
            raise _without_room(graph, board, runtime, smallest, room) from None
        raise


def ram_room(board: Board, runtime: Runtime = "micropython", link_bytes: int = 0) -> int:
    """Bytes left at most for the arena and the stack of run(), which is a part of the board's stack."""
    least_of_all = needs(board, runtime)
    taken = least_of_all.variables_bytes + least_of_all.heap_bytes + least_of_all.stack_bytes + link_bytes
    return board.chip.ram_bytes - taken + STACK_BYTES[isa(board.chip.core)]


def link_bytes(graph: Graph, runtime: Runtime) -> int:
    """RAM that the link needs for a model: MicroPython takes it of its heap, the C runtime has it reserved.

    A checksum of every layer and state, and a copy of all states.
    """
    if runtime == "micropython":
        return 0
    states = sum(graph.tensors[state.tensor].byte_count for state in graph.states)
    return 4 * (len(graph.nodes) + len(graph.states)) + states


@dataclass(frozen=True)
class KeptAnswers:
    """How many answers the C runtime remembers, so that as many requests may be under way: `count` of
    `words` each; and the ring in which those wait.

    The words of one alone are checksums of layers and states: its outputs stay where they are, until the next
    input comes.
    """

    count: int
    words: int
    ring_bytes: int


def answers_kept(graph: Graph, board: Board, program: Program) -> KeptAnswers:
    """What the RAM that is left has room for."""
    tensors = graph.tensors
    inputs, outputs = (
        sum(tensors[port.tensor].byte_count for port in some) for some in (graph.inputs, graph.outputs)
    )
    sums = max(1, sum(not OPS[node.op].view for node in graph.nodes) + len(graph.states))
    left = _left(graph, board, program) - sample_bytes(graph, board, program)
    for count in (4, 2) if board.chip.flash_bytes > SMALL_FLASH_BYTES else ():
        ring_bytes = max(LEAST_RING_BYTES, (count - 1) * (inputs + FRAME_BYTES) + 1)
        found = KeptAnswers(count, sums + -(-outputs // 4), ring_bytes)
        answers, waiting = 4 * found.words * count, ring_bytes - LEAST_RING_BYTES
        modest = answers <= ANSWERS_BYTES and (count == 2 or waiting <= ANSWERS_BYTES)
        if modest and answers + waiting <= left:
            return found
    return KeptAnswers(1, sums, LEAST_RING_BYTES)


def sample_bytes(graph: Graph, board: Board, program: Program) -> int:
    """RAM that the C runtime reserves for a call with real numbers: one float for each value of all inputs,
    or of the largest output; 0 where there is none left, and calls are not verified.
    """
    sizes = [graph.tensors[port.tensor].size for port in graph.inputs]
    wanted = 4 * max(sum(sizes), *(graph.tensors[port.tensor].size for port in graph.outputs))
    return wanted if wanted <= _left(graph, board, program) else 0


def _left(graph: Graph, board: Board, program: Program) -> int:
    """RAM that the C runtime leaves beside what it must have."""
    unknown = ARDUINO_BYTES if board.platformio else OWN_BYTES
    return ram_room(board, "c", link_bytes(graph, "c")) - program.ram_bytes - unknown


def check_flash(name: str, constants_bytes: int, board: Board, runtime: Runtime = "micropython") -> None:
    """Raise UserError when a model's constants alone leave no room for the runtime; code comes to it."""
    flash_bytes, taken = board.chip.flash_bytes, needs(board, runtime).flash_bytes
    if constants_bytes + taken > flash_bytes:
        smaller = ", generate it with --runtime c" if runtime == "micropython" else ""
        raise UserError(
            f"model {name!r} does not fit {board.name}: its weights and tables take {constants_bytes:,} of "
            f"{flash_bytes:,} bytes of flash, and {RUNTIME_NAMES[runtime]} at least {taken:,}; "
            f"make the network smaller{smaller} or choose a larger board (`firmnet boards`)"
        )


def _without_room(graph: Graph, board: Board, runtime: Runtime, smallest: Program, room: int) -> UserError:
    taken = needs(board, runtime)
    heap = f"heap {taken.heap_bytes:,}, " if taken.heap_bytes else ""
    return UserError(
        f"model {graph.name!r} does not fit {board.name}: with any --ram-limit it needs at least "
        f"{smallest.ram_bytes:,} bytes of RAM ({smallest.arena_bytes:,} of arena, {smallest.stack_bytes} of "
        f"stack), and {RUNTIME_NAMES[runtime]} leaves {max(room, 0):,} of {board.chip.ram_bytes:,} ({heap}"
        f"stack {taken.stack_bytes:,}): make {largest(graph, smallest)} smaller ({SMALLER}), or choose a "
        "larger board (`firmnet boards`)"
    )
