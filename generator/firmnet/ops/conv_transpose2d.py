"""conv_transpose2d: every input adds its product with the kernel to a window of the output, + b, clamped."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..limits import MAX_ELEMENTS
from ..qmath import check_accumulator, int32
from .exchange import with_turned_weight
from .spec import Constants, Op, Stripe, register
from .stripes import cut
from .weighted import clamped, fold, requantized
from .windows import Padding, Pair, image_size


@dataclass(frozen=True)
class ConvTranspose2dAttrs:
    """Options as in PyTorch, and the bounds of an absorbed activation.

    `crop` (top, bottom, left, right) is taken off what all windows cover: PyTorch's padding, less its output
    padding at the bottom and on the right. Below zero rows and columns are added.
    """

    stride: Pair = (1, 1)
    crop: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    lo: float | None = None
    hi: float | None = None


class ConvTranspose2d(Op):
    """x (1, H, W, C), weight (O, kh, kw, C/groups), bias (O,) → (1, OH, OW, O)."""

    name = "conv_transpose2d"
    attrs = ConvTranspose2dAttrs
    weighted = True
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: ConvTranspose2dAttrs, *inputs: Shape) -> Shape:
        (height, width, channels), (n_out, kh, kw, depth) = image_size(inputs[0]), inputs[1]
        if depth * attrs.groups != channels or n_out % attrs.groups:
            raise ValueError(
                f"conv_transpose2d with {attrs.groups} groups of {depth} channels to {n_out} got {channels} "
                "channels"
            )
        if min(*attrs.stride, *attrs.dilation) < 1:
            raise ValueError(
                f"conv_transpose2d with stride {attrs.stride} and dilation {attrs.dilation}: at least 1"
            )
        full = _covered(attrs, (height, width), (kh, kw))
        beside = [sum(max(-each, 0) for each in attrs.crop[2 * axis : 2 * axis + 2]) for axis in (0, 1)]
        size = (full[0] + beside[0]) * (full[1] + beside[1])
        if max(size, attrs.stride[0] * attrs.stride[1]) * n_out > MAX_ELEMENTS:
            raise ValueError(
                f"conv_transpose2d of {height}x{width} with stride {attrs.stride} and dilation "
                f"{attrs.dilation} takes more memory than any board has: use less of them"
            )
        rows, columns = (full[axis] - sum(attrs.crop[2 * axis : 2 * axis + 2]) for axis in (0, 1))
        if min(rows, columns) < 1:
            raise ValueError(
                f"conv_transpose2d of {height}x{width} leaves {rows}x{columns}: use less padding"
            )
        return 1, rows, columns, n_out

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x, w, b = inputs
        return clamped(_sums(call, x, w) + b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: ConvTranspose2dAttrs, order: Shape) -> ConvTranspose2dAttrs | None:
        return attrs if order == (0, 1, 2, 3) else None

    def prepare(self, call: Call) -> Constants:
        """`bias` (rows, columns, O): an output meets the taps of its phase alone, and of these come the zero
        points that are folded into it.

        Outputs whose coordinates, with what is cropped before them, have the same remainder by the stride are
        a phase. Sums over int16 are bounded as if every output met all taps.
        """
        x, w, b = call.inputs
        k = dict(fold(call))
        sh, sw = call.attrs.stride
        levels = w.values.astype(np.int64)
        rows, columns = phases(call)
        bias = np.empty((sh, sw, len(levels)), np.int64)
        for i, taps_down in enumerate(rows):
            for j, taps_right in enumerate(columns):
                met = levels[:, taps_down][:, :, taps_right].reshape(len(levels), -1)
                bias[i, j] = b.values - x.zero_point * met.sum(axis=1)
                if x.dtype is Dtype.INT8:
                    check_accumulator(bias[i, j], met, k["requant"].pre_shift)
        return {**k, "bias": int32(bias), "x_zero_point": x.zero_point}

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """None too where some rows read nothing of the image."""
        attrs = call.attrs
        stride, dilation, (top, _, *sides) = attrs.stride[0], attrs.dilation[0], attrs.crop
        height, reach = call.inputs[0].shape[1], dilation * (call.inputs[1].shape[1] - 1)
        first = max(-(-(rows.start + top - reach) // stride), 0)
        last = min((rows.stop - 1 + top) // stride, height - 1)
        if last < first:
            return None
        before = rows.start + top - first * stride
        covered = (last - first) * stride + reach + 1
        crop = before, covered - before - len(rows), *sides
        return cut(call, rows, range(first, last + 1), crop=crop)

    def exchanged(self, call: Call) -> Call | None:
        return with_turned_weight(call, crop=call.attrs.crop)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        x = inputs[0].astype(np.float64) - k["x_zero_point"]
        acc = _sums(call, x, k["weight"].astype(np.float64)).astype(np.int64)  # exact
        acc += call.inputs[2].values
        return requantized(acc, k)

    def macs(self, call: Call) -> int:
        """Of what becomes part of the output."""
        attrs, (n_out, kh, kw, depth) = call.attrs, call.inputs[1].shape
        pairs = 1
        for axis, taps in enumerate((kh, kw)):
            size, out, before = (
                call.inputs[0].shape[1 + axis],
                call.output.shape[1 + axis],
                attrs.crop[2 * axis],
            )
            first = range(-before, size * attrs.stride[axis] - before, attrs.stride[axis])
            pairs *= sum(0 <= at + tap * attrs.dilation[axis] < out for at in first for tap in range(taps))
        return pairs * n_out * depth


def phases(call: Call) -> tuple[list[list[int]], list[list[int]]]:
    """Per remainder of a row (and column) of what all windows cover by the stride: the taps that meet it."""
    kernel = call.inputs[1].shape[1:3]
    rows, columns = (
        [
            [tap for tap in range(kernel[axis]) if tap * call.attrs.dilation[axis] % stride == phase]
            for phase in range(stride)
        ]
        for axis, stride in enumerate(call.attrs.stride)
    )
    return rows, columns


def _covered(attrs: ConvTranspose2dAttrs, size: Pair, kernel: Pair) -> Pair:
    rows, columns = (
        (size[axis] - 1) * attrs.stride[axis] + attrs.dilation[axis] * (kernel[axis] - 1) + 1
        for axis in (0, 1)
    )
    return rows, columns


def _sums(call: Call, x: Array, w: Array) -> Array:
    """Sums of products (1, OH, OW, O) in float64; exact for integers."""
    attrs, (_, height, width, _), (n_out, kh, kw, depth) = call.attrs, x.shape, w.shape
    groups, (sh, sw), (dh, dw) = attrs.groups, attrs.stride, attrs.dilation
    (top, _, left, _), (_, rows, columns, _) = attrs.crop, call.output.shape
    full = _covered(attrs, (height, width), (kh, kw))
    size = max(full[0], top + rows) - min(top, 0), max(full[1], left + columns) - min(left, 0)
    sums = np.zeros((*size, n_out))
    at = max(-top, 0), max(-left, 0)
    split = x.reshape(height * width, groups, depth).transpose(1, 0, 2)
    filters = w.reshape(groups, n_out // groups, kh, kw, depth)
    for ky in range(kh):
        for kx in range(kw):
            product = (split @ filters[:, :, ky, kx].transpose(0, 2, 1)).transpose(1, 0, 2)
            y, x0 = at[0] + ky * dh, at[1] + kx * dw
            window = np.s_[y : y + (height - 1) * sh + 1 : sh, x0 : x0 + (width - 1) * sw + 1 : sw]
            sums[window] += product.reshape(height, width, n_out)
    y, x0 = at[0] + top, at[1] + left
    out: Array = sums[None, y : y + rows, x0 : x0 + columns]
    return out


register(ConvTranspose2d())
