"""add: y = clamp(a + b), each times a factor where it has one (a − b); b repeated where it has size 1.

int8: two 16-bit multipliers and one rounded shift. Where int16 is read or written: two 32-bit multipliers and
one rounding of 64 bits.
"""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import MAX_SHIFT, Requant, clamp_bounds, requantize, to_requant
from .spec import Constants, Op, Stripe, register
from .stripes import cut
from .weighted import clamped

MULTIPLIER_MAX = 2**15 - 1
MAX_WIDE_SHIFT = 15


@dataclass(frozen=True)
class AddAttrs:
    """Real bounds of an absorbed activation (None: unbounded), and the factors of a and of b."""

    lo: float | None = None
    hi: float | None = None
    a: float = 1.0
    b: float = 1.0


class Add(Op):
    name = "add"
    attrs = AddAttrs
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: AddAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != len(b) or any(n not in (m, 1) for m, n in zip(a, b, strict=True)):
            raise ValueError(f"add needs two equal shapes, or one with sizes of 1 instead, got {a} and {b}")
        return a

    def run_float(self, call: Call, *inputs: Array) -> Array:
        a, b = inputs
        return clamped(call.attrs.a * a + call.attrs.b * b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: AddAttrs, order: Shape) -> AddAttrs:
        return attrs

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
        }

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Of a b without rows, its only one."""
        return cut(call, rows, *[range(1) if t.shape[1:2] == (1,) else rows for t in call.inputs])

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        if not narrow(call):
            exact = Requant(np.ones(1, np.int32), k["shift"], 0)
            total = a * k["ma"] + b * k["mb"] - k["offset"]
            y = requantize(total, exact, k["zero_point"], k["lo"], k["hi"], k["dtype"])
            return y.reshape(total.shape)
        summed: Array = np.clip((a * k["ma"] + b * k["mb"] + k["bias"]) >> k["shift"], k["lo"], k["hi"])
        return summed.astype(np.int8)


def narrow(call: Call) -> bool:
    """Whether all three are int8."""
    return all(tensor.dtype is Dtype.INT8 for tensor in (*call.inputs, call.output))


def _factors(call: Call) -> Array:
    """From steps of a and of b to steps of y."""
    (a, b), y = call.inputs, call.output
    return np.array([call.attrs.a * a.scale, call.attrs.b * b.scale]) / y.scale


def _wide(call: Call) -> Constants:
    """|a·ma| + |b·mb| ≤ 2·2^15·2^46, and as much for the zero points: within 63 bits."""
    (a, b), y = call.inputs, call.output
    factors = _factors(call)
    r = to_requant(np.abs(factors))
    if r.pre_shift > MAX_WIDE_SHIFT:
        raise ValueError(f"layer {y.name!r}: the output range is far too small for its inputs")
    signs = np.sign(factors).astype(int)
    ma, mb = (int(sign) * int(m) << r.pre_shift for sign, m in zip(signs, r.multiplier, strict=True))
    lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
    return {
        "ma": ma,
        "mb": mb,
        "offset": a.zero_point * ma + b.zero_point * mb,
        "shift": r.shift,
        "zero_point": y.zero_point,
        "lo": lo,
        "hi": hi,
        "a_dtype": a.dtype,
        "b_dtype": b.dtype,
        "dtype": y.dtype,
    }


register(Add())
