"""What goes wrong because of what the user gave, said in one sentence with the fix."""


class UserError(Exception):
    """Bad input or a missing tool: the message names the thing and the fix. The CLI exits with 2."""


class SeveralBoards(UserError):
    """More than one thing may be `what`; of each what `--port` calls it, and how it differs."""

    def __init__(self, what: str, choices: tuple[tuple[str, str], ...]) -> None:
        self.what, self.choices = what, choices
        shown = " and ".join(title for _, title in choices)
        super().__init__(f"{shown} could all be {what}: choose one with --port")


class GraphError(UserError, ValueError):
    """A graph that some stage cannot carry: names the layer or tensor, and what to do."""


class QualityWarning(UserWarning):
    """The network was deployed, but too little signal is left in it, or an event in the data is lost."""


class BoardWarning(UserWarning):
    """A board file of the user's is left out, or takes the place of one that firmnet brings."""


class VerificationError(Exception):
    """A check that ran and failed. The CLI exits with 1."""


def first_line(error: BaseException) -> str:
    """What an error of somebody else's says, short enough for one sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def escaped(text: str, limit: int = 200) -> str:
    """What a board or a file says, safe for a terminal: control characters as \\x1b, and not too long."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit])
    return shown[:limit] + ("…" if len(shown) > limit or len(text) > limit else "")
