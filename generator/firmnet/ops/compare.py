"""compare: 1 where a value stands in a relation to a constant, 0 elsewhere; int8 of scale 1.

int8 by table; int16 by the first and the last of the values for which it holds, or does not.
"""

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np

from ..ir import Array, Call, Dtype, QParams
from .spec import Constants, register
from .tables import TableOp, table

RELATIONS = {
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
SAME_LEVEL = 1e-6
"""Steps by which a constant may miss a level, of the first as of the millionth part of others."""
BEYOND = 2**16
"""No value of int16 has so many steps."""


@dataclass(frozen=True)
class CompareAttrs:
    """value relation constant: "gt" is greater than, "le" less or equal."""

    relation: Literal["gt", "ge", "lt", "le", "eq", "ne"]
    constant: float


class Compare(TableOp):
    name = "compare"
    attrs = CompareAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _compared(call.attrs.relation, inputs[0], call.attrs.constant)

    def output_qparams(self, attrs: CompareAttrs, dtype: Dtype = Dtype.INT8) -> QParams:
        return QParams((1.0,))

    def refuses(self, call: Call) -> str:
        y = call.output
        if y.dtype is not Dtype.INT8:
            return f"writes int8, and {y.name!r} is {y.dtype}: rescale behind it"
        return super().refuses(call)

    def prepare(self, call: Call) -> Constants:
        """A constant that is a level of the input, but for rounding, is that level."""
        x, constant = call.inputs[0], call.attrs.constant
        steps = float(np.clip(constant / x.scale, -BEYOND, BEYOND))
        if abs(steps - round(steps)) < SAME_LEVEL * max(1.0, abs(steps)):
            steps = round(steps)
            constant = float(x.q.to_real(np.array([steps + x.zero_point]))[0])
        if x.dtype is Dtype.INT16:
            return _bounds(call.attrs.relation, steps)
        return {
            "table": table(x.q, call.output.q, lambda real: _compared(call.attrs.relation, real, constant))
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        if call.inputs[0].dtype is not Dtype.INT16:
            return super().run_int(call, k, *inputs)
        x = inputs[0].astype(np.int64)
        found: Array = (((x >= k["first"]) & (x <= k["last"])) == k["inside"]).astype(np.int8)
        return found


def _bounds(relation: str, steps: float) -> Constants:
    """The first and the last value of int16 for which the relation holds (`inside`), or does not hold."""
    if relation in ("eq", "ne"):
        first, last = ceil(steps), floor(steps)  # none where no value has so many steps
    elif relation in ("gt", "le"):
        first, last = -BEYOND, floor(steps)
    else:
        first, last = -BEYOND, ceil(steps) - 1
    return {"first": first, "last": last, "inside": relation in ("eq", "le", "lt")}


def _compared(relation: str, x: Array, constant: float) -> Array:
    found: Array = RELATIONS[relation](x, constant).astype(np.float64)
    return found


register(Compare())
