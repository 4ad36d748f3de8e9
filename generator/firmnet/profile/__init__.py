"""What does a model cost on a microcontroller? It runs in a simulator; cycles go by the manual."""

from .measure import LayerProfile, Profile, profile, profile_graph
from .summary import HEADS, lines, rows, svg

__all__ = ["HEADS", "LayerProfile", "Profile", "lines", "profile", "profile_graph", "rows", "svg"]
