"""How does a network that is given a window of a signal run on a hop of it at a time, bit for bit?"""

from .choose import followed
from .follow import Followed, follow
from .prove import proven
from .recordings import Recordings, read_recordings
from .rewrite import rewritten

__all__ = ["Followed", "Recordings", "follow", "followed", "proven", "read_recordings", "rewritten"]
