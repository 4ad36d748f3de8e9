"""Which kernel runs a call?"""

from ..ir import Call
from ..targets import Isa
from .spec import KERNELS, Kernel


def candidates(op: str, call: Call, isa: Isa) -> list[Kernel]:
    """All kernels that a core with these instructions can run the call with."""
    return [kernel for kernel in KERNELS[op] if kernel.isa <= isa and kernel.accepts(call)]


def select(op: str, call: Call, isa: Isa) -> Kernel:
    """The first of those that need the most instructions."""
    return max(candidates(op, call, isa), key=lambda kernel: kernel.isa)
