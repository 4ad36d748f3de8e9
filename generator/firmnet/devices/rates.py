"""Which baud rates may host and board agree on beyond the board file's, and how is a port's changed?"""

from collections.abc import Callable

import serial
from serial import rfc2217

FASTER_BAUDS = (2_000_000, 1_500_000, 1_000_000, 921_600, 460_800, 230_400)
"""What is tried, the fastest first: what UARTs divide their clocks to, and adapters are known to take."""

SetBaud = Callable[[int], bool]
"""Changes the rate of a port once everything is written; whether the port took it."""


def setter(port: serial.SerialBase) -> SetBaud | None:
    """None for a port that has no rate of its own: a plain TCP port, a loop."""
    if not isinstance(port, serial.Serial | rfc2217.Serial):
        return None

    def change(baud: int) -> bool:
        try:
            port.flush()
            port.baudrate = baud
        except (OSError, ValueError):
            return False
        return True

    return change
