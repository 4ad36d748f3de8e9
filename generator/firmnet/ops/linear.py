"""linear: y = clamp(x · wᵀ + b) over the last axis, int8 with one weight scale per output feature."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from ..qmath import check_accumulator, clamp_bounds, int32, requantize, to_requant
from .builder import Builder
from .casework import activation, bias, weight
from .spec import Case, Constants, Cost, Op, register


@dataclass(frozen=True)
class LinearAttrs:
    """Real bounds of an absorbed activation (None: unbounded)."""

    lo: float | None = None
    hi: float | None = None


def from_aten(b: Builder, x: Tensor, w: Array, bias: Array | None = None) -> Tensor:
    bias = np.zeros(len(w)) if bias is None else bias
    return b.add("linear", LinearAttrs(), x, b.constant(f"{b.layer}_weight", w), b.constant(f"{b.layer}_bias", bias))


class Linear(Op):
    """x (1, …, K), weight (N, K), bias (N,) → (1, …, N)."""

    name = "linear"
    attrs = LinearAttrs
    sources = {"aten.linear.default": from_aten}
    weighted = True
    clamps = True

    def shape(self, attrs: LinearAttrs, *inputs: Shape) -> Shape:
        x, w, _ = inputs
        if x[-1] != w[1]:
            raise ValueError(f"linear expects {w[1]} features on the last axis, got shape {x}")
        return (*x[:-1], w[0])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x, w, b = inputs
        y: Array = np.clip(x @ w.T + b, call.attrs.lo, call.attrs.hi) if _bounded(call.attrs) else x @ w.T + b
        return y

    def remap(self, attrs: LinearAttrs, order: Shape) -> LinearAttrs | None:
        return attrs if order[-1] == len(order) - 1 else None

    def prepare(self, call: Call) -> Constants:
        (x, w, b), y = call.inputs, call.output
        scales = x.scale * np.asarray(w.q.scale) / y.scale
        r = to_requant(np.broadcast_to(scales, len(w.values)))
        folded = int32(b.values - x.zero_point * w.values.astype(np.int64).sum(axis=1))
        check_accumulator(folded, w.values, r.pre_shift)
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "weight": w.values,
            "bias": folded,
            "multiplier": r.multiplier,
            "requant": r,
            "zero_point": y.zero_point,
            "lo": lo,
            "hi": hi,
            "rows": x.size // x.shape[-1],
            "n_in": x.shape[-1],
            "n_out": y.shape[-1],
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        (x,) = inputs
        acc = x.astype(np.float64) @ k["weight"].T.astype(np.float64)  # exact: every sum is far below 2^53
        return requantize(acc.astype(np.int64) + k["bias"], k["requant"], k["zero_point"], k["lo"], k["hi"])

    def cost(self, call: Call) -> Cost:
        n_out, n_in = call.inputs[1].shape
        return Cost(macs=call.inputs[0].size // n_in * n_out * n_in)

    def cases(self) -> Iterator[Case]:
        rows = [
            ("1x1", (1, 1), 1, {}),
            ("13x5", (1, 13), 5, {}),
            ("64x10_relu", (1, 64), 10, {"lo": 0.0}),
            ("7x3_relu6", (1, 7), 3, {"lo": 0.0, "hi": 2.0}),
            ("rank4_6x9", (1, 3, 5, 6), 9, {}),
        ]
        for seed, (label, shape, n_out, options) in enumerate(rows):
            x = activation("x", shape, 0.05, 3)
            w = weight("w", (n_out, shape[-1]), seed)
            y_scale = 0.05 * float(np.mean(w.q.scale)) * 0.7 * shape[-1] ** 0.5
            zero_point = -128 if options.get("lo") == 0.0 and "hi" not in options else -7
            y = activation("y", (*shape[:-1], n_out), y_scale * 64, zero_point)
            yield Case(label, Call(LinearAttrs(**options), (x, w, bias("b", x, w, seed)), y))


def _bounded(attrs: LinearAttrs) -> bool:
    return attrs.lo is not None or attrs.hi is not None


register(Linear())
