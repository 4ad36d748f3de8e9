"""What is to be done when a port, probe or drive is kept from us? By what the system said of it."""

import re

FORBIDDEN = (
    "add yourself to its group with `sudo usermod -aG dialout $USER` and log in again, or allow the board in "
    "a udev rule (docs/hardware.md has them)"
)
BUSY = (
    "another program has it open: close its terminal, monitor or debugger and try again; ModemManager, where "
    "it runs, holds every new port for some seconds (`sudo systemctl stop ModemManager`, or a udev rule, see "
    "docs/hardware.md)"
)
REFUSED = r"[Pp]ermission denied|LIBUSB_ERROR_ACCESS|Access denied|insufficient permissions"
HELD = (
    r"lock port|[Bb]usy|PermissionError|LIBUSB_ERROR_BUSY|unable to claim|could not claim|already in use"
    r"|in use by"
)


def remedy(said: str) -> str:
    """For what pyserial, an uploader or the system said; "" for what is neither forbidden nor busy."""
    if re.search(REFUSED, said):
        return FORBIDDEN
    return BUSY if re.search(HELD, said) else ""
