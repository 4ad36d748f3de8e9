"""Does a real board do what the emulated one does? Needs --firmnet-device serial --firmnet-artifact DIR."""

from board_checks import BoardChecks


class TestBoard(BoardChecks):
    """Every device of --firmnet-device."""
