"""mul: y = clamp(a · b) of two activations of one shape, or b repeated along axes where it has size 1."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from ..qmath import INT32_MAX, clamp_bounds, requantize, to_requant
from .spec import Constants, Op, Stripe, register
from .stripes import cut
from .weighted import clamped


@dataclass(frozen=True)
class MulAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


class Mul(Op):
    """Of one shape, or a gate: (1, H, W, C) times (1, 1, 1, C), or any other axes that the gate lacks."""

    name = "mul"
    attrs = MulAttrs
    clamps = True

    def shape(self, attrs: MulAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != len(b) or any(n not in (m, 1) for m, n in zip(a, b, strict=True)):
            raise ValueError(f"mul needs two equal shapes, or one with sizes of 1 instead, got {a} and {b}")
        return a

    def run_float(self, call: Call, *inputs: Array) -> Array:
        a, b = inputs
        return clamped(a * b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: MulAttrs, order: Shape) -> MulAttrs:
        return attrs

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Of a gate without rows, its only one."""
        return cut(call, rows, *[range(1) if t.shape[1:2] == (1,) else rows for t in call.inputs])

    def prepare(self, call: Call) -> Constants:
        """Raises OverflowError where the product, at most 255², would leave int32 with the pre-shift."""
        (a, b), y = call.inputs, call.output
        r = to_requant(np.array([a.scale * b.scale / y.scale]))
        if _largest(a) * _largest(b) << r.pre_shift > INT32_MAX:
            raise OverflowError(f"layer {y.name!r}: the output range is far too small for its inputs")
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "a_zero_point": a.zero_point,
            "b_zero_point": b.zero_point,
            "requant": r,
            "multiplier": int(r.multiplier[0]),
            "zero_point": y.zero_point,
            "lo": lo,
            "hi": hi,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        product = (a - k["a_zero_point"]) * (b - k["b_zero_point"])
        y = requantize(product, k["requant"], k["zero_point"], k["lo"], k["hi"])
        return y.reshape(product.shape)  # a single value has no axis


def _largest(tensor: Tensor) -> int:
    """The largest magnitude of a value less the zero point."""
    return max(127 - tensor.zero_point, tensor.zero_point + 128)


register(Mul())
