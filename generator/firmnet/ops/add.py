"""add: y = clamp(a + b), b repeated where it has size 1: two 16-bit multipliers and one rounded shift."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape
from ..qmath import MAX_SHIFT, clamp_bounds
from .spec import Constants, Op, Stripe, register
from .stripes import cut
from .weighted import clamped

MULTIPLIER_MAX = 2**15 - 1


@dataclass(frozen=True)
class AddAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


class Add(Op):
    name = "add"
    attrs = AddAttrs
    clamps = True

    def shape(self, attrs: AddAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != len(b) or any(n not in (m, 1) for m, n in zip(a, b, strict=True)):
            raise ValueError(f"add needs two equal shapes, or one with sizes of 1 instead, got {a} and {b}")
        return a

    def run_float(self, call: Call, *inputs: Array) -> Array:
        a, b = inputs
        return clamped(a + b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: AddAttrs, order: Shape) -> AddAttrs:
        return attrs

    def prepare(self, call: Call) -> Constants:
        """|a·ma| + |b·mb| + |bias| < 2·2^22 + 2·2^22 + 2^29 + 2^21: far from the end of int32."""
        (a, b), y = call.inputs, call.output
        scales = np.array([a.scale, b.scale]) / y.scale
        shift = next((s for s in range(MAX_SHIFT, 0, -1) if round(scales.max() * 2**s) <= MULTIPLIER_MAX), 0)
        if not shift:
            raise ValueError(f"layer {y.name!r}: the output range is far too small for its inputs")
        ma, mb = (int(m) for m in np.rint(scales * 2**shift))
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
        y: Array = np.clip((a * k["ma"] + b * k["mb"] + k["bias"]) >> k["shift"], k["lo"], k["hi"])
        return y.astype(np.int8)


register(Add())
