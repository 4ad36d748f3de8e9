"""add: y = clamp(a + b), each times a factor where it has one (a − b); b repeated where it has size 1.

int8: two 16-bit multipliers and one rounded shift. Where int16 is read or written: two 32-bit multipliers, of
whose products the last 16 bits are dropped, and one rounded shift.
"""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype
from ..qmath import MAX_SHIFT, clamp_bounds
from .broadcasting import BroadcastOp
from .spec import Constants, register
from .weighted import clamped

MULTIPLIER_MAX = 2**15 - 1
WIDE_MULTIPLIER_MAX = 2**30
DROPPED = 1
"""Of two products on average, in units of what is left."""
LEAST_WIDE_SHIFT = 3
"""So that what is dropped of two products is a quarter of a step."""


@dataclass(frozen=True)
class AddAttrs:
    """Real bounds of an absorbed activation (None: unbounded), and the factors of a and of b."""

    lo: float | None = None
    hi: float | None = None
    a: float = 1.0
    b: float = 1.0


class Add(BroadcastOp):
    name = "add"
    attrs = AddAttrs
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def run_float(self, call: Call, *inputs: Array) -> Array:
        a, b = inputs
        return clamped(call.attrs.a * a + call.attrs.b * b, call.attrs.lo, call.attrs.hi)

    def prepare(self, call: Call) -> Constants:
        """|a·ma| + |b·mb| + |bias| < 2·2^22 + 2·2^22 + 2^29 + 2^21: far from the end of int32."""
        (a, b), y = call.inputs, call.output
        if not narrow(call):
            return _wide(call)
        factors = _factors(call)
        top = float(np.abs(factors).max())
        shift = next((s for s in range(MAX_SHIFT, 0, -1) if round(top * 2**s) <= MULTIPLIER_MAX), 0)
        if not shift:
            raise ValueError(f"layer {y.name!r}: the output range is far too small for its inputs")
        ma, mb = (int(m) for m in np.rint(factors * 2**shift))
        bias = (y.zero_point << shift) + (1 << (shift - 1)) - a.zero_point * ma - b.zero_point * mb
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "ma": ma,
            "mb": mb,
            "bias": bias,
            "shift": shift,
            "lo": lo,
            "hi": hi,
            "dtype": y.dtype,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        if not narrow(call):
            total = (a * k["ma"] >> 16) + (b * k["mb"] >> 16) + k["bias"]
        else:
            total = a * k["ma"] + b * k["mb"] + k["bias"]
        summed: Array = np.clip(total >> k["shift"], k["lo"], k["hi"]).astype(k["dtype"].numpy)
        return summed


def narrow(call: Call) -> bool:
    """Whether all three are int8."""
    return all(tensor.dtype is Dtype.INT8 for tensor in (*call.inputs, call.output))


def _factors(call: Call) -> Array:
    """From steps of a and of b to steps of y."""
    (a, b), y = call.inputs, call.output
    return np.array([call.attrs.a * a.scale, call.attrs.b * b.scale]) / y.scale


def _wide(call: Call) -> Constants:
    """What is left of a product is at most 2^29, and |bias| below 2^29 + 2^22 + 2^21: within int32."""
    (a, b), y = call.inputs, call.output
    factors = _factors(call)
    top = float(np.abs(factors).max())
    shifts = range(MAX_SHIFT, LEAST_WIDE_SHIFT - 1, -1)
    shift = next((s for s in shifts if round(top * 2 ** (16 + s)) <= WIDE_MULTIPLIER_MAX), 0)
    if not shift:
        raise ValueError(f"layer {y.name!r}: the output range is far too small for its inputs")
    ma, mb = (int(m) for m in np.rint(factors * 2.0 ** (16 + shift)))
    offset = round((a.zero_point * ma + b.zero_point * mb) / 2**16)
    lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
    return {
        "ma": ma,
        "mb": mb,
        "bias": (y.zero_point << shift) + (1 << (shift - 1)) + DROPPED - offset,
        "shift": shift,
        "lo": lo,
        "hi": hi,
        "a_dtype": a.dtype,
        "b_dtype": b.dtype,
        "dtype": y.dtype,
    }


register(Add())
