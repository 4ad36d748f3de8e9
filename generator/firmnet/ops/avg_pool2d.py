"""avg_pool2d: the average of each window, channel by channel; adaptive pooling and image means too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from ..qmath import Requant, check_accumulator, clamp_bounds, requantize, to_requant
from .builder import Builder, Unsupported
from .casework import activation
from .full_windows import FullWindows, full_windows
from .lines import as_image, as_line, lying
from .pooling import pooled_overlap
from .reductions import reduced
from .row_pooling import Columns, RowPooling, row_overlap, row_pooling
from .spec import Case, Constants, Cost, Op, Stripe, register
from .stripes import cut, window_rows
from .transpose import to_nchw, to_nhwc
from .weighted import clamped
from .windows import Padding, Pair, Sizes, Window, image_size, pair, require_image, symmetric


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


MAX_ROWS = 128
"""Rows whose inputs, less the zero point, add up in 16 bits."""


@dataclass(frozen=True)
class Span:
    """One output row (or column) reads inputs start ≤ i < end; `divisor` is this axis' factor."""

    start: int
    end: int
    divisor: int


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
    require_image("avg_pool2d", x.shape)
    kernel, step = pair(kernel_size), pair(stride or kernel_size)
    if divisor_override is not None and divisor_override < 1:
        raise Unsupported(f"divisor_override={divisor_override}: it must be at least 1")
    options = bool(ceil_mode), bool(count_include_pad), divisor_override
    return _pooled(b, x, AvgPool2dAttrs(kernel, step, symmetric(padding), *options))


