"""What would a board do? Simulated ones, with their ports, drives and uploaders, for tests and docs."""

from .board import Fault, SimulatedBoard, flashed_by
from .desk import Desk
from .line import SimulatedLine
from .programs import (
    CIRCUITPYTHON,
    Babbling,
    BootLoop,
    ChipProgram,
    Firmnet,
    Marlin,
    Python,
    ResetsWhenOpened,
    Shell,
    silent,
)
from .twin import Burnt, Halt, Twin

__all__ = [
    "CIRCUITPYTHON",
    "Babbling",
    "BootLoop",
    "Burnt",
    "ChipProgram",
    "Desk",
    "Fault",
    "Firmnet",
    "Halt",
    "Marlin",
    "Python",
    "ResetsWhenOpened",
    "Shell",
    "SimulatedBoard",
    "SimulatedLine",
    "Twin",
    "flashed_by",
    "silent",
]
