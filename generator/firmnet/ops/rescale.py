"""rescale: the same real values with another scale and zero point, by table."""

from dataclasses import dataclass

from ..ir import Array, Call
from .spec import register
from .tables import TableOp


@dataclass(frozen=True)
class RescaleAttrs:
    """No options: both scales are in the tensors."""


class Rescale(TableOp):
    name = "rescale"
    attrs = RescaleAttrs

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return inputs[0]


register(Rescale())
