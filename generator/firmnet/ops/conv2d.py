"""conv2d: y = clamp(Σ over a window and its channels of x · w, + b), channels-last, padding reads as zero."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from ..qmath import requantize
from .builder import Builder, Unsupported
from .casework import activation, bias, output_scale, weight
from .depthwise import Depthwise, depthwise, pack_depthwise
from .lines import as_image, as_line, lying
from .packing import lane_order, pair_stream, worth_joining
from .spec import Case, Constants, Cost, Op, Stripe, register
from .stripes import window_rows
from .tiles import Gather, Pointwise, Rows, dot, gather, pointwise, rows, rows_overlap
from .transpose import to_nchw, to_nhwc
from .weighted import clamped, fold
from .windows import Padding, Pair, Sizes, Window, image_size, pair, require_image, symmetric


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


def from_aten_conv2d(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """weight (O, I/groups, kh, kw) as in PyTorch; padding may be "same" or "valid"."""
    require_image("conv2d", x.shape)
    attrs = Conv2dAttrs(pair(stride), (0, 0, 0, 0), pair(dilation), groups)
    kernel = (weight.shape[2], weight.shape[3])
    if isinstance(padding, str):
        padding_4 = _named_padding(padding, kernel, attrs.dilation)
    else:
        padding_4 = symmetric(padding)
    w = b.constant(f"{b.layer}_weight", weight.transpose(0, 2, 3, 1))
    c = b.constant(f"{b.layer}_bias", np.zeros(len(weight)) if bias is None else bias)
    return to_nchw(b, b.add("conv2d", replace(attrs, padding=padding_4), to_nhwc(b, x), w, c))


def from_aten_conv1d(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """A line of values as an image of height 1; weight (O, I/groups, k)."""
    around = padding if isinstance(padding, str) else lying(padding, 0)
    options = lying(stride, 1), around, lying(dilation, 1), groups
    return as_line(b, from_aten_conv2d(b, as_image(b, x), weight[:, :, None], bias, *options))


def from_aten_convolution(
    b: Builder,
    x: Tensor,
    weight: Array,
    bias: Array | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
) -> Tensor:
    if transposed:
        raise Unsupported(
            "transposed convolution: use nn.Conv2d with r·r times the channels, then nn.PixelShuffle(r)"
        )
    if weight.ndim == 3:
        return from_aten_conv1d(b, x, weight, bias, stride, padding, dilation, groups)
    if weight.ndim != 4:
        raise Unsupported(
            f"{weight.ndim - 2}-dimensional convolution: fold the depth into the channels and use nn.Conv2d"
        )
    return from_aten_conv2d(b, x, weight, bias, stride, padding, dilation, groups)


def _named_padding(name: str, kernel: Pair, dilation: Pair) -> Padding:
    """PyTorch's "same" puts the odd row or column behind."""
    if name == "valid":
        return 0, 0, 0, 0
    total_h, total_w = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    return total_h // 2, total_h - total_h // 2, total_w // 2, total_w - total_w // 2


class Conv2d(Op):
    """x (1, H, W, C), weight (O, kh, kw, C/groups), bias (O,) → (1, OH, OW, O)."""

    name = "conv2d"
    attrs = Conv2dAttrs
    sources = {
        "aten.conv2d.default": from_aten_conv2d,
        "aten.conv2d.padding": from_aten_conv2d,
        "aten.conv1d.default": from_aten_conv1d,
        "aten.conv1d.padding": from_aten_conv1d,
        "aten.convolution.default": from_aten_convolution,
    }
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

    def cases(self) -> Iterator[Case]:
        for seed, (label, x_shape, w_shape, options) in enumerate(_CASES):
            attrs = Conv2dAttrs(**options)
            x = activation("x", x_shape, 0.05, 11 - 40 * (seed % 3))
            w = weight("w", w_shape, seed)
            c = bias("b", x, w, seed)
            zero_point = -128 if attrs.lo == 0.0 and attrs.hi is None else 5
            scale = _FINE.get(label, 1.0) * output_scale(x, w)
            y = activation("y", self.shape(attrs, x_shape, w_shape, c.shape), scale, zero_point)
            yield Case(label, Call(attrs, (x, w, c), y))


