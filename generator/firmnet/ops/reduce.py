"""reduce: sums of magnitudes or squares over some axes: the norms and the spread of what lies along them.

Maxima, sums and means over axes are pools (max_pool2d, avg_pool2d).
"""

from dataclasses import dataclass, replace
from math import isqrt, prod, sqrt
from typing import Literal

import numpy as np

from ..ir import Array, Call, Shape
from ..qmath import integer_root, requantize, to_requant
from .spec import Constants, Op, register

Kind = Literal["l1", "l2", "var", "std"]
MOST_ROOT_BITS = 8
"""At most, of a root."""
MOST_VALUES = 2**20
"""That are reduced to one."""


@dataclass(frozen=True)
class ReduceAttrs:
    """Over `axes`, which stay with size 1. `correction` is subtracted from how many values a variance has."""

    axes: tuple[int, ...]
    kind: Kind
    correction: int = 0


class Reduce(Op):
    name = "reduce"
    attrs = ReduceAttrs

    def shape(self, attrs: ReduceAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        distinct = len({*attrs.axes}) == len(attrs.axes) > 0
        if not distinct or any(axis not in range(len(x)) for axis in attrs.axes):
            raise ValueError(f"reduce over axes {attrs.axes} does not fit shape {x}")
        n = prod(x[axis] for axis in {*attrs.axes})
        if n > MOST_VALUES:
            raise ValueError(f"reduce of {n:,} values to one: at most {MOST_VALUES:,}")
        if attrs.kind in ("var", "std") and not 0 <= attrs.correction < n:
            raise ValueError(f"a variance of {n} values with a correction of {attrs.correction}: less of it")
        return tuple(1 if axis in attrs.axes else size for axis, size in enumerate(x))

    def run_float(self, call: Call, *inputs: Array) -> Array:
        (x,), axes, kind = inputs, call.attrs.axes, call.attrs.kind
        if kind in ("l1", "l2"):
            y: Array = np.abs(x).sum(axis=axes, keepdims=True) if kind == "l1" else _norm(x, axes)
            return y
        spread = _norm(x - x.mean(axis=axes, keepdims=True), axes)
        y = spread / sqrt(count(call) - call.attrs.correction)
        return y if kind == "std" else y * y

    def remap(self, attrs: ReduceAttrs, order: Shape) -> ReduceAttrs:
        return replace(attrs, axes=tuple(sorted(order[axis] for axis in attrs.axes)))

    def prepare(self, call: Call) -> Constants:
        """What is requantized, always below 2^31, is a sum of `l1`, a root of `l2` and `std` with
        `fraction_bits`, or a variance times n², `dropped_bits` less of it.

        Of n values below 2^8 apart a sum is below n·2^8, of squares n·2^16, and n² variances below n²·2^16:
        a root of these takes as many bits behind the point as leave it within 62 bits before.
        """
        x, y, n = call.inputs[0], call.output, count(call)
        bits = n.bit_length()
        fraction, dropped, unit = 0, 0, x.scale
        match call.attrs.kind:
            case "l2":
                fraction = min(MOST_ROOT_BITS, (62 - 16 - bits) // 2, 30 - 8 - (bits + 1) // 2)
                unit = x.scale / 2.0**fraction
            case "std":
                fraction = min(MOST_ROOT_BITS, (62 - 16 - 2 * bits) // 2, 30 - 8 - bits)
                unit = x.scale / 2.0**fraction / sqrt(n * (n - call.attrs.correction))
            case "var":
                dropped = max(0, 16 + 2 * bits - 30)
                unit = x.scale**2 * 2.0**dropped / (n * (n - call.attrs.correction))
        r = to_requant(np.array([unit / y.scale]))
        if _most(call.attrs.kind, n, fraction, dropped) << r.pre_shift >= 2**31:
            raise OverflowError(f"layer {y.name!r}: the output range is far too small for its input")
        return {
            "requant": r,
            "multiplier": int(r.multiplier[0]),
            "zero_point": y.zero_point,
            "x_zero_point": x.zero_point,
            "fraction_bits": fraction,
            "dropped_bits": dropped,
            "half": 1 << dropped >> 1,
            "dtype": y.dtype,
            "lo": y.dtype.low,
            "hi": y.dtype.high,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x, axes = inputs[0].astype(np.int64) - k["x_zero_point"], call.attrs.axes
        if call.attrs.kind == "l1":
            acc = np.abs(x).sum(axis=axes, keepdims=True)
        else:
            acc = (x * x).sum(axis=axes, keepdims=True)
        if call.attrs.kind in ("var", "std"):
            acc = count(call) * acc - x.sum(axis=axes, keepdims=True) ** 2
        if call.attrs.kind in ("l2", "std"):
            acc = integer_root(acc << 2 * k["fraction_bits"])
        acc = (acc + k["half"]) >> k["dropped_bits"]
        return requantize(acc, k["requant"], k["zero_point"]).reshape(call.output.shape)


def _norm(x: Array, axes: tuple[int, ...]) -> Array:
    y: Array = np.sqrt((x * x).sum(axis=axes, keepdims=True))
    return y


def _most(kind: Kind, n: int, fraction_bits: int, dropped_bits: int) -> int:
    """What is requantized is less."""
    if kind == "l1":
        return 256 * n
    if kind == "var":
        return (128 * n) ** 2 >> dropped_bits
    return (256 * (isqrt(n) + 1) if kind == "l2" else 128 * n) << fraction_bits


def count(call: Call) -> int:
    """How many values become one."""
    return prod(call.inputs[0].shape[axis] for axis in {*call.attrs.axes})


register(Reduce())
