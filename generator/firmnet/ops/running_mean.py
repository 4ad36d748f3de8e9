"""running_mean: the mean of the last places of a stream, of which only those that come and go are added up.

A mean over a window is a sum of its places. When it moves on, the places that come are added to that sum and
those that leave it are taken away: integers are exact, so the sum is what all places together would give.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import clamp_bounds, requant_of_sums
from .rings import MOST_PLACES, begin
from .spec import Constants, Op, register
from .weighted import clamped, requantized


@dataclass(frozen=True)
class RunningMeanAttrs:
    """Places lie along `axis`; in each the values along the axes `across` are added up, then all sums of the
    kept places, and divided by `divisor`.
    """

    axis: int
    across: tuple[int, ...]
    divisor: int
    lo: float | None = None
    hi: float | None = None


class RunningMean(Op):
    """x, with the places that come; kept (places, values), their sums; totals (values,), the sums over these;
    oldest (1,), which of the places it is → the means, in the shape of x with size 1 along the axes that are
    added up, and what kept, totals and oldest are in the next run.

    Where kept is int8 there is one value to a sum; totals are int32, and end where it does. What is kept is
    the sum of x − zero_point(x), plus a zero point of its own. `oldest` counts on modulo 2^16.
    """

    name = "running_mean"
    attrs = RunningMeanAttrs
    renews = {1: 1, 2: 2, 3: 3}
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16, Dtype.INT32)
    mixes = True

    def shape(self, attrs: RunningMeanAttrs, *inputs: Shape) -> Shape:
        return self.shapes(attrs, *inputs)[0]

    def shapes(self, attrs: RunningMeanAttrs, *inputs: Shape) -> tuple[Shape, ...]:
        x, kept, totals, oldest = inputs
        summed = {attrs.axis, *attrs.across}
        if not all(0 <= axis < len(x) for axis in summed) or len(summed) != 1 + len(attrs.across):
            raise ValueError(f"running_mean along axis {attrs.axis} and over {attrs.across} does not fit {x}")
        if attrs.divisor < 1:
            raise ValueError(f"running_mean divides by {attrs.divisor}: give 1 or more")
        y = tuple(1 if axis in summed else size for axis, size in enumerate(x))
        if len(kept) != 2 or kept[1] != prod(y) or totals != kept[1:] or x[attrs.axis] > kept[0]:
            raise ValueError(
                f"running_mean of {x} needs (places, {prod(y)}), {x[attrs.axis]} places or more, and "
                f"({prod(y)},), got {kept} and {totals}"
            )
        if oldest != (1,) or kept[0] >= MOST_PLACES:
            raise ValueError(f"running_mean of {kept[0]} places, the oldest {oldest}: give (1,), and fewer")
        return y, kept, totals, oldest

    def refuses(self, call: Call) -> str:
        x, *states = call.inputs
        held = Dtype.INT8 if x.dtype is Dtype.INT8 and summed_in_a_place(call) == 1 else Dtype.INT16
        wanted = [held, Dtype.INT32, Dtype.INT16]
        if [t.dtype for t in (*states, *call.outputs[1:])] != 2 * wanted:
            names = ", ".join(repr(t.name) for t in states)
            return f"keeps {names}, and of {x.dtype} these are {held}, int32 and int16"
        return super().refuses(call)

    def run_float(self, call: Call, *inputs: Array) -> Any:
        kept, totals, oldest = _moved(call, *inputs)
        y = (totals / call.attrs.divisor).reshape(call.outputs[0].shape)
        return clamped(y, call.attrs.lo, call.attrs.hi), kept, totals, oldest

    def prepare(self, call: Call) -> Constants:
        """`worst`: sums of all places keep within ±worst, where nobody wrote others into the state."""
        (x, kept, *_), y = call.inputs, call.outputs[0]
        values = summed_in_a_place(call)
        worst = kept.shape[0] * values * (abs(x.zero_point) - x.dtype.low)
        ends = [values * (end - x.zero_point) + kept.zero_point for end in (x.dtype.low, x.dtype.high)]
        if ends[0] < kept.dtype.low or ends[1] > kept.dtype.high or worst > Dtype.INT32.high:
            raise OverflowError(f"layer {y.name!r}: {kept.dtype} and int32 do not hold its sums")
        r = requant_of_sums(np.array([x.scale / (y.scale * call.attrs.divisor)]), worst)
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "requant": r,
            "multiplier": r.multiplier,
            "worst": worst,
            "x_zero_point": x.zero_point,
            "kept_zero_point": kept.zero_point,
            "zero_point": y.zero_point,
            "lo": lo,
            "hi": hi,
            "x_dtype": x.dtype,
            "kept_dtype": kept.dtype,
            "dtype": y.dtype,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Any:
        x, kept, totals, oldest = (array.astype(np.int64) for array in inputs)
        states = kept - k["kept_zero_point"], totals, oldest
        kept, totals, oldest = _moved(call, x - k["x_zero_point"], *states)
        totals = np.clip(totals, Dtype.INT32.low, Dtype.INT32.high)
        y = requantized(np.clip(totals, -k["worst"], k["worst"]), k)
        held = (kept + k["kept_zero_point"]).astype(k["kept_dtype"].numpy)
        return y.reshape(call.outputs[0].shape), held, totals.astype(np.int32), oldest.astype(np.int16)


def _moved(call: Call, x: Array, kept: Array, totals: Array, oldest: Array) -> tuple[Array, Array, Array]:
    """The states when the places of x are in them."""
    places, axis, kept, totals = len(kept), call.attrs.axis, kept.copy(), totals.copy()
    at = begin(oldest, places)
    for place in range(x.shape[axis]):
        come = x.take([place], axis).sum(axis=call.attrs.across, keepdims=True).ravel()
        totals += come - kept[at]
        kept[at] = come
        at = (at + 1) % places
    return kept, totals, np.array([at], oldest.dtype)


def summed_in_a_place(call: Call) -> int:
    """How many values of x are added up for each that is kept of a place."""
    return prod(call.inputs[0].shape[axis] for axis in call.attrs.across)


register(RunningMean())
