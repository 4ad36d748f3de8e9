"""normalize: values over the square root of the sum of squares of all that lie along some axes.

int8: a root and a division for each of these, then a product for each value. Where int16 is read or written:
a reciprocal root, then a product of 64 bits.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape
from ..qmath import integer_root, reciprocal_roots
from .add import narrow
from .reduce import MOST_VALUES, too_many, values_along
from .spec import Constants, Op, register

UNIT_OUTPUT = QParams((1 / 128,), 0)
WIDE_UNIT_OUTPUT = QParams((1 / 32768,), 0, Dtype.INT16)
ROOT_BITS = 8
"""Of the root."""
RECIPROCAL_BITS = 23
"""What a reciprocal has behind the point, beside the seven bits of the output."""
MOST_SQUARES = 2**61
"""Of a sum of squares in units of 4^-ROOT_BITS."""


@dataclass(frozen=True)
class NormalizeAttrs:
    """Along `axes` together; a norm below `least` counts as that.

    Where that is 0, real values that are all 0 are divided by 0; integers stay 0.
    """

    axes: tuple[int, ...]
    least: float = 0.0


class Normalize(Op):
    """Output scale 1/128, of int16 1/32768; zero point 0."""

    name = "normalize"
    attrs = NormalizeAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: NormalizeAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        n = values_along("normalize", attrs.axes, x)
        if not 0 <= attrs.least < 2.0**100 or n > MOST_VALUES:
            raise ValueError(f"normalize of more than {MOST_VALUES:,} values, or by no number")
        return x

    def run_float(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        norm = np.sqrt((x * x).sum(axis=call.attrs.axes, keepdims=True))
        with np.errstate(invalid="ignore"):
            y: Array = x / np.maximum(norm, call.attrs.least)
        return y

    def output_qparams(self, attrs: NormalizeAttrs, dtype: Dtype = Dtype.INT8) -> QParams:
        return WIDE_UNIT_OUTPUT if dtype is Dtype.INT16 else UNIT_OUTPUT

    def refuses(self, call: Call) -> str:
        return too_many(call) or super().refuses(call)

    def remap(self, attrs: NormalizeAttrs, order: Shape) -> NormalizeAttrs:
        return replace(attrs, axes=tuple(sorted(order[axis] for axis in attrs.axes)))

    def prepare(self, call: Call) -> Constants:
        """No value is above the root of the squares: value · (2^(7 + 23 + 8) / root) is below 2^31, and
        value · reciprocal root, of 31 bits, below 2^46.

        Squares of int16 add up to less than 2^45, and in units of 4^-8 to less than 2^61.
        """
        x = call.inputs[0]
        if not narrow(call):
            return _wide(call)
        least = np.rint(call.attrs.least / x.scale * 2.0**ROOT_BITS)
        return {"x_zero_point": x.zero_point, "least": int(np.clip(least, 1, 2**31 - 1))}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x = inputs[0].astype(np.int64) - k["x_zero_point"]
        squares = (x * x).sum(axis=call.attrs.axes, keepdims=True)
        if not narrow(call):
            inverse, half_bits = reciprocal_roots(np.maximum(squares << 2 * ROOT_BITS, k["least"]))
            drop = k["drop"] + half_bits
            rounded = (x * inverse + (np.int64(1) << (drop - 1))) >> drop
            wide: Array = np.clip(rounded, k["lo"], k["hi"]).astype(k["dtype"].numpy)
            return wide
        root = np.maximum(integer_root(squares << 2 * ROOT_BITS), k["least"])
        share = x * ((1 << 7 + RECIPROCAL_BITS + ROOT_BITS) // root)
        y: Array = np.minimum((share + (1 << RECIPROCAL_BITS - 1)) >> RECIPROCAL_BITS, 127)
        return np.maximum(y, -128).astype(np.int8)


def _wide(call: Call) -> Constants:
    """`least` as a sum of squares in units of 4^-8, at least one step; `drop`: what results are shifted by,
    less half of that sum's bits.
    """
    x, y = call.inputs[0], call.output
    least = (call.attrs.least / x.scale * 2.0**ROOT_BITS) ** 2
    return {
        "x_zero_point": x.zero_point,
        "least": int(np.clip(np.rint(min(least, float(MOST_SQUARES))), 4**ROOT_BITS, MOST_SQUARES)),
        "drop": 30 - ROOT_BITS - (15 if y.dtype is Dtype.INT16 else 7),
        "x_dtype": x.dtype,
        "dtype": y.dtype,
        "lo": y.dtype.low,
        "hi": y.dtype.high,
    }


register(Normalize())
