"""conv2d: y = clamp(Σ over a window and its channels of x · w, + b), channels-last, padding reads as zero."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .exchange import with_turned_weight
from .sliding import sliding, unpadded
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import window_rows
from .weighted import clamped, fold, requantized
from .windows import Padding, Pair, Window, image_size


@dataclass(frozen=True)
class Conv2dAttrs:
    """Options as in PyTorch (padding: top, bottom, left, right) and the bounds of an absorbed activation."""

    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    lo: float | None = None
    hi: float | None = None

    def window(self, kernel: Pair) -> Window:
        return Window(kernel, self.stride, self.padding, self.dilation)


class Conv2d(Op):
    """x (1, H, W, C), weight (O, kh, kw, C/groups), bias (O,) → (1, OH, OW, O)."""

    name = "conv2d"
    attrs = Conv2dAttrs
    weighted = True
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: Conv2dAttrs, *inputs: Shape) -> Shape:
        (height, width, channels), (n_out, kh, kw, depth) = image_size(inputs[0]), inputs[1]
        if depth * attrs.groups != channels or n_out % attrs.groups:
            raise ValueError(
                f"conv2d with {attrs.groups} groups of {depth} channels to {n_out} got {channels} channels"
            )
        return (1, *attrs.window((kh, kw)).output(height, width), n_out)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x, w, b = inputs
        return clamped(_sums(call, x, w, 0.0) + b, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: Conv2dAttrs, order: Shape) -> Conv2dAttrs | None:
        return attrs if order == (0, 1, 2, 3) else None

    def prepare(self, call: Call) -> Constants:
        return {**fold(call), "x_zero_point": call.inputs[0].zero_point}

    def slide(self, call: Call, axis: int) -> Slide | None:
        return sliding(window_of(call), axis)

    def slid(self, call: Call, axis: int, places: int) -> Conv2dAttrs:
        attrs: Conv2dAttrs = call.attrs
        return unpadded(attrs, axis)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return window_rows(call, rows, window_of(call))

    def exchanged(self, call: Call) -> Call | None:
        return with_turned_weight(call, padding=call.attrs.padding)

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        (x,) = inputs
        acc = _sums(call, x.astype(k["sums"]), k["weight"].astype(k["sums"]), k["x_zero_point"])
        return requantized(acc.astype(np.int64) + k["bias"], k)

    def macs(self, call: Call) -> int:
        _, kh, kw, depth = call.inputs[1].shape
        return call.output.size * kh * kw * depth


def window_of(call: Call) -> Window:
    """What slides over the input."""
    window: Window = call.attrs.window(call.inputs[1].shape[1:3])
    return window


def _sums(call: Call, x: Array, w: Array, fill: float) -> Array:
    """Sums of products (1, OH, OW, O), padding read as `fill`."""
    n_out, kh, kw, depth = w.shape
    groups = call.attrs.groups
    taps = np.stack(list(call.attrs.window((kh, kw)).taps(x, fill)), axis=3)  # (1, OH, OW, kh·kw, C)
    _, rows, columns, count, _ = taps.shape
    split = taps.reshape(rows * columns, count, groups, depth).transpose(2, 0, 1, 3)
    filters = w.reshape(groups, n_out // groups, count * depth)
    sums = split.reshape(groups, rows * columns, count * depth) @ filters.transpose(0, 2, 1)
    out: Array = sums.transpose(1, 0, 2).reshape(1, rows, columns, n_out)
    return out


register(Conv2d())
