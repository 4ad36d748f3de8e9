"""interpolate: an image of another size, each value between the four around its place (bilinear)."""

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import to_requant
from .add import narrow
from .exchange import exchangeable, turned, turned_pair
from .rescale import farthest
from .spec import Constants, Op, Stripe, register
from .stripes import cut
from .weighted import requantized
from .windows import Pair, image_size

PLACE_BITS = 36
"""Of a place's fraction, in the options."""
WEIGHT_BITS = 11
"""Of the share of the second of two neighbours."""
WIDE_WEIGHT_BITS = 18
"""Of that share where int16 is read or written: neighbours may differ by 2^16 steps."""
WIDE_FRACTION_BITS = 12
"""Of what lies between two columns then, before it meets what lies below."""
FARTHEST = 2**49


@dataclass(frozen=True)
class InterpolateAttrs:
    """`size` (height, width) of the output, whose row i lies at row `first[0]` + i · `step[0]` of the input.

    In units of 2^-36 of a row; columns likewise. What lies outside counts as the edge.
    """

    size: Pair
    first: Pair
    step: Pair


@dataclass(frozen=True)
class Between:
    """Per output row (or column): the two neighbours, and the share of the second, of 2^WEIGHT_BITS (or the
    wide ones).
    """

    before: Array
    behind: Array
    share: Array


class Interpolate(Op):
    """x (1, H, W, C) → (1, OH, OW, C)."""

    name = "interpolate"
    attrs = InterpolateAttrs
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: InterpolateAttrs, *inputs: Shape) -> Shape:
        _, _, channels = image_size(inputs[0])
        if (
            min(attrs.size) < 1
            or max(map(abs, (*attrs.first, *attrs.step))) > FARTHEST
            or min(attrs.step) < 0
        ):
            raise ValueError(f"interpolate to {attrs.size} from {inputs[0]}: its places are out of reach")
        return (1, *attrs.size, channels)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        y = inputs[0]
        for axis in (0, 1):
            at = _places(call, axis) / 2.0**PLACE_BITS
            before = np.floor(at).astype(np.int64)
            behind = np.minimum(before + 1, y.shape[1 + axis] - 1)
            share = (at - before).reshape((-1, 1, 1) if axis == 0 else (-1, 1))
            y = np.take(y, before, 1 + axis) * (1 - share) + np.take(y, behind, 1 + axis) * share
        return y

    def remap(self, attrs: InterpolateAttrs, order: Shape) -> InterpolateAttrs | None:
        if order == (0, 1, 2, 3):
            return attrs
        return _swapped(attrs) if order == (0, 2, 1, 3) else None

    def prepare(self, call: Call) -> Constants:
        """Weights of four values add up to 2^22: a sum of values less the zero point is below 2^30. Of int16,
        it is a value with 12 bits behind the point, at most 2^27.
        """
        x, y = call.inputs[0], call.output
        units = 2 * WEIGHT_BITS if narrow(call) else WIDE_FRACTION_BITS
        r = to_requant(np.array([x.scale / y.scale / 2.0**units]))
        if farthest(x) << units + r.pre_shift >= 2**31:
            raise OverflowError(f"layer {y.name!r}: the output range is far too small for its input")
        rows, columns = between(call, 0), between(call, 1)
        return {
            "rows": _table(rows),
            "columns": _table(columns),
            "requant": r,
            "multiplier": int(r.multiplier[0]),
            "x_zero_point": x.zero_point,
            "zero_point": y.zero_point,
            "x_dtype": x.dtype,
            "dtype": y.dtype,
            "lo": y.dtype.low,
            "hi": y.dtype.high,
        }

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        found = between(call, 0)
        first, last = int(found.before[rows.start]), int(found.behind[rows.stop - 1])
        start, step = call.attrs.first[0], call.attrs.step[0]
        at = start + rows.start * step - (first << PLACE_BITS)
        options = {"size": (len(rows), call.attrs.size[1]), "first": (at, call.attrs.first[1])}
        return cut(call, rows, range(first, last + 1), **options)

    def exchanged(self, call: Call) -> Call | None:
        if not exchangeable(call):
            return None
        return Call(_swapped(call.attrs), (turned(call.inputs[0]),), (turned(call.output),))

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x = inputs[0].astype(np.int64) - k["x_zero_point"]
        for axis in (1, 0):
            found = between(call, axis)
            share = found.share.reshape((-1, 1, 1) if axis == 0 else (-1, 1))
            one, other = np.take(x, found.before, 1 + axis), np.take(x, found.behind, 1 + axis)
            if narrow(call):
                x = one * ((1 << WEIGHT_BITS) - share) + other * share
            else:
                more = WIDE_FRACTION_BITS if axis == 1 else 0
                x = (one << more) + ((other - one) * share >> WIDE_WEIGHT_BITS - more)
        return requantized(x, k)


def between(call: Call, axis: int) -> Between:
    """Of which two rows (axis 0) or columns (1) each one of the output is made."""
    bits = WEIGHT_BITS if narrow(call) else WIDE_WEIGHT_BITS
    drop = PLACE_BITS - bits
    at = (_places(call, axis) + (1 << drop - 1)) >> drop
    before, last = at >> bits, call.inputs[0].shape[1 + axis] - 1
    return Between(before, np.minimum(before + 1, last), at & (1 << bits) - 1)


def _places(call: Call, axis: int) -> Array:
    """int64, inside the image."""
    attrs, size = call.attrs, call.inputs[0].shape[1 + axis]
    at = attrs.first[axis] + np.arange(attrs.size[axis], dtype=np.int64) * attrs.step[axis]
    inside: Array = np.clip(at, 0, (size - 1) << PLACE_BITS)
    return inside


def _table(found: Between) -> Array:
    return np.stack([found.before, found.behind, found.share], axis=1).astype(np.int32)


def _swapped(attrs: InterpolateAttrs) -> InterpolateAttrs:
    """Height and width exchanged."""
    return replace(
        attrs, size=turned_pair(attrs.size), first=turned_pair(attrs.first), step=turned_pair(attrs.step)
    )


register(Interpolate())
