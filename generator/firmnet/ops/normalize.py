"""normalize: values over the square root of the sum of squares of all that lie along some axes.

A root and a division for each of these, then a product for each value.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..ir import Array, Call, Dtype, QParams, Shape
from ..qmath import integer_root
from .reduce import MOST_VALUES
from .spec import Constants, Op, register

UNIT_OUTPUT = QParams((1 / 128,), 0)
ROOT_BITS = 8
"""Of the root."""
RECIPROCAL_BITS = 23
"""What a reciprocal has behind the point, beside the seven bits of the output."""


@dataclass(frozen=True)
class NormalizeAttrs:
    """Along `axes` together; a norm below `least` counts as that."""

    axes: tuple[int, ...]
    least: float = 0.0


class Normalize(Op):
    """Output scale 1/128, zero point 0."""

    name = "normalize"
    attrs = NormalizeAttrs

    def shape(self, attrs: NormalizeAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        distinct = len({*attrs.axes}) == len(attrs.axes) > 0
        if not distinct or any(axis not in range(len(x)) for axis in attrs.axes):
            raise ValueError(f"normalize along axes {attrs.axes} does not fit shape {x}")
        if not 0 <= attrs.least < 2.0**100 or prod(x[axis] for axis in {*attrs.axes}) > MOST_VALUES:
            raise ValueError(f"normalize of more than {MOST_VALUES:,} values, or by no number")
        return x

    def run_float(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        norm = np.sqrt((x * x).sum(axis=call.attrs.axes, keepdims=True))
        y: Array = x / np.maximum(norm, max(call.attrs.least, np.finfo(np.float64).tiny))
        return y

    def output_qparams(self, attrs: NormalizeAttrs, dtype: Dtype = Dtype.INT8) -> QParams:
        return UNIT_OUTPUT

    def remap(self, attrs: NormalizeAttrs, order: Shape) -> NormalizeAttrs:
        return replace(attrs, axes=tuple(sorted(order[axis] for axis in attrs.axes)))

    def prepare(self, call: Call) -> Constants:
        """No value is above the root of the squares: value · (2^(7 + 23 + 8) / root) is below 2^31."""
        x = call.inputs[0]
        least = np.rint(call.attrs.least / x.scale * 2.0**ROOT_BITS)
        return {"x_zero_point": x.zero_point, "least": int(np.clip(least, 1, 2**31 - 1))}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x = inputs[0].astype(np.int64) - k["x_zero_point"]
        squares = (x * x).sum(axis=call.attrs.axes, keepdims=True)
        root = np.maximum(integer_root(squares << 2 * ROOT_BITS), k["least"])
        share = x * ((1 << 7 + RECIPROCAL_BITS + ROOT_BITS) // root)
        y: Array = np.minimum((share + (1 << RECIPROCAL_BITS - 1)) >> RECIPROCAL_BITS, 127)
        return np.maximum(y, -128).astype(np.int8)


register(Normalize())
