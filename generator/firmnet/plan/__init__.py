"""Which kernel runs each step of a graph, and where in memory does every value live? A Program says it."""

from .arena import STACK_BYTES, Program, least, plan
from .cascade import Cascade, Piece, Rows, Striper
from .room import KeptAnswers, answers_kept, check_flash, plan_for, ram_room, sample_bytes
from .step import Step

__all__ = [
    "STACK_BYTES",
    "Cascade",
    "KeptAnswers",
    "Piece",
    "Program",
    "Rows",
    "Step",
    "Striper",
    "answers_kept",
    "check_flash",
    "least",
    "plan",
    "plan_for",
    "ram_room",
    "sample_bytes",
]
