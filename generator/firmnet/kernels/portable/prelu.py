"""How does plain C bend values by a slope for each channel?"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from ...ir import Call, Dtype
from ...ops.add import narrow
from ...ops.spec import Constants
from ..spec import Kernel, register


@dataclass(frozen=True)
class Bends:
    """`outer` times, of each channel `inner` values that lie side by side."""

    outer: int
    channels: int
    inner: int


class PRelu(Kernel):
    """In place."""

    op = "prelu"

    def cycles(self, call: Call) -> float:
        return 40 + 17 * call.output.size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0,)

    def layout(self, call: Call, k: Constants) -> Bends:
        shape, axis = call.output.shape, call.attrs.axis
        return Bends(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))


class PReluWide(PRelu):
    """Where int16 is read or written."""

    name = "wide"
    dtypes: ClassVar[tuple[Dtype, ...]] = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return not narrow(call)

    def cycles(self, call: Call) -> float:
        return 40 + 24 * call.output.size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0 if call.inputs[0].dtype is call.output.dtype else None,)


register(PRelu())
register(PReluWide())
