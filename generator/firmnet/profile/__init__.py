"""What does a model cost on a microcontroller? It runs in a simulator; cycles go by the manual."""

from .measure import LayerProfile, OneByOne, Profile, profile, profile_graph
from .plot import check_plot, plot
from .summary import HEADS, lines, rows

__all__ = [
    "HEADS",
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