_CASES: list[tuple[str, Shape, Shape, dict[str, Any]]] = [
    ("1x1", (1, 5, 7, 6), (3, 1, 1, 6), {}),
    ("1x1_s2_pad1", (1, 5, 6, 3), (4, 1, 1, 3), {"stride": (2, 2), "padding": (1, 1, 1, 1)}),
    ("3x3", (1, 7, 9, 3), (5, 3, 3, 3), {}),
    ("3x3_pad_relu", (1, 8, 8, 4), (8, 3, 3, 4), {"padding": (1, 1, 1, 1), "lo": 0.0}),
    (
        "3x3_s2_pad_relu6",
        (1, 9, 7, 5),
        (7, 3, 3, 5),
        {"stride": (2, 2), "padding": (1, 1, 1, 1), "lo": 0.0, "hi": 12.0},
    ),
    ("2x4_s3x1_pad0213", (1, 8, 5, 3), (2, 2, 4, 3), {"stride": (3, 1), "padding": (0, 2, 1, 3)}),
    ("3x2_dilated_pad", (1, 9, 8, 2), (3, 3, 2, 2), {"dilation": (2, 3), "padding": (2, 2, 3, 3)}),
    ("5x5_groups2", (1, 7, 6, 6), (4, 5, 5, 3), {"groups": 2, "padding": (2, 2, 2, 2)}),
    (
        "depthwise_3x3_s2_pad",
        (1, 9, 9, 7),
        (7, 3, 3, 1),
        {"groups": 7, "stride": (2, 2), "padding": (1, 1, 1, 1)},
    ),
    ("depthwise_x2", (1, 5, 6, 3), (6, 3, 3, 1), {"groups": 3, "lo": 0.0}),
    ("whole_image", (1, 4, 5, 9), (6, 4, 5, 9), {}),
    ("pad_larger_than_image", (1, 1, 2, 1), (2, 3, 3, 1), {"padding": (2, 2, 2, 2)}),
    *[
        (f"1x1_{k}_to_{n}_on_{h}x{w}", (1, h, w, k), (n, 1, 1, k), {})
        for h, w, k, n in [
            (1, 1, 1, 1),
            (1, 1, 3, 2),
            (1, 2, 5, 7),
            (1, 3, 7, 5),
            (33, 17, 3, 1),
            (2, 7, 16, 3),
            (3, 3, 18, 40),
            (1, 5, 33, 4),
            (2, 3, 70, 5),
            (3, 2, 1100, 3),
            (1, 4, 6, 1400),
        ]
    ],
    ("1x1_s3x2", (1, 11, 17, 8), (5, 1, 1, 8), {"stride": (3, 2)}),
    ("1x1_upscaled", (1, 3, 3, 4), (3, 1, 1, 4), {}),
    ("1x1_near_one", (1, 3, 3, 4), (3, 1, 1, 4), {}),
    *[
        (f"3x3_{c}_to_{n}_on_{h}x{w}", (1, h, w, c), (n, 3, 3, c), {"padding": (1, 1, 1, 1)})
        for h, w, c, n in [
            (1, 1, 1, 1),
            (33, 17, 1, 3),
            (17, 33, 3, 2),
            (5, 9, 5, 7),
            (4, 6, 7, 4),
            (6, 5, 8, 3),
            (2, 3, 24, 2),
            (1, 3, 260, 2),
        ]
    ],
    ("3x3_s2_3_to_8", (1, 13, 12, 3), (8, 3, 3, 3), {"stride": (2, 2), "padding": (0, 1, 0, 1), "lo": 0.0}),
    ("10x4_s2_1_to_6", (1, 21, 10, 1), (6, 10, 4, 1), {"stride": (2, 2), "padding": (4, 5, 1, 1)}),
    ("5x1_on_40x1", (1, 40, 1, 3), (4, 5, 1, 3), {"padding": (2, 2, 0, 0)}),
    ("1x5_on_1x40", (1, 1, 40, 3), (4, 1, 5, 3), {"padding": (0, 0, 2, 2), "stride": (1, 3)}),
    ("2x2_s3", (1, 11, 10, 4), (3, 2, 2, 4), {"stride": (3, 3)}),
    ("3x3_dilated_groups3", (1, 9, 7, 9), (6, 3, 3, 3), {"dilation": (2, 1), "groups": 3}),
    *[
        (
            f"depthwise_{kh}x{kw}_s{sh}x{sw}_{c}_on_{h}x{w}",
            (1, h, w, c),
            (c, kh, kw, 1),
            {"groups": c, "stride": (sh, sw), "padding": (kh // 2, kh // 2, kw // 2, kw // 2)},
        )
        for kh, kw, sh, sw, h, w, c in [
            (3, 3, 1, 1, 1, 1, 2),
            (3, 3, 1, 1, 33, 17, 3),
            (3, 3, 1, 1, 5, 9, 5),
            (3, 3, 1, 1, 6, 6, 8),
            (3, 3, 1, 1, 25, 5, 64),
            (3, 3, 1, 1, 3, 50, 7),
            (3, 3, 1, 1, 2, 3, 600),
            (3, 3, 2, 2, 17, 33, 6),
            (3, 3, 3, 1, 11, 8, 4),
            (5, 5, 1, 1, 9, 11, 5),
            (5, 5, 2, 2, 12, 7, 4),
            (7, 7, 1, 1, 8, 8, 4),
            (9, 9, 1, 2, 10, 9, 3),
            (1, 7, 1, 1, 1, 40, 3),
            (1, 9, 1, 3, 2, 30, 5),
            (5, 1, 1, 1, 40, 1, 4),
            (2, 4, 1, 1, 7, 5, 6),
        ]
    ],
    (
        "depthwise_s2_pad0101",
        (1, 12, 12, 8),
        (8, 3, 3, 1),
        {"groups": 8, "stride": (2, 2), "padding": (0, 1, 0, 1)},
    ),
    (
        "depthwise_dilated_relu6",
        (1, 9, 10, 5),
        (5, 3, 3, 1),
        {"groups": 5, "dilation": (2, 3), "lo": 0.0, "hi": 9.0},
    ),
    (
        "depthwise_x2_in_strips",
        (1, 16, 9, 64),
        (128, 3, 3, 1),
        {"groups": 64, "padding": (1, 1, 1, 1), "lo": 0.0},
    ),
    ("depthwise_x3_pad", (1, 6, 7, 4), (12, 3, 3, 1), {"groups": 4, "padding": (1, 1, 1, 1)}),
    ("depthwise_of_1400", (1, 2, 2, 1400), (1400, 2, 2, 1), {"groups": 1400}),
]

_FINE = {"1x1_upscaled": 1e-4, "1x1_near_one": 0.048}
"""Case → its output scale is so much finer than usual: requantization needs a shift before, or none after."""


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
