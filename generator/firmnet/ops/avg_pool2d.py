"""avg_pool2d: the average of each window, channel by channel; adaptive pooling and image means too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from ..qmath import Requant, check_accumulator, clamp_bounds, requantize, to_requant
from .builder import Builder, Unsupported
from .casework import activation
from .pooling import pooled_overlap
from .reshape import ReshapeAttrs
from .spec import Case, Constants, Op, Stripe, register
from .stripes import cut, window_rows
from .transpose import to_nchw, to_nhwc
from .weighted import clamped
from .windows import Padding, Pair, Window, pair, require_image, symmetric


@dataclass(frozen=True)
class AvgPool2dAttrs:
    """Options as in PyTorch; `adaptive` (output height, width) replaces kernel, stride and padding."""

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None
    adaptive: Pair | None = None
    lo: float | None = None
    hi: float | None = None


MAX_ROW = 255
"""Inputs of a window's row that the DSP kernel adds in 16 bits."""


@dataclass(frozen=True)
class Span:
    """One output row (or column) reads inputs start ≤ i < end; `divisor` is this axis' factor."""

    start: int
    end: int
    divisor: int


Sizes = int | Sequence[int]


def from_aten_avg_pool2d(
    b: Builder,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """An empty stride is the kernel size."""
    kernel, step = pair(kernel_size), pair(stride or kernel_size)
    if divisor_override is not None and divisor_override < 1:
        raise Unsupported(f"divisor_override={divisor_override}: it must be at least 1")
    options = bool(ceil_mode), bool(count_include_pad), divisor_override
    return _pooled(b, x, AvgPool2dAttrs(kernel, step, symmetric(padding), *options))


def from_aten_adaptive_avg_pool2d(b: Builder, x: Tensor, output_size: Sequence[int | None]) -> Tensor:
    require_image("adaptive_avg_pool2d", x.shape)
    height, width = (
        n if size is None else int(size) for size, n in zip(output_size, x.shape[2:], strict=True)
    )
    return _pooled(b, x, AvgPool2dAttrs(adaptive=(height, width)))


def from_aten_mean(
    b: Builder, x: Tensor, dim: Sequence[int] | None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    axes = sorted(d % len(x.shape) for d in dim or range(len(x.shape)))
    if len(x.shape) != 4 or axes != [2, 3]:
        raise Unsupported(
            f"mean over axes {axes} of shape {x.shape}: only over height and width, axes (2, 3)"
        )
    y = _pooled(b, x, AvgPool2dAttrs(adaptive=(1, 1)))
    return y if keepdim else b.add("reshape", ReshapeAttrs(y.shape[:2]), y, name=f"{b.layer}_flat")


def _pooled(b: Builder, x: Tensor, attrs: AvgPool2dAttrs) -> Tensor:
    require_image("avg_pool2d", x.shape)
    return to_nchw(b, b.add("avg_pool2d", attrs, to_nhwc(b, x)))


class AvgPool2d(Op):
    """x (1, H, W, C) → (1, OH, OW, C)."""

    name = "avg_pool2d"
    attrs = AvgPool2dAttrs
    sources = {
        "aten.avg_pool2d.default": from_aten_avg_pool2d,
        "aten.adaptive_avg_pool2d.default": from_aten_adaptive_avg_pool2d,
        "aten._adaptive_avg_pool2d.default": from_aten_adaptive_avg_pool2d,
        "aten.mean.dim": from_aten_mean,
    }
    clamps = True

    def shape(self, attrs: AvgPool2dAttrs, *inputs: Shape) -> Shape:
        _, height, width, channels = inputs[0]
        if attrs.adaptive:
            return (1, *attrs.adaptive, channels)
        return (1, *_window(attrs).output(height, width), channels)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        rows, columns = _spans(call)
        y = _sums(inputs[0], rows, columns) / _divisors(call.attrs, rows, columns)[:, :, None]
        return clamped(y, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: AvgPool2dAttrs, order: Shape) -> AvgPool2dAttrs | None:
        if order == (0, 1, 2, 3):
            return attrs
        return _swapped(attrs) if order == (0, 2, 1, 3) else None

    def prepare(self, call: Call) -> Constants:
        """One multiplier per distinct divisor; rows and columns hold (start, end, index into multiplier)."""
        x, y = call.inputs[0], call.output
        rows, columns = _spans(call)
        heights, widths = _distinct(rows), _distinct(columns)
        r = _requant(call)
        most = max(s.end - s.start for s in rows) * max(s.end - s.start for s in columns)
        check_accumulator(np.array([most * abs(x.zero_point)]), np.ones((1, most)), r.pre_shift)
        lo, hi = clamp_bounds(y.q, call.attrs.lo, call.attrs.hi)
        return {
            "rows": _table(rows, heights, len(widths)),
            "columns": _table(columns, widths, 1),
            "multiplier": r.multiplier,
            "requant": r,
            "x_zero_point": x.zero_point,
            "zero_point": y.zero_point,
            "lo": lo,
            "hi": hi,
            "width": x.shape[2],
            "channels": x.shape[3],
            "out_height": y.shape[1],
            "out_width": y.shape[2],
            "whole_rows": _whole_rows(call),
        }

    def variant(self, call: Call, dsp: bool) -> str:
        """The DSP kernel loads words of four channels and at most 4 KB at a time."""
        longest = max(s.end - s.start for s in _spans(call)[1])
        return "dsp" if dsp and 4 <= call.output.shape[3] <= 1023 and longest <= MAX_ROW else ""

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        if not self.variant(call, dsp):
            return (None,)
        _, _, width, channels = call.inputs[0].shape
        rows, columns = ([span.start for span in spans] for spans in _spans(call))
        return (pooled_overlap(rows, columns, width, channels),)

    def stripe(self, call: Call, rows: range) -> Stripe | None:
        """None too where adaptive windows differ in height, or where another shift would fit these rows."""
        attrs, height = call.attrs, call.inputs[0].shape[1]
        if attrs.adaptive:
            count, width = attrs.adaptive
            step = height // count
            read = range(rows.start * step, rows.stop * step)
            return None if height % count else cut(call, rows, read, adaptive=(len(rows), width))
        found = window_rows(call, rows, _window(attrs))
        return found if found and _shifts(found.call) == _shifts(call) else None

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        rows, columns = _spans(call)
        counts = np.outer([s.end - s.start for s in rows], [s.end - s.start for s in columns])
        acc = _sums(inputs[0].astype(np.int64), rows, columns) - counts[:, :, None] * k["x_zero_point"]
        which = k["rows"][:, None, 2] + k["columns"][None, :, 2]
        r = replace(k["requant"], multiplier=k["multiplier"][which][:, :, None])
        return requantize(acc, r, k["zero_point"], k["lo"], k["hi"])

    def cases(self) -> Iterator[Case]:
        for seed, (label, shape, options) in enumerate(_CASES):
            attrs = AvgPool2dAttrs(**options)
            x = activation("x", shape, 0.05, 17 - 30 * (seed % 3))
            y = activation(
                "y", self.shape(attrs, shape), 0.02, -128 if attrs.lo == 0.0 and attrs.hi is None else -9
            )
            yield Case(label, Call(attrs, (x,), y))


_CASES: list[tuple[str, Shape, dict[str, Any]]] = [
    ("2x2_odd", (1, 7, 5, 3), {"kernel": (2, 2), "stride": (2, 2)}),
    ("3x2_pad", (1, 5, 6, 2), {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1, 1, 1)}),
    (
        "3x3_pad_ceil_valid_only",
        (1, 8, 6, 3),
        {
            "kernel": (3, 3),
            "stride": (2, 2),
            "padding": (1, 1, 1, 1),
            "ceil_mode": True,
            "count_include_pad": False,
        },
    ),
    (
        "3x3_s2_ceil_beyond_the_image",
        (1, 2, 5, 3),
        {"kernel": (3, 3), "stride": (2, 2), "ceil_mode": True},
    ),
    (
        "3x3_pad_ceil",
        (1, 8, 7, 1),
        {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "ceil_mode": True},
    ),
    ("divisor_override", (1, 4, 6, 5), {"kernel": (2, 3), "stride": (2, 3), "divisor_override": 5}),
    ("adaptive_3x5", (1, 7, 8, 3), {"adaptive": (3, 5)}),
    ("whole_image_relu", (1, 7, 7, 9), {"adaptive": (1, 1), "lo": 0.0}),
    ("whole_image_of_561", (1, 33, 17, 5), {"adaptive": (1, 1)}),
    ("2x2_of_4_channels", (1, 6, 9, 4), {"kernel": (2, 2), "stride": (2, 2)}),
    ("3x3_s1_pad_7_channels", (1, 5, 6, 7), {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}),
    ("1x1_of_12_channels", (1, 1, 1, 12), {"adaptive": (1, 1)}),
    ("line_of_300", (1, 1, 300, 4), {"adaptive": (1, 1)}),
    ("1x1_relu6", (1, 3, 3, 3), {"kernel": (1, 1), "stride": (1, 1), "lo": 0.0, "hi": 1.5}),
    ("adaptive_3x4_of_6_rows", (1, 6, 7, 5), {"adaptive": (3, 4)}),
]


def _window(attrs: AvgPool2dAttrs) -> Window:
    return Window(attrs.kernel, attrs.stride, attrs.padding, ceil_mode=attrs.ceil_mode)


def _spans(call: Call) -> tuple[list[Span], list[Span]]:
    """Per output row and per output column, which inputs are read."""
    attrs, shape = call.attrs, call.inputs[0].shape
    counts = call.output.shape[1:3]
    if attrs.adaptive:
        rows, columns = (_adaptive(shape[1 + axis], counts[axis]) for axis in (0, 1))
    else:
        rows, columns = (_sliding(attrs, axis, shape[1 + axis], counts[axis]) for axis in (0, 1))
    return rows, columns


def _whole_rows(call: Call) -> bool:
    """Whether every window is a run of neighbouring pixels, short enough to be one row."""
    rows, columns = _spans(call)
    width = call.inputs[0].shape[2]
    most = max(s.end - s.start for s in rows)
    return [(s.start, s.end) for s in columns] == [(0, width)] and most * width <= MAX_ROW


def _adaptive(size: int, count: int) -> list[Span]:
    edges = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    return [Span(start, end, end - start) for start, end in edges]


def _sliding(attrs: AvgPool2dAttrs, axis: int, size: int, count: int) -> list[Span]:
    before, after = attrs.padding[2 * axis : 2 * axis + 2]
    spans = []
    for i in range(count):
        start = i * attrs.stride[axis] - before
        end = min(start + attrs.kernel[axis], size + after)
        inside = Span(max(start, 0), min(end, size), min(end, size) - max(start, 0))
        spans.append(replace(inside, divisor=end - start) if attrs.count_include_pad else inside)
    return spans


def _requant(call: Call) -> Requant:
    """One multiplier per distinct divisor, as `rows` and `columns` of prepare() index them."""
    rows, columns = map(_distinct, _spans(call))
    divisors = _divisors(call.attrs, rows, columns)
    return to_requant(call.inputs[0].scale / (call.output.scale * divisors.ravel()))


def _shifts(call: Call) -> tuple[int, int]:
    """What all multipliers share."""
    r = _requant(call)
    return r.shift, r.pre_shift


def _distinct(spans: Sequence[Span]) -> list[Span]:
    """The first span of each divisor."""
    return list({span.divisor: span for span in reversed(spans)}.values())[::-1]


def _divisors(attrs: AvgPool2dAttrs, rows: Sequence[Span], columns: Sequence[Span]) -> Array:
    """What each sum is divided by, float64 (rows, columns)."""
    if attrs.divisor_override is not None:
        return np.full((len(rows), len(columns)), float(attrs.divisor_override))
    return np.outer([s.divisor for s in rows], [s.divisor for s in columns]).astype(np.float64)


def _table(spans: Sequence[Span], distinct: Sequence[Span], step: int) -> Array:
    index = {span.divisor: i * step for i, span in enumerate(distinct)}
    return np.array([(s.start, s.end, index[s.divisor]) for s in spans], np.int32)


def _sums(x: Array, rows: Sequence[Span], columns: Sequence[Span]) -> Array:
    """Window sums (1, OH, OW, C)."""
    by_row = np.stack([x[:, s.start : s.end].sum(axis=1) for s in rows], axis=1)
    return np.stack([by_row[:, :, s.start : s.end].sum(axis=2) for s in columns], axis=2)


def _swapped(attrs: AvgPool2dAttrs) -> AvgPool2dAttrs:
    """Height and width exchanged."""
    top, bottom, left, right = attrs.padding
    adaptive = attrs.adaptive and attrs.adaptive[::-1]
    return replace(
        attrs,
        kernel=attrs.kernel[::-1],
        stride=attrs.stride[::-1],
        padding=(left, right, top, bottom),
        adaptive=adaptive,
    )


register(AvgPool2d())
