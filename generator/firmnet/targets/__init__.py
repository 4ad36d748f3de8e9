"""What is built for? Boards, ours and the user's, what their cores can do, which machines emulate them."""

from .board import Board
from .board_file import board_of_json, board_to_json
from .boards import Boards, board_ids, known_boards, load_board, user_folder
from .isa import Isa, core_named, isa
from .machines import MACHINES, Machine

__all__ = [
    "MACHINES",
    "Board",
    "Boards",
    "Isa",
    "Machine",
    "board_ids",
    "board_of_json",
    "board_to_json",
    "core_named",
    "isa",
    "known_boards",
    "load_board",
    "user_folder",
]
