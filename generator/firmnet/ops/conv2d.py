"""conv2d: y = clamp(Σ over a window and its channels of x · w, + b), channels-last, padding reads as zero."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape
from ..qmath import requantize
from .depthwise import Depthwise, depthwise, pack_depthwise
from .packing import lane_order, pair_stream, worth_joining
from .spec import Constants, Cost, Op, Stripe, register
from .stripes import window_rows
from .tiles import Gather, Pointwise, Rows, dot, gather, pointwise, rows, rows_overlap
from .weighted import clamped, fold
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
        x, w, _ = call.inputs
        attrs, (n_out, kh, kw, depth) = call.attrs, w.shape
        return {
            **fold(call),
            "x_zero_point": x.zero_point,
            **_geometry(call),
            "taps": kh * kw,
            "depth": depth,
            "n_in": x.shape[3],
            "n_out": n_out,
            "groups": attrs.groups,
            "n_out_per_group": n_out // attrs.groups,
            "gathers": _gathers(call),
            "layout": _layout(call),
            "dot": dot(-(-_reading_order(call, w.values).shape[1] // 2)),
            "joined": _joined(call, w.values),
        }

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        if not self.variant(call, dsp):
            return super().pack(call, k, dsp)
        if isinstance(k["layout"], Depthwise):
            return {"weight": pack_depthwise(k["layout"], call, k)}
        rows, groups = _reading_order(call, k["weight"]), call.attrs.groups
        split = zip(*[np.split(a, groups) for a in (rows, k["bias"], k["multiplier"])], strict=True)
        streams = [pair_stream(*group, joined=k["joined"]) for group in split]
        return {"weight": np.concatenate(streams).ravel()}

    def variant(self, call: Call, dsp: bool) -> str:
        return type(_layout(call)).__name__.lower() if dsp else ""

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        layout = _layout(call)
        if not dsp or isinstance(layout, Gather):
            return (None,)
        if isinstance(layout, Pointwise):
            return (layout.overlap(call.output.shape[3]),)
        if isinstance(layout, Depthwise):
            return (layout.overlap(),)
        window = call.attrs.window(call.inputs[1].shape[1:3])
        return (rows_overlap(call.inputs[0].shape, call.output.shape, window),)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        return window_rows(call, rows, call.attrs.window(call.inputs[1].shape[1:3]))

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        (x,) = inputs
        acc = _sums(call, x.astype(np.float64), k["weight"].astype(np.float64), k["x_zero_point"])  # exact
        return requantize(acc.astype(np.int64) + k["bias"], k["requant"], k["zero_point"], k["lo"], k["hi"])

    def cost(self, call: Call, dsp: bool) -> Cost:
        _, kh, kw, depth = call.inputs[1].shape
        macs = call.output.size * kh * kw * depth
        if dsp:
            return Cost(macs, _layout(call).scratch_bytes)
        return Cost(macs, kh * kw * call.inputs[0].shape[3] if _gathers(call) else 0)


def _gathers(call: Call) -> bool:
    """Whether the kernel copies each window into scratch; 1x1 without padding is read where it lies."""
    return call.inputs[1].shape[1:3] != (1, 1) or any(call.attrs.padding)


def _layout(call: Call) -> Pointwise | Rows | Depthwise | Gather:
    """How the layer meets the DSP extension."""
    if call.attrs.groups > 1 and (found := depthwise(call)):
        return found
    (_, height, width, channels), (n_out, kh, kw, depth) = (t.shape for t in call.inputs[:2])
    attrs = call.attrs
    if attrs.groups == 1 and not _gathers(call):
        return pointwise(height, width, channels, n_out, attrs.stride)
    if attrs.groups == 1 and attrs.dilation == (1, 1):
        return rows(call.inputs[0].shape, call.output.shape, attrs.window((kh, kw)))
    _, out_height, out_width, _ = call.output.shape
    return gather(kh * kw * depth, n_out, attrs.groups, out_height * out_width)


def _reading_order(call: Call, weight: Array) -> Array:
    """Filters (N, K) in the order in which the layout lays out a window."""
    layout, (n_out, _, _, depth) = _layout(call), weight.shape
    w = weight[..., lane_order(depth)]
    if isinstance(layout, Rows):
        columns = w.transpose(0, 2, 1, 3).reshape(n_out, w.shape[2], -1)
        w = np.pad(columns, ((0, 0), (0, 0), (0, layout.column - columns.shape[2])))
    return w.reshape(n_out, -1)


def _joined(call: Call, weight: Array) -> bool:
    return all(worth_joining(group) for group in np.split(_reading_order(call, weight), call.attrs.groups))


def _geometry(call: Call) -> Constants:
    x, w, y, attrs = call.inputs[0], call.inputs[1], call.output, call.attrs
    return {
        "height": x.shape[1],
        "width": x.shape[2],
        "out_height": y.shape[1],
        "out_width": y.shape[2],
        "kernel": w.shape[1:3],
        "stride": attrs.stride,
        "dilation": attrs.dilation,
        "top": attrs.padding[0],
        "left": attrs.padding[2],
    }


def _sums(call: Call, x: Array, w: Array, fill: float) -> Array:
    """Sums of products (1, OH, OW, O) in float64, padding read as `fill`; exact for integers."""
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
