"""prelu: y = x above zero, and below it x times a slope for each channel.

One product and one rounded shift: int8 by multipliers of 14 bits, where int16 is read or written of 31.
"""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import INT32_MAX, MAX_SHIFT
from .add import narrow
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import same_rows

STEEPEST = 2**14 - 1
"""So that the difference of two fits 16 bits."""
STEEP_SHIFTS = range(47, 16, -1)
"""Of products of 31 bits and 16, whose last 16 may be dropped at once: to the rest at most 2^30 is added."""


@dataclass(frozen=True)
class PReluAttrs:
    """The axis of the channels, and a slope for each."""

    axis: int
    slopes: tuple[float, ...]


class PRelu(Op):
    name = "prelu"
    attrs = PReluAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: PReluAttrs, *inputs: Shape) -> Shape:
        x = inputs[0]
        if not 0 <= attrs.axis < len(x) or x[attrs.axis] != len(attrs.slopes):
            raise ValueError(f"prelu of {len(attrs.slopes)} slopes on axis {attrs.axis} got shape {x}")
        return x

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x = inputs[0]
        y: Array = np.where(x > 0, x, x * _along(np.array(call.attrs.slopes), call))
        return y

    def remap(self, attrs: PReluAttrs, order: Shape) -> PReluAttrs:
        return PReluAttrs(order[attrs.axis], attrs.slopes)

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis) if axis != call.attrs.axis else None

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return same_rows(call, rows) if call.attrs.axis > 1 else None

    def prepare(self, call: Call) -> Constants:
        """|x|·|multiplier| + |rounding| < 2^8·2^14 + 2^29: within int32; with int16 2^15·2^31 + 2^54."""
        x, y = call.inputs[0], call.output
        factors = np.array([1.0, *call.attrs.slopes]) * x.scale / y.scale
        top = float(np.abs(factors).max())
        fine, shifts = (STEEPEST, range(MAX_SHIFT, 0, -1)) if narrow(call) else (INT32_MAX, STEEP_SHIFTS)
        shift = next((s for s in shifts if round(top * 2**s) <= fine), 0)
        if not shift:
            raise ValueError(f"layer {y.name!r}: the output range is far too small for its input")
        multipliers = np.rint(factors * 2.0**shift).astype(np.int16 if narrow(call) else np.int32)
        return {
            "positive": int(multipliers[0]),
            "negative": multipliers[1:],
            "x_zero_point": x.zero_point,
            "rounding": (y.zero_point << shift) + (1 << (shift - 1)),
            "shift": shift,
            "x_dtype": x.dtype,
            "dtype": y.dtype,
            "lo": y.dtype.low,
            "hi": y.dtype.high,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x = inputs[0].astype(np.int64) - k["x_zero_point"]
        factor = np.where(x >= 0, k["positive"], _along(k["negative"].astype(np.int64), call))
        y: Array = np.clip((x * factor + k["rounding"]) >> k["shift"], k["lo"], k["hi"])
        return y.astype(k["dtype"].numpy)


def _along(values: Array, call: Call) -> Array:
    """One for each channel, to go with the activation."""
    behind = len(call.inputs[0].shape) - 1 - call.attrs.axis
    return values.reshape(-1, *[1] * behind)


register(PRelu())
