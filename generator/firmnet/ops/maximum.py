"""maximum, minimum: the larger or the smaller of two activations, b repeated where it has size 1."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype
from .broadcasting import BroadcastOp
from .spec import Constants, register


@dataclass(frozen=True)
class MaximumAttrs:
    """`smaller`: the minimum."""

    smaller: bool = False


class Maximum(BroadcastOp):
    """Inputs and output have one scale, so nothing is rounded."""

    name = "maximum"
    attrs = MaximumAttrs
    keeps_qparams = True
    dtypes = tuple(Dtype)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        y: Array = (np.minimum if call.attrs.smaller else np.maximum)(*inputs)
        return y

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {"smaller": call.attrs.smaller, "dtype": call.output.dtype}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return self.run_float(call, *inputs)


register(Maximum())
