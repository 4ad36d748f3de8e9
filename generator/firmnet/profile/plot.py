"""What does a profile look like? A bar per layer, drawn by matplotlib, which is loaded only here."""

from pathlib import Path

from ..errors import UserError
from .measure import Profile

BAR_INCHES = 0.28
FRAME_INCHES = 1.2
FORMATS: dict[str, dict[str, None]] = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
}
"""Suffix of the file → what matplotlib must not write, so that the same profile gives the same bytes."""


def check_plot(path: Path) -> None:
    """UserError unless the file's suffix says in which format to draw."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"a plot is drawn as {', '.join(FORMATS)}: {str(path)!r} has none of these suffixes")


def plot(profile: Profile, path: Path) -> None:
    """Draw the time per layer: cycles, or instructions where cycles are not modelled.

    The suffix of `path` says in which format; see FORMATS. UserError for any other, without matplotlib, or
    when `path` cannot be written.
    """
    check_plot(path)
    suffix = path.suffix.lower()
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise UserError(
            "a plot needs matplotlib, which is not installed: pip install 'firmnet[plot]'"
        ) from None
    spent = [layer.instructions if layer.cycles is None else layer.cycles for layer in profile.layers]
    whole = max(1, sum(spent))
    with rc_context({"svg.hashsalt": profile.name, "svg.fonttype": "none"}):
        figure = Figure((8, FRAME_INCHES + BAR_INCHES * len(spent)), layout="constrained")
        axes = figure.add_subplot()
        bars = axes.barh([layer.name for layer in profile.layers], spent, color="#0f766e")
        axes.bar_label(bars, [f"{n:,} ({n / whole:.1%})" for n in spent], padding=4)
        axes.margins(x=0.25)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("instructions" if profile.cycles is None else "modelled cycles")
        axes.set_title(f"{profile.name} on {profile.board or profile.core}: time per layer", loc="left")
        try:
            figure.savefig(path, format=suffix[1:], metadata=FORMATS[suffix])
        except OSError as error:
            raise UserError(f"cannot write {path} ({error.strerror}): choose another --plot") from None
