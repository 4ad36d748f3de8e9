"""reduce: sums of magnitudes or squares over some axes: the norms and the spread of what lies along them.

Maxima, sums and means over axes are pools (max_pool2d, avg_pool2d).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isqrt, prod, sqrt
from typing import Literal

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import integer_root, to_requant
from .layer_norm import SPREAD_BITS
from .spec import Constants, Op, register
from .weighted import requantized

Kind = Literal["l1", "l2", "var", "std"]
MOST_ROOT_BITS = {Dtype.INT8: 8, Dtype.INT16: 16}
"""At most, of a root, by the type that is written."""
MOST_VALUES = 2**20
"""That are reduced to one."""
MOST_WIDE_VALUES = 2**15 - 1
"""Of int16: n times their sum of squares is below 2^60 then."""
DEVIATION_BITS = {Dtype.INT8: 7, Dtype.INT16: 15}
"""Of the largest deviation."""


@dataclass(frozen=True)
class ReduceAttrs:
    """Over `axes`, which stay with size 1. `correction` is subtracted from how many values a variance has."""

    axes: tuple[int, ...]
    kind: Kind
    correction: int = 0


class Reduce(Op):
    name = "reduce"
    attrs = ReduceAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: ReduceAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        n = values_along("reduce", attrs.axes, x)
        if n > MOST_VALUES:
            raise ValueError(f"reduce of {n:,} values to one: at most {MOST_VALUES:,}")
        if attrs.kind in ("var", "std") and not 0 <= attrs.correction < n:
            raise ValueError(f"a variance of {n} values with a correction of {attrs.correction}: less of it")
        return tuple(1 if axis in attrs.axes else size for axis, size in enumerate(x))

    def refuses(self, call: Call) -> str:
        return too_many(call) or super().refuses(call)

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

        Of n values that reach 2^r (8, of int16 15) a sum is below n·2^r, of squares n·2^2r, and n² variances
        below n²·2^2r: a root of these takes as many bits behind the point as leave it within 62 bits before.
        """
        x, y, n = call.inputs[0], call.output, count(call)
        bits, reach = n.bit_length(), SPREAD_BITS[x.dtype]
        most = MOST_ROOT_BITS[y.dtype]
        fraction, dropped, unit = 0, 0, x.scale
        match call.attrs.kind:
            case "l2":
                fraction = min(most, (62 - 2 * reach - bits) // 2, 30 - reach - (bits + 1) // 2)
                unit = x.scale / 2.0**fraction
            case "std":
                fraction = min(most, (62 - 2 * reach - 2 * bits) // 2, 30 - reach - bits)
                unit = x.scale / 2.0**fraction / sqrt(n * (n - call.attrs.correction))
            case "var":
                dropped = max(0, 2 * reach + 2 * bits - 30)
                unit = x.scale**2 * 2.0**dropped / (n * (n - call.attrs.correction))
        r = to_requant(np.array([unit / y.scale]))
        if _most(call, fraction, dropped) << r.pre_shift >= 2**31:
            raise OverflowError(f"layer {y.name!r}: the output range is far too small for its input")
        return {
            "requant": r,
            "multiplier": int(r.multiplier[0]),
            "zero_point": y.zero_point,
            "x_zero_point": x.zero_point,
            "fraction_bits": fraction,
            "dropped_bits": dropped,
            "half": 1 << dropped >> 1,
            "x_dtype": x.dtype,
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
        return requantized(acc, k).reshape(call.output.shape)


def _norm(x: Array, axes: tuple[int, ...]) -> Array:
    y: Array = np.sqrt((x * x).sum(axis=axes, keepdims=True))
    return y


def _most(call: Call, fraction_bits: int, dropped_bits: int) -> int:
    """What is requantized is less."""
    n, dtype = count(call), call.inputs[0].dtype
    match call.attrs.kind:
        case "l1":
            return n << SPREAD_BITS[dtype]
        case "l2":
            return (isqrt(n) + 1) << SPREAD_BITS[dtype] + fraction_bits
        case "var":
            return (n << DEVIATION_BITS[dtype]) ** 2 >> dropped_bits
        case _:
            return n << DEVIATION_BITS[dtype] + fraction_bits


def values_along(op: str, axes: Sequence[int], x: Shape) -> int:
    """How many lie along some axes of x together; ValueError unless these are axes of it, each once."""
    if not len({*axes}) == len(axes) > 0 or any(axis not in range(len(x)) for axis in axes):
        raise ValueError(f"{op} over axes {axes} does not fit shape {x}")
    return prod(x[axis] for axis in axes)


def count(call: Call) -> int:
    """How many values become one."""
    return prod(call.inputs[0].shape[axis] for axis in {*call.attrs.axes})


def too_many(call: Call) -> str:
    """Why so many values of int16 are refused; "": they are not."""
    n, x = count(call), call.inputs[0]
    if x.dtype is not Dtype.INT16 or n <= MOST_WIDE_VALUES:
        return ""
    return (
        f"makes one of {n:,} values of int16, and takes at most {MOST_WIDE_VALUES:,}: put a rescale to int8 "
        "before it"
    )


register(Reduce())
