"""How does a core compute an op? Kernels in families, each with its price; importing this registers them."""

from . import dsp, portable
from .select import select
from .spec import KERNELS, Kernel

__all__ = ["KERNELS", "Kernel", "dsp", "portable", "select"]
