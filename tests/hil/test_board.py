"""Does a real board do what the emulated one does? Needs --firmnet-port URL --firmnet-artifact DIR."""

from board_checks import BoardChecks


class TestBoard(BoardChecks):
    """The board at --firmnet-port."""
