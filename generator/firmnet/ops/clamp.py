"""clamp: y = min(max(x, lo), hi) by table: relu, relu6, hardtanh where no layer before absorbed them."""

from dataclasses import dataclass

from ..ir import Array, Call
from .spec import register
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

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return clamped(inputs[0], call.attrs.lo, call.attrs.hi)


register(Clamp())
