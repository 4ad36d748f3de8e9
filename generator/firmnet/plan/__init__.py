"""Where does every activation live, and in which steps do the layers run?"""

from .arena import STACK_BYTES, Plan, least, plan
from .cascade import Cascade, Piece, Rows, Striper
from .room import check_flash, plan_for, ram_room
from .step import Step

__all__ = [
    "STACK_BYTES",
    "Cascade",
    "Piece",
    "Plan",
    "Rows",
    "Step",
    "Striper",
    "check_flash",
    "least",
    "plan",
    "plan_for",
    "ram_room",
]
