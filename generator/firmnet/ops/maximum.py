"""maximum, minimum: the larger or the smaller of two activations, b repeated where it has size 1."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Stripe, register
from .stripes import cut


@dataclass(frozen=True)
class MaximumAttrs:
    """`smaller`: the minimum."""

    smaller: bool = False


class Maximum(Op):
    """Inputs and output have one scale, so nothing is rounded."""

    name = "maximum"
    attrs = MaximumAttrs
    keeps_qparams = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: MaximumAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != len(b) or any(n not in (m, 1) for m, n in zip(a, b, strict=True)):
            raise ValueError(
                f"maximum needs two equal shapes, or one with sizes of 1 instead, got {a} and {b}"
            )
        return a

    def run_float(self, call: Call, *inputs: Array) -> Array:
        y: Array = (np.minimum if call.attrs.smaller else np.maximum)(*inputs)
        return y

    def remap(self, attrs: MaximumAttrs, order: Shape) -> MaximumAttrs:
        return attrs

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {"smaller": call.attrs.smaller, "dtype": call.output.dtype}

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Of a b without rows, its only one."""
        return cut(call, rows, *[range(1) if t.shape[1:2] == (1,) else rows for t in call.inputs])

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return self.run_float(call, *inputs)


register(Maximum())
