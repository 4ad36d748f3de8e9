"""layer_norm: groups of values less their mean, over their deviation, times a gain, plus a shift.

Layer, group and instance norms differ in their groups alone; an RMS norm leaves the mean out. One reciprocal
square root for each group, two products for each value (docs/numerics.md).
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..ir import Array, Call, Dtype, Shape, Tensor
from ..qmath import (
    INT32_MAX,
    MAX_SHIFT,
    clamp_bounds,
    int32,
    integer_root,
    reciprocal_roots,
    shifted_to_int32,
)
from .exchange import exchangeable, turned
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import cut
from .weighted import clamped

LARGEST_GROUP = {Dtype.INT8: 2**22, Dtype.INT16: 2**15}
"""Of a group, by the type of its values: n·Σx² is at most 2^60 then."""
SPREAD_BITS = {Dtype.INT8: 8, Dtype.INT16: 15}
"""Of a value less the mean or the zero point."""
MOST_FINER = 8
MOST_EPS = 2**61
LARGEST_OFFSET = 2**30
SMALL_BESIDE = 2.0**-4
MOST_BESIDE = 2**28
"""With the root of 2^60 + MOST_EPS it stays below 2^31."""


@dataclass(frozen=True)
class LayerNormAttrs:
    """Values that differ in `axes` alone are a group; gain and shift are those of all `gain_axes`, in this
    order. `centred`: less the mean. `eps` is added to the variance, or to the mean square, `beside` to its
    root.
    """

    axes: Shape
    gain_axes: Shape = ()
    eps: float = 1e-5
    centred: bool = True
    lo: float | None = None
    hi: float | None = None
    beside: float = 0.0


class LayerNorm(Op):
    """x, and gain and shift of the sizes of `gain_axes`; without such axes, of one value."""

    name = "layer_norm"
    attrs = LayerNormAttrs
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: LayerNormAttrs, *inputs: Shape) -> Shape:
        x, gain, shift = inputs
        axes = (*attrs.axes, *attrs.gain_axes)
        distinct = len({*attrs.axes}) == len(attrs.axes) and len({*attrs.gain_axes}) == len(attrs.gain_axes)
        if not attrs.axes or not distinct or any(axis not in range(len(x)) for axis in axes):
            raise ValueError(f"a norm over axes {attrs.axes}, with gains along {attrs.gain_axes}, got {x}")
        if not gain == shift == (tuple(x[axis] for axis in attrs.gain_axes) or (1,)):
            raise ValueError(
                f"a norm of {x} with gains along {attrs.gain_axes} got {gain} and {shift} of them"
            )
        if not (0 <= attrs.eps < 2.0**100 and 0 <= attrs.beside < 2.0**50):
            raise ValueError(f"a norm with eps={attrs.eps}, beside={attrs.beside}: it must be zero or more")
        if prod(x[axis] for axis in attrs.axes) > LARGEST_GROUP[Dtype.INT8]:
            raise ValueError(f"a norm over more than {LARGEST_GROUP[Dtype.INT8]:,} values")
        return x

    def refuses(self, call: Call) -> str:
        n, most = group_size(call), LARGEST_GROUP.get(call.inputs[0].dtype)
        if most is not None and n > most:
            return (
                f"normalizes groups of {n:,} values of {call.inputs[0].dtype}, and takes at most {most:,} of "
                "these: put a rescale to int8 before it"
            )
        return super().refuses(call)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x, gain, shift = inputs
        attrs = call.attrs
        centred = x - x.mean(attrs.axes, keepdims=True) if attrs.centred else x
        square = (centred * centred).mean(attrs.axes, keepdims=True) + attrs.eps
        normal = centred / (np.sqrt(np.maximum(square, np.finfo(np.float64).tiny)) + attrs.beside)
        y = normal * along(gain, attrs, x.ndim) + along(shift, attrs, x.ndim)
        return clamped(y, attrs.lo, attrs.hi)

    def remap(self, attrs: LayerNormAttrs, order: Shape) -> LayerNormAttrs:
        axes, gain_axes = (tuple(order[axis] for axis in own) for own in (attrs.axes, attrs.gain_axes))
        return replace(attrs, axes=axes, gain_axes=gain_axes)

    def exchanged(self, call: Call) -> Call | None:
        if not exchangeable(call):
            return None
        x, *constants = call.inputs
        attrs = self.remap(call.attrs, (0, 2, 1, 3))
        return Call(attrs, (turned(x), *constants), (turned(call.output),))

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis) if axis not in (*call.attrs.axes, *call.attrs.gain_axes) else None

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """Where no group has several rows, and every row the same gains."""
        return cut(call, rows, rows) if 1 not in (*call.attrs.axes, *call.attrs.gain_axes) else None

    def prepare(self, call: Call) -> Constants:
        """y = clamp((high32(normal · multiplier) + offset) >> shift), normal values in units of 2^-fraction.

        `eps` and `least` go with n² times the variance, in units of 4^-finer; `beside` with its root. What is
        small beside one step of x is left out there, for a deviation is at least some of these.
        """
        (x, gain, shift), y = call.inputs, call.output
        n = group_size(call)
        fraction, finer = fraction_bits(n), finer_bits(n, x.dtype)
        bits, multiplier, offset = _affine(gain, shift, y, fraction)
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "n": n,
            "least": max(n - 1, 1) << 2 * finer,
            "eps": round(min(float(n << finer) ** 2 * call.attrs.eps / x.scale**2, float(MOST_EPS))),
            "beside": _beside(call, n << finer),
            "finer": finer,
            "centred": call.attrs.centred,
            "fraction": fraction,
            "x_zero_point": x.zero_point,
            "multiplier": multiplier,
            "offset": offset,
            "shift": bits,
            "lo": lo,
            "hi": hi,
            "x_dtype": x.dtype,
            "dtype": y.dtype,
        }

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x, attrs, n = inputs[0].astype(np.int64), call.attrs, k["n"]
        sums, squares = (v.sum(attrs.axes, keepdims=True) for v in (x, x * x))
        if k["centred"]:
            spread = n * squares - sums * sums
        else:
            zero_point = k["x_zero_point"]
            spread = n * (squares - 2 * zero_point * sums + n * zero_point**2)
            sums = np.full_like(sums, n * zero_point)
        spread <<= 2 * k["finer"]
        spread = np.maximum(spread + k["eps"], k["least"])
        if k["beside"]:
            spread = (integer_root(spread) + k["beside"]) ** 2
        root, half_bits = reciprocal_roots(spread)
        drop = 30 - k["fraction"] - k["finer"] + half_bits
        if k["x_dtype"] is Dtype.INT8:
            factor, middle = (shifted_to_int32(v * root, drop) for v in (np.int64(n), sums))
            normal = (x * factor - middle).astype(np.int32).astype(np.int64)  # what overflows comes back
        else:
            normal = shifted_to_int32((n * x - sums) * root, drop)
        multiplier, offset = (
            along(k[key].astype(np.int64), attrs, x.ndim) for key in ("multiplier", "offset")
        )
        y = ((normal * multiplier >> 32) + offset) >> k["shift"]
        made: Array = np.clip(y, k["lo"], k["hi"]).astype(k["dtype"].numpy)
        return made


def _beside(call: Call, unit: int) -> int:
    steps = call.attrs.beside / call.inputs[0].scale
    return 0 if steps < SMALL_BESIDE else min(round(steps * unit), MOST_BESIDE)


def group_size(call: Call) -> int:
    """Values of a group."""
    return prod(call.inputs[0].shape[axis] for axis in call.attrs.axes)


def fraction_bits(n: int) -> int:
    """Of a normalized value: none of n is further than √n deviations from the mean, which is at most 2^30."""
    return 30 - ((n - 1).bit_length() + 1) // 2


def finer_bits(n: int, dtype: Dtype) -> int:
    """By how many bits roots are finer than whole steps, so that eps counts: the squares keep within 2^60."""
    room = 60 - 2 * (n - 1).bit_length() - 2 * SPREAD_BITS[dtype]
    return max(0, min(MOST_FINER, room // 2))


def along(constants: Array, attrs: LayerNormAttrs, rank: int) -> Array:
    """Gains or shifts as they go with an activation of this rank."""
    if not attrs.gain_axes:
        return constants.reshape((1,) * rank)
    order = np.argsort(attrs.gain_axes)
    sorted_axes = [attrs.gain_axes[i] for i in order]
    shape = [1] * rank
    for axis, size in zip(sorted_axes, constants.transpose(order).shape, strict=True):
        shape[axis] = size
    return constants.transpose(order).reshape(shape)


def _affine(gain: Tensor, shift: Tensor, y: Tensor, fraction: int) -> tuple[int, Array, Array]:
    """How far results are shifted, and per gain the multiplier and what is added, both int32.

    |multiplier| < 2^31 and |offset| ≤ 2^30. Raises ValueError where no shift of at least 1 gives that.
    """
    factor, added = gain.real / y.scale, shift.real / y.scale + y.zero_point
    for bits in range(MAX_SHIFT, 0, -1):
        multiplier = np.rint(factor * 2.0 ** (32 + bits - fraction))
        offset = np.rint(added * 2.0**bits) + 2.0 ** (bits - 1)
        if np.abs(multiplier).max() <= INT32_MAX and np.abs(offset).max() <= LARGEST_OFFSET:
            return bits, int32(multiplier), int32(offset)
    raise ValueError(f"layer {y.name!r}: the output range is far too small for its gains")


register(LayerNorm())
