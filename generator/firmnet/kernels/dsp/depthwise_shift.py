"""Which depthwise layers share functions although their shifts differ? Those whose weights can be doubled.

A function shifts by the largest shift of the layers that share it; one with a smaller shift doubles the
weights of a channel in registers, and its bias, that much more.
"""

from collections.abc import Hashable

import numpy as np

from ...ops.spec import Constants

MOST_DOUBLED = 7
"""Of weights in registers, and the bias: so a smaller shift is made up for where layers share a function."""
USUAL_SHIFT = 4
"""Networks have shifts of 4 to 11; they are not cut in between."""


def doubled_alike(layout: Hashable, k: Constants) -> Hashable:
    """Kernel.alike of a depthwise layer with such a layout; None where doubled sums could leave 32 bits.

    Whatever the zero point is that is taken off.
    """
    taps = np.abs(k["weight"].astype(np.int64)).reshape(len(k["weight"]), -1).sum(axis=1)
    worst = int((np.abs(k["bias"].astype(np.int64)) + 512 * taps).max())
    if worst << MOST_DOUBLED >= 2**31:
        return None
    return layout, k["x_zero_point"], (k["requant"].shift + USUAL_SHIFT) // (MOST_DOUBLED + 1)
