"""Where does a ring of places begin? What the ops that keep one say of it."""

from ..ir import Array, Dtype, QParams

MOST_PLACES = 2**16
"""Which of its places is the oldest, an int16 counts modulo this: a ring has fewer."""
OLDEST = QParams((1.0,), 0, Dtype.INT16)


def begin(oldest: Array, places: int) -> int:
    """The number of the oldest of so many places, whatever a state holds."""
    return int(oldest[0]) % MOST_PLACES % places
