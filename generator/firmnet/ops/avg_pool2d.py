"""avg_pool2d: the average of each window, channel by channel; adaptive pooling and image means too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call, Shape
from ..qmath import Requant, check_accumulator, clamp_bounds, requantize, to_requant
from .full_windows import FullWindows, full_windows
from .pooling import pooled_overlap
from .row_pooling import Columns, RowPooling, row_overlap, row_pooling
from .spec import Constants, Cost, Op, Stripe, register
from .stripes import cut, window_rows
from .weighted import clamped
from .windows import Padding, Pair, Window, image_size


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


class AvgPool2d(Op):
    """x (1, H, W, C) → (1, OH, OW, C)."""

    name = "avg_pool2d"
    attrs = AvgPool2dAttrs
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
