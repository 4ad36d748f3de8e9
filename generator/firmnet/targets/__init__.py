"""What is built for? Boards, ours and the user's, what their cores can do, which machines emulate them."""

from .board import OWN_WAYS, Board
from .board_file import board_of_json, board_to_json
from .boards import Boards, board_ids, known_boards, load_board, user_folder
from .isa import Isa, core_named, isa
from .machines import MACHINES, Machine
from .meant import (
    BUTTONS,
    PROBE_IDS,
    Target,
    boards_things,
    find_port,
    find_target,
    fits,
    listed,
    path_of,
    returned,
    title,
)
from .plugged import Computer, Drive, Plugged, PortInfo, Thing, UsbDevice
from .remedy import BUSY, FORBIDDEN, HELD, REFUSED, remedy
from .runtimes import RUNTIME_NAMES, AskedRuntime, Needs, Runtime, needs, stack_is_low
from .storage import SpareFlash, storage_of

__all__ = [
    "BUSY",
    "BUTTONS",
    "FORBIDDEN",
    "HELD",
    "MACHINES",
    "OWN_WAYS",
    "PROBE_IDS",
    "REFUSED",
    "RUNTIME_NAMES",
    "AskedRuntime",
    "Board",
    "Boards",
    "Computer",
    "Drive",
    "Isa",
    "Machine",
    "Needs",
    "Plugged",
    "PortInfo",
    "Runtime",
    "SpareFlash",
    "Target",
    "Thing",
    "UsbDevice",
    "board_ids",
    "board_of_json",
    "board_to_json",
    "boards_things",
    "core_named",
    "find_port",
    "find_target",
    "fits",
    "isa",
    "known_boards",
    "listed",
    "load_board",
    "needs",
    "path_of",
    "remedy",
    "returned",
    "stack_is_low",
    "storage_of",
    "title",
    "user_folder",
]
