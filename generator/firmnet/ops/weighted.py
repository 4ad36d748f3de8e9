"""How do the quantized tensors of a layer with weights become its integer constants?"""

import numpy as np

from ..ir import Array, Call
from ..qmath import check_accumulator, clamp_bounds, int32, requantize, to_requant
from .spec import Constants


def fold(call: Call) -> Constants:
    """Constants of a layer (x, weight, bias) with attrs lo and hi: one row of weights per output channel.

    The input zero point is folded into the bias, as if every weight met an input; raises OverflowError
    when a partial sum could leave int32.
    """
    (x, w, b), y = call.inputs, call.output
    scales = x.scale * np.asarray(w.q.scale) / y.scale
    r = to_requant(np.broadcast_to(scales, len(w.values)))
    rows = w.values.astype(np.int64).reshape(len(w.values), -1)
    bias = int32(b.values - x.zero_point * rows.sum(axis=1))
    check_accumulator(bias, w.values, r.pre_shift)
    lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
    return {
        "weight": w.values,
        "bias": bias,
        "multiplier": r.multiplier,
        "requant": r,
        "zero_point": y.zero_point,
        "lo": lo,
        "hi": hi,
    }


def multiply(x: Array, k: Constants) -> Array:
    """int8 rows (..., K) times the folded weights (N, K), plus bias, requantized: int8 (..., N)."""
    w = k["weight"].reshape(len(k["weight"]), -1)
    acc = x.astype(np.float64) @ w.T.astype(np.float64)  # exact: every sum is far below 2^53
    return requantize(acc.astype(np.int64) + k["bias"], k["requant"], k["zero_point"], k["lo"], k["hi"])


def clamped(y: Array, lo: float | None, hi: float | None) -> Array:
    """Float values with an absorbed activation applied."""
    return y if lo is None and hi is None else np.clip(y, lo, hi)
