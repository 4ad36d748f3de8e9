"""What does a model cost on a microcontroller? It runs in a simulator; cycles go by the manual."""

from .measure import LayerProfile, Profile, profile, profile_graph
from .plot import plot
from .summary import HEADS, lines, rows

__all__ = ["HEADS", "LayerProfile", "Profile", "lines", "plot", "profile", "profile_graph", "rows"]
