"""Which depthwise layers share functions although their shifts differ?

Where the weights of a channel stay in registers, a function shifts by the largest shift of the layers that
share it; one with a smaller shift doubles weights and bias that much more. Where they are read again for each
tile, a register has room for the shift.
"""

from collections.abc import Hashable

import numpy as np

from ...ops.spec import Constants
from .depthwise import Depthwise
from .depthwise_looped import Looped

MOST_DOUBLED = 7
"""Of weights in registers, and the bias: so a smaller shift is made up for where layers share a function."""
USUAL_SHIFT = 4
"""Networks have shifts of 4 to 11; they are not cut in between."""


def alike(layout: Depthwise | Looped, k: Constants) -> Hashable:
    """Kernel.alike of a depthwise layer over lanes."""
    return doubled_alike(layout, k) if layout.resident else (layout, k["x_zero_point"])


def doubled_alike(layout: Hashable, k: Constants) -> Hashable:
    """Kernel.alike of a depthwise layer with such a layout; None where doubled sums could leave 32 bits.

    Whatever the zero point is that is taken off.
    """
    taps = np.abs(k["weight"].astype(np.int64)).reshape(len(k["weight"]), -1).sum(axis=1)
    worst = int((np.abs(k["bias"].astype(np.int64)) + 512 * taps).max())
    if worst << MOST_DOUBLED >= 2**31:
        return None
    return layout, k["x_zero_point"], (k["requant"].shift + USUAL_SHIFT) // (MOST_DOUBLED + 1)
