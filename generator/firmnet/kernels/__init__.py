"""How does a core compute an op? Kernels in families, each with its price; importing this registers them."""

from . import dsp, portable
from .select import EXCHANGED, Choice, choices
from .sharing import Alike, Prepared, Told, told
from .spec import KERNELS, Kernel

__all__ = [
    "EXCHANGED",
    "KERNELS",
    "Alike",
    "Choice",
    "Kernel",
    "Prepared",
    "Told",
    "choices",
    "dsp",
    "portable",
    "told",
]
