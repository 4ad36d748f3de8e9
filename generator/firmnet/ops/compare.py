"""compare: 1 where a value stands in a relation to a constant, 0 elsewhere; int8 of scale 1."""

from dataclasses import dataclass
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
"""Steps by which a constant may miss a level."""


@dataclass(frozen=True)
class CompareAttrs:
    """value relation constant: "gt" is greater than, "le" less or equal."""

    relation: Literal["gt", "ge", "lt", "le", "eq", "ne"]
    constant: float


class Compare(TableOp):
    name = "compare"
    attrs = CompareAttrs

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _compared(call.attrs.relation, inputs[0], call.attrs.constant)

    def output_qparams(self, attrs: CompareAttrs, dtype: Dtype = Dtype.INT8) -> QParams:
        return QParams((1.0,))

    def prepare(self, call: Call) -> Constants:
        """A constant that is a level of the input, but for rounding, is that level."""
        x, constant = call.inputs[0], call.attrs.constant
        steps = constant / x.scale
        if abs(steps - round(steps)) < SAME_LEVEL:
            constant = float(x.q.to_real(np.array([round(steps) + x.zero_point]))[0])
        return {
            "table": table(x.q, call.output.q, lambda real: _compared(call.attrs.relation, real, constant))
        }


def _compared(relation: str, x: Array, constant: float) -> Array:
    found: Array = RELATIONS[relation](x, constant).astype(np.float64)
    return found


register(Compare())
