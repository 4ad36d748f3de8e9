"""What does a model cost on a microcontroller? It runs in a simulator; cycles go by the manual."""

from .measure import LaterRun, LayerProfile, OneByOne, Profile, profile, profile_graph
from .plot import check_plot, plot
from .summary import HEADS, lines, rows

__all__ = [
    "HEADS",
    "LaterRun",
    "LayerProfile",
    "OneByOne",
    "Profile",
    "check_plot",
    "lines",
    "plot",
    "profile",
    "profile_graph",
    "rows",
]
