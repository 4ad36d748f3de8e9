"""What does a model cost on a microcontroller? It runs in an instruction-set simulator, cycles by the manual."""

from .measure import LayerProfile, Profile, profile, profile_graph

__all__ = ["LayerProfile", "Profile", "profile", "profile_graph"]
