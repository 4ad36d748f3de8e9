"""What can run a model? Everything here meets one Protocol, so a test does not know which it holds."""

from importlib import import_module

from ..artifact import Artifact
from .computer import ThisComputer, computer, in_place_of_this
from .device import Counters, Device, HasClock, RunResult, RunsDone, Timed
from .serial import TIMEOUT_S, check_url
from .stock import StockDevice, is_thumb, push
from .stock import open as open_stock

KINDS = ("host", "core", "qemu", "rp2040js")
"""Devices that need no address; every other name is a serial port or pyserial URL."""


def open(device: str, artifact: Artifact) -> Device:
    """The device "host" (C in a library), "core" (bare emulated core), the kind of the board's emulator
    ("qemu", "rp2040js"), or a port.
    """
    kind = device if device in KINDS else "serial"
    opened: Device = import_module(f".{kind}", __name__).open(artifact, device)
    return opened


__all__ = [
    "KINDS",
    "TIMEOUT_S",
    "Counters",
    "Device",
    "HasClock",
    "RunResult",
    "RunsDone",
    "StockDevice",
    "ThisComputer",
    "Timed",
    "check_url",
    "computer",
    "in_place_of_this",
    "is_thumb",
    "open",
    "open_stock",
    "push",
]
