"""Which kernel runs a call? Every one that can is priced; the cheapest comes first."""

from dataclasses import dataclass, field

from ..ir import Call, Dtype
from ..ops import OPS
from ..targets import Isa
from .spec import KERNELS, Kernel

EXCHANGED = ", exchanged"
"""What follows the kernel's label where it computes the layer with height and width exchanged."""


@dataclass(frozen=True)
class Choice:
    """A kernel and the call that it runs: the layer's own, or that with height and width `exchanged`."""

    kernel: Kernel
    call: Call = field(compare=False)
    exchanged: bool
    cycles: float

    @property
    def label(self) -> str:
        """For people: "dsp/conv2d.rows", or "dsp/conv2d.rows, exchanged"."""
        return self.kernel.label + EXCHANGED * self.exchanged

    @property
    def scratch_bytes(self) -> int:
        return self.kernel.scratch_bytes(self.call)

    @property
    def overlap(self) -> tuple[int | None, ...]:
        """See Kernel.overlap."""
        return self.kernel.overlap(self.call)


def choices(op: str, call: Call, isa: Isa) -> list[Choice]:
    """All that a core with these instructions can run the call with, the cheapest first."""
    exchanged = OPS[op].exchanged(call)
    forms = [(call, False)] + ([(exchanged, True)] if exchanged else [])
    found = [
        Choice(kernel, form, turned, kernel.cycles(form))
        for form, turned in forms
        for kernel in KERNELS[op]
        if kernel.isa <= isa and _types(form) <= {*kernel.dtypes} and kernel.accepts(form)
    ]
    return sorted(found, key=lambda choice: choice.cycles)


def _types(call: Call) -> set[Dtype]:
    """Of the activations."""
    return {tensor.dtype for tensor in (*call.inputs, *call.outputs) if tensor.data is None}
