"""div: y = a / b of two activations, b repeated where it has size 1.

int8: a times the entry of a table of 1/b. Where int16 is read or written: a in steps of the result,
requantized by the quotient of 2^31 - 1 and b.
"""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype
from ..qmath import INT32_MAX, to_requant
from .add import narrow
from .broadcasting import BroadcastOp
from .spec import Constants, register
from .tables import LEVELS

SHIFT = 14
LARGEST = 2**23 - 1
"""Of an entry: it turns the least a above its zero point into 512 steps, beyond either end."""
KEPT = 15
"""Bits by which a in steps of the result is less than its quotient with b: 31 of the reciprocal, less 16."""


@dataclass(frozen=True)
class DivAttrs:
    """No options."""


class Div(BroadcastOp):
    """Dividing by zero saturates, by the sign of a; 0 / 0 is 0."""

    name = "div"
    attrs = DivAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def run_float(self, call: Call, *inputs: Array) -> Array:
        with np.errstate(all="ignore"):
            y: Array = inputs[0] / inputs[1]
        return y

    def prepare(self, call: Call) -> Constants:
        """|a|·|entry| + |rounding| < 2^8·2^23 + 2^21: within int32."""
        (a, b), y = call.inputs, call.output
        if not narrow(call):
            return _wide(call)
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
        if not narrow(call):
            return _quotients(a - k["a_zero_point"], b - k["b_zero_point"], k)
        product = (a - k["a_zero_point"]) * k["reciprocals"].astype(np.int64)[b + 128]
        y: Array = np.clip((product + k["rounding"]) >> k["shift"], -128, 127).astype(np.int8)
        return y


def _wide(call: Call) -> Constants:
    """a·multiplier is below 2^46; what is left of it is saturated to int32, and meets 1/b below 2^62."""
    (a, b), y = call.inputs, call.output
    r = to_requant(np.array([a.scale / (b.scale * y.scale) * 2.0**-KEPT]))
    return {
        "multiplier": int(r.multiplier[0]),
        "doublings": r.pre_shift,
        "shift": r.shift,
        "rounding": r.rounding(y.zero_point),
        "a_zero_point": a.zero_point,
        "b_zero_point": b.zero_point,
        "zero_point": y.zero_point,
        "lo": y.dtype.low,
        "hi": y.dtype.high,
        "a_dtype": a.dtype,
        "b_dtype": b.dtype,
        "dtype": y.dtype,
    }


def _quotients(a: Array, b: Array, k: Constants) -> Array:
    """Of int64 values less their zero points."""
    inverse = np.sign(b) * (INT32_MAX // np.maximum(np.abs(b), 1))
    scaled = np.clip((a * k["multiplier"] >> 16) << k["doublings"], -INT32_MAX - 1, INT32_MAX)
    half = 0 if k["shift"] else 1 << 31
    y = (((scaled * inverse + half) >> 32) + k["rounding"]) >> k["shift"]
    by_zero = np.select([a > 0, a < 0], [k["hi"], k["lo"]], k["zero_point"])
    made: Array = np.clip(np.where(b == 0, by_zero, y), k["lo"], k["hi"]).astype(k["dtype"].numpy)
    return made


register(Div())
