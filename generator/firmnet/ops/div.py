"""div: y = a / b of two activations, b repeated where it has size 1: a times the entry of a table of 1/b."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape
from .spec import Constants, Op, Stripe, register
from .stripes import cut
from .tables import LEVELS

SHIFT = 14
LARGEST = 2**23 - 1
"""Of an entry: it turns the least a above its zero point into 512 steps, beyond either end."""


@dataclass(frozen=True)
class DivAttrs:
    """No options."""


class Div(Op):
    """Dividing by zero saturates, by the sign of a; 0 / 0 is 0."""

    name = "div"
    attrs = DivAttrs

    def shape(self, attrs: DivAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != len(b) or any(n not in (m, 1) for m, n in zip(a, b, strict=True)):
            raise ValueError(f"div needs two equal shapes, or one with sizes of 1 instead, got {a} and {b}")
        return a

    def run_float(self, call: Call, *inputs: Array) -> Array:
        with np.errstate(all="ignore"):
            y: Array = inputs[0] / inputs[1]
        return y

    def remap(self, attrs: DivAttrs, order: Shape) -> DivAttrs:
        return attrs

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Of a b without rows, its only one."""
        return cut(call, rows, *[range(1) if t.shape[1:2] == (1,) else rows for t in call.inputs])

    def prepare(self, call: Call) -> Constants:
        """|a|·|entry| + |rounding| < 2^8·2^23 + 2^21: within int32."""
        (a, b), y = call.inputs, call.output
        steps = LEVELS - b.zero_point
        inverse = a.scale / (b.scale * y.scale) * 2.0**SHIFT / np.where(steps, steps, 1)
        entries = np.where(steps, np.clip(np.rint(inverse), -LARGEST, LARGEST), LARGEST)
        return {
            "reciprocals": entries.astype(np.int32),
            "a_zero_point": a.zero_point,
            "rounding": (y.zero_point << SHIFT) + (1 << (SHIFT - 1)),
            "shift": SHIFT,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        product = (a - k["a_zero_point"]) * k["reciprocals"].astype(np.int64)[b + 128]
        y: Array = np.clip((product + k["rounding"]) >> k["shift"], -128, 127).astype(np.int8)
        return y


register(Div())