def from_aten_adaptive_avg_pool2d(b: Builder, x: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    require_image("adaptive_avg_pool2d", x.shape)
    sizes = (output_size, output_size) if isinstance(output_size, int) else output_size
    height, width = (n if size is None else size for size, n in zip(sizes, x.shape[2:], strict=True))
    return _pooled(b, x, AvgPool2dAttrs(adaptive=(height, width)))


def from_aten_avg_pool1d(
    b: Builder,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """A line of values as an image of height 1."""
    window = lying(kernel_size, 1), lying(stride or kernel_size, 1), lying(padding, 0)
    y = from_aten_avg_pool2d(b, as_image(b, x), *window, ceil_mode, count_include_pad)
    return as_line(b, y)


def from_aten_adaptive_avg_pool1d(b: Builder, x: Tensor, output_size: Sizes) -> Tensor:
    return as_line(b, from_aten_adaptive_avg_pool2d(b, as_image(b, x), lying(output_size, 1)))


def from_aten_mean(
    b: Builder, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    return reduced(b, x, dim, keepdim, _mean)


def from_aten_mean_of_all(b: Builder, x: Tensor, dtype: Any = None) -> Tensor:
    return reduced(b, x, None, False, _mean)


def from_aten_sum(
    b: Builder, x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    return reduced(b, x, dim, keepdim, _sum)


def from_aten_sum_of_all(b: Builder, x: Tensor, dtype: Any = None) -> Tensor:
    return reduced(b, x, None, False, _sum)


def _mean(b: Builder, image: Tensor, window: Pair) -> Tensor:
    counts = (n // k for n, k in zip(image.shape[2:], window, strict=True))
    height, width = counts
    return _pooled(b, image, AvgPool2dAttrs(adaptive=(height, width)))


def _sum(b: Builder, image: Tensor, window: Pair) -> Tensor:
    return _pooled(b, image, AvgPool2dAttrs(window, window, divisor_override=1))


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
        "aten.avg_pool1d.default": from_aten_avg_pool1d,
        "aten.adaptive_avg_pool1d.default": from_aten_adaptive_avg_pool1d,
        "aten.mean.dim": from_aten_mean,
        "aten.mean.default": from_aten_mean_of_all,
        "aten.sum.dim_IntList": from_aten_sum,
        "aten.sum.default": from_aten_sum_of_all,
    }
    clamps = True

    def shape(self, attrs: AvgPool2dAttrs, *inputs: Shape) -> Shape:
        height, width, channels = image_size(inputs[0])
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
        tallest, widest = (max(s.end - s.start for s in spans) for spans in (rows, columns))
        most = tallest * widest
        check_accumulator(np.array([most * abs(x.zero_point)]), np.ones((1, most)), r.pre_shift)
        whole_rows = [(s.start, s.end) for s in columns] == [(0, x.shape[2])]
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
            "whole_rows": whole_rows,
            "longest": tallest * widest if whole_rows else widest,
            "row_pooling": _row_pooling(call),
            "even_columns": _even_columns(call) is not None,
            "widths": len(widths),
            "full_windows": _full_windows(call),
        }

    def pack(self, call: Call, k: Constants, dsp: bool) -> dict[str, Array]:
        """The kernel "rows" reads a multiplier per column where they differ."""
        if self.variant(call, dsp) != "rows":
            return super().pack(call, k, dsp)
        rows, columns, multiplier = k["rows"], k["columns"], k["multiplier"]
        if k["widths"] > 1:
            height = rows[:, 2:] // k["widths"]
            rows = np.hstack([rows[:, :2], height * len(columns)])
            multiplier = multiplier.reshape(-1, k["widths"])[:, columns[:, 2]].ravel()
        uneven = {} if k["even_columns"] else {"columns": columns}
        return {"rows": rows, **uneven, "multiplier": multiplier}

    def variant(self, call: Call, dsp: bool) -> str:
        """The DSP kernel loads words of four channels of one input; "rows" needs fewer loads, or channels."""
        if dsp and _row_pooling(call):
            return "rows"
        return "dsp" if dsp and call.output.shape[3] >= 4 else ""

    def cost(self, call: Call, dsp: bool) -> Cost:
        pooling = _row_pooling(call) if dsp else None
        return Cost(scratch_bytes=2 * pooling.scratch_values if pooling else 0)

    def overlap(self, call: Call, dsp: bool) -> tuple[int | None, ...]:
        variant = self.variant(call, dsp)
        if not variant:
            return (None,)
        _, _, width, channels = call.inputs[0].shape
        rows, columns = ([span.start for span in spans] for spans in _spans(call))
        if variant == "rows":
            return (row_overlap(call, rows),)
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
    ("3x3_s2_pad_of_33x17", (1, 33, 17, 3), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)}),
    ("2x2_of_1_channel", (1, 9, 19, 1), {"kernel": (2, 2), "stride": (2, 2), "hi": 1.5}),
    (
        "3x3_s1_pad_valid_only_1_channel",
        (1, 5, 11, 1),
        {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1), "count_include_pad": False},
    ),
    (
        "5x3_s3_pad_ceil_2_channels",
        (1, 10, 9, 2),
        {"kernel": (5, 3), "stride": (1, 3), "padding": (2, 2, 1, 1), "ceil_mode": True},
    ),
    ("1x1_of_1_channel", (1, 1, 1, 1), {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}),
    ("line_of_19_with_2_channels", (1, 1, 19, 2), {"adaptive": (1, 1)}),
    ("column_of_128", (1, 128, 1, 3), {"adaptive": (1, 1)}),
    ("column_of_129", (1, 129, 1, 3), {"adaptive": (1, 1)}),
    ("column_of_300_with_4_channels", (1, 300, 1, 4), {"adaptive": (1, 1)}),
    ("2_lines_of_505", (1, 2, 505, 4), {"kernel": (1, 504), "stride": (1, 1)}),
    ("2x2_of_1400_channels", (1, 2, 2, 1400), {"adaptive": (1, 1)}),
    ("1x2_of_4097_channels", (1, 1, 2, 4097), {"adaptive": (1, 1)}),
    (
        "3x5_s1_pad_of_6_channels",
        (1, 5, 9, 6),
        {"kernel": (3, 5), "stride": (1, 1), "padding": (1, 1, 2, 2)},
    ),
    ("far_columns", (1, 2, 1501, 3), {"kernel": (2, 1), "stride": (1, 1500)}),
    ("2x2_relu6_of_8_channels", (1, 6, 9, 8), {"kernel": (2, 2), "stride": (2, 2), "lo": 0.0, "hi": 1.5}),
    ("2x2_of_6_channels", (1, 7, 9, 6), {"kernel": (2, 2), "stride": (2, 2)}),
    ("2x2_s1_of_11_channels", (1, 3, 4, 11), {"kernel": (2, 2), "stride": (1, 1)}),
    ("3x2_of_5_channels", (1, 7, 9, 5), {"kernel": (3, 2), "stride": (2, 3)}),
    (
        "3x3_s2_pad_valid_only_7_channels",
        (1, 9, 11, 7),
        {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "count_include_pad": False},
    ),
    ("3x2_of_700_channels", (1, 3, 6, 700), {"kernel": (3, 2), "stride": (1, 2)}),
    ("adaptive_2x2_of_8_rows", (1, 8, 8, 4), {"adaptive": (2, 2)}),
    (
        "2x2_by_1300_relu",
        (1, 4, 4, 4),
        {"kernel": (2, 2), "stride": (2, 2), "divisor_override": 1300, "lo": 0.0},
    ),
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


def _row_pooling(call: Call) -> RowPooling | None:
    """How the kernel "rows" runs: for few channels, and where windows share what it combines."""
    rows, widths = _spans(call)
    channels, even = call.output.shape[3], _even_columns(call)
    columns = even or Columns(1, 1)
    height = max(span.end - span.start for span in rows)
    side_by_side = even is not None and even.stride == 1 and len(_distinct(widths)) == 1
    shared = side_by_side and height * columns.taps > height + columns.taps + 1
    if height > MAX_ROWS or (channels >= 4 and not shared):
        return None
    size = 1 if side_by_side else channels
    parts = max(1, (4 if columns.taps <= 4 else 2) // size)
    return row_pooling(call, columns, size, parts, value_bytes=2)


def _full_windows(call: Call) -> FullWindows | None:
    """Which windows the kernel "dsp" unrolls."""
    rows, columns = ([s.end - s.start for s in spans] for spans in _spans(call))
    even, channels = _even_columns(call), call.output.shape[3]
    if even is None:
        return None
    return full_windows(max(rows), columns, even, channels, _requant(call), call.output.zero_point)


def _even_columns(call: Call) -> Columns | None:
    """What windows read, or None where their widths differ."""
    attrs, width = call.attrs, call.inputs[0].shape[2]
    if not attrs.adaptive:
        return Columns(attrs.kernel[1], attrs.stride[1], left=attrs.padding[2])
    step, rest = divmod(width, attrs.adaptive[1])
    return None if rest else Columns(step, step)


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
