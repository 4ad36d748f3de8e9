"""rescale: the same real values with another scale, zero point or type: int8 by table, others by one
product.
"""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Tensor
from ..qmath import requantize, to_requant
from .spec import Constants, register
from .tables import TableOp


@dataclass(frozen=True)
class RescaleAttrs:
    """No options: scales and types are in the tensors."""


class Rescale(TableOp):
    name = "rescale"
    attrs = RescaleAttrs
    dtypes = tuple(Dtype)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return inputs[0]

    def refuses(self, call: Call) -> str:
        """From any type to any."""
        return ""

    def prepare(self, call: Call) -> Constants:
        """Raises OverflowError where a value, less the zero point and shifted, would leave 32 bits."""
        if by_table(call):
            return super().prepare(call)
        return by_product(call, call.output.dtype.low, call.output.dtype.high)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return super().run_int(call, k, *inputs) if by_table(call) else rescaled(call, k, inputs[0])


def by_product(call: Call, lo: int, hi: int) -> Constants:
    """Constants of `rescaled`; OverflowError where a value, less the zero point and shifted, would leave 32
    bits.

    int32 that a narrower output is too fine for is cut at `most`, far beyond all that the output holds.
    """
    x, y = call.inputs[0], call.output
    r = to_requant(np.array([x.scale / y.scale]))
    constants = {"requant": r, "multiplier": int(r.multiplier[0]) << r.pre_shift, "lo": lo, "hi": hi}
    if farthest(x) << r.pre_shift > 2**31:
        if x.dtype is Dtype.INT32 and y.dtype is not Dtype.INT32:
            return constants | {"most": 2**31 >> r.pre_shift}
        raise OverflowError(
            f"layer {y.name!r}: {x.dtype} values cannot be rescaled by {x.scale / y.scale:.3g}: choose a "
            "coarser scale"
        )
    return constants


def rescaled(call: Call, k: Constants, values: Array) -> Array:
    """The same real values, within lo … hi, by one product."""
    x, y = call.inputs[0], call.output
    acc = values.astype(np.int64) - x.zero_point
    if most := k.get("most"):
        acc = acc.clip(-most, most - 1)
    return requantize(acc, k["requant"], y.zero_point, k["lo"], k["hi"], y.dtype).reshape(y.shape)


def by_table(call: Call) -> bool:
    return call.inputs[0].dtype is call.output.dtype is Dtype.INT8


def farthest(tensor: Tensor) -> int:
    """The largest magnitude of a value less the zero point."""
    return max(tensor.dtype.high - tensor.zero_point, tensor.zero_point - tensor.dtype.low)


register(Rescale())
