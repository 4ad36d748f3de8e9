"""How does a function of one int8 value become a table of 256 entries?"""

from collections.abc import Callable

import numpy as np

from ..ir import Array, QParams

LEVELS = np.arange(-128, 128)


def table(x: QParams, y: QParams, function: Callable[[Array], Array]) -> Array:
    """int8 (256,): entry x + 128 is the quantized function of what x stands for, rounded half up."""
    real = function(x.to_real(LEVELS))
    out: Array = np.clip(np.floor(real / y.scale[0] + 0.5) + y.zero_point, -128, 127).astype(np.int8)
    return out


def look_up(entries: Array, x: Array) -> Array:
    out: Array = entries[x.astype(np.int64) + 128]
    return out


def pack_table(entries: Array, dsp: bool) -> Array:
    """In flash: from −128 up, or for the DSP kernel in the order of the values read as uint8, from 0 up."""
    return np.roll(entries, len(entries) // 2) if dsp else entries
