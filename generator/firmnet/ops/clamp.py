"""clamp: y = min(max(x, lo), hi): relu, relu6, hardtanh where no layer before absorbed them.

int8 by table; where int16 is read or written by one product, as rescale, whose result is bounded.
"""

from dataclasses import dataclass

from ..ir import Array, Call, Dtype
from ..qmath import clamp_bounds
from .rescale import by_product, by_table, rescaled
from .spec import Constants, register
from .tables import TableOp
from .weighted import clamped


@dataclass(frozen=True)
class ClampAttrs:
    """Real bounds (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


class Clamp(TableOp):
    name = "clamp"
    attrs = ClampAttrs
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return clamped(inputs[0], call.attrs.lo, call.attrs.hi)

    def prepare(self, call: Call) -> Constants:
        if by_table(call):
            return super().prepare(call)
        return by_product(call, *clamp_bounds(call.output.q, call.attrs.lo, call.attrs.hi))

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return super().run_int(call, k, *inputs) if by_table(call) else rescaled(call, k, inputs[0])


register(Clamp())
