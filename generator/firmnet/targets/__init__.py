"""What does firmnet build for? Boards, and which instructions their cores have."""

from .board import Board, board_ids, load_board
from .isa import Isa, core_named, isa

__all__ = ["Board", "Isa", "board_ids", "core_named", "isa", "load_board"]
