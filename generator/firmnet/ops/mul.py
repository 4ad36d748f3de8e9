"""mul: y = clamp(a · b) of two activations of one shape, or b repeated along axes where it has size 1."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from ..qmath import INT32_MAX, clamp_bounds, requantize, to_requant
from .spec import Constants, Op, Stripe, register
from .stripes import cut
from .weighted import clamped

"""Scale and zero point."""


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

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        a, b = call.inputs
        return (0, 0 if a.shape == b.shape else None)

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
            "size": y.size,
            "loops": _loops(a.shape, b.shape),
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        product = (a - k["a_zero_point"]) * (b - k["b_zero_point"])
        y = requantize(product, k["requant"], k["zero_point"], k["lo"], k["hi"])
        return y.reshape(product.shape)  # a single value has no axis

    def variant(self, call: Call, dsp: bool) -> str:
        """The DSP kernel loads words of both, from a as a whole or from rows that all meet the same b."""
        *outer, (_, step) = _loops(*(tensor.shape for tensor in call.inputs))
        return "dsp" if dsp and step == 1 and len(outer) < 2 else ""


def _largest(tensor: Tensor) -> int:
    """The largest magnitude of a value less the zero point."""
    return max(127 - tensor.zero_point, tensor.zero_point + 128)


def _loops(a: Shape, b: Shape) -> list[tuple[int, int]]:
    """Nested loops over a as (size, step in b); axes along which b goes on in one step become one."""
    loops: list[tuple[int, int]] = []
    for axis in range(len(a)):
        if a[axis] == 1:
            continue
        step = int(np.prod(b[axis + 1 :], dtype=np.int64)) if b[axis] > 1 else 0
        if loops and loops[-1][1] == a[axis] * step:
            loops[-1] = (loops[-1][0] * a[axis], step)
        else:
            loops.append((a[axis], step))
    return loops or [(1, 1)]


register(Mul())
