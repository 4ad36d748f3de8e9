"""Which kernels are there? Importing this package registers every file of its families."""

from . import dsp, portable
from .select import select
from .spec import KERNELS, Kernel

__all__ = ["KERNELS", "Kernel", "dsp", "portable", "select"]
