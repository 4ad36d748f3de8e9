"""How do the quantized tensors of a layer with weights become its integer constants?"""

import numpy as np

from ..ir import Array, Call, Dtype
from ..qmath import (
    check_accumulator,
    clamp_bounds,
    int32,
    largest_sums,
    requant_of_sums,
    requantize,
    to_requant,
)
from .spec import Constants


def fold(call: Call) -> Constants:
    """Constants of a layer (x, weight, bias) with attrs lo and hi: one row of weights per output channel.

    The input zero point is folded into the bias, as if every weight met an input. `sums`: the type in which
    products are added up exactly, in any order. Sums over int16 that int32
    may not hold have 64 bits; over int8 they are an OverflowError, and where 64 bits do not help.
    """
    (x, w, b), y = call.inputs, call.output
    scales = np.broadcast_to(x.scale * np.asarray(w.q.scale) / y.scale, len(w.values))
    rows = w.values.astype(np.int64).reshape(len(w.values), -1)
    bias = int32(b.values - x.zero_point * rows.sum(axis=1))
    if x.dtype is Dtype.INT8:
        r = to_requant(scales)
        check_accumulator(bias, w.values, r.pre_shift)
    else:
        r = requant_of_sums(scales, int(largest_sums(bias, rows, -x.dtype.low).max()))
    lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
    return {
        "weight": w.values,
        "bias": bias,
        "multiplier": r.multiplier,
        "requant": r,
        "zero_point": y.zero_point,
        "lo": lo,
        "hi": hi,
        "x_dtype": x.dtype,
        "sums": np.float32 if largest_sums(0 * bias, rows, -x.dtype.low).max() < 2**24 else np.float64,
        "dtype": y.dtype,
    }


def multiply(x: Array, k: Constants) -> Array:
    """Rows (..., K) times the folded weights (N, K), plus bias, requantized: (..., N)."""
    w = k["weight"].reshape(len(k["weight"]), -1)
    acc = x.astype(k["sums"]) @ w.T.astype(k["sums"])
    return requantized(acc.astype(np.int64) + k["bias"], k)


def requantized(acc: Array, k: Constants) -> Array:
    """What int64 sums (…, channels) become, by the constants of their layer."""
    return requantize(acc, k["requant"], k["zero_point"], k["lo"], k["hi"], k["dtype"])


def clamped(y: Array, lo: float | None, hi: float | None) -> Array:
    """Float values with an absorbed activation applied."""
    return y if lo is None and hi is None else np.clip(y, lo, hi)
