"""avg_pool2d: the average of each window, channel by channel; adaptive pooling and image means too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from ..qmath import Requant, clamp_bounds, requant_of_sums
from .exchange import exchangeable, turned, turned_padding, turned_pair
from .sliding import sliding, unpadded
from .spec import Constants, Op, Slide, Stripe, register
from .stripes import cut, window_rows
from .weighted import clamped, requantized
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
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: AvgPool2dAttrs, *inputs: Shape) -> Shape:
        height, width, channels = image_size(inputs[0])
        if attrs.adaptive:
            return (1, *attrs.adaptive, channels)
        return (1, *_window(attrs).output(height, width), channels)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        rows, columns = spans(call)
        y = _sums(inputs[0], rows, columns) / _divisors(call.attrs, rows, columns)[:, :, None]
        return clamped(y, call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: AvgPool2dAttrs, order: Shape) -> AvgPool2dAttrs | None:
        if order == (0, 1, 2, 3):
            return attrs
        return _swapped(attrs) if order == (0, 2, 1, 3) else None

    def prepare(self, call: Call) -> Constants:
        """One multiplier per distinct divisor; rows and columns hold (start, end, index into multiplier)."""
        x, y = call.inputs[0], call.output
        rows, columns = spans(call)
        heights, widths = distinct(rows), distinct(columns)
        r = requant_of(call)
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
            "x_dtype": x.dtype,
            "dtype": y.dtype,
        }

    def slide(self, call: Call, axis: int) -> Slide | None:
        """None too where adaptive windows differ in size, or where padding asks for another shift."""
        attrs = call.attrs
        if not attrs.adaptive:
            found = sliding(_window(attrs), axis)
            return found if found and _shifts(_one_place(call, axis, found.reach)) == _shifts(call) else None
        if axis not in (1, 2):
            return None
        size, count = call.inputs[0].shape[axis], attrs.adaptive[axis - 1]
        return Slide(axis, size // count, 0, size // count) if size % count == 0 else None

    def slid(self, call: Call, axis: int, places: int) -> AvgPool2dAttrs:
        attrs: AvgPool2dAttrs = call.attrs
        if not attrs.adaptive:
            return unpadded(attrs, axis)
        counts = list(attrs.adaptive)
        counts[axis - 1] = places
        return replace(attrs, adaptive=(counts[0], counts[1]))

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

    def exchanged(self, call: Call) -> Call | None:
        if not exchangeable(call):
            return None
        return Call(_swapped(call.attrs), (turned(call.inputs[0]),), (turned(call.output),))

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        rows, columns = spans(call)
        counts = np.outer([s.end - s.start for s in rows], [s.end - s.start for s in columns])
        acc = _sums(inputs[0].astype(np.int64), rows, columns) - counts[:, :, None] * k["x_zero_point"]
        which = k["rows"][:, None, 2] + k["columns"][None, :, 2]
        r = replace(k["requant"], multiplier=k["multiplier"][which][:, :, None])
        return requantized(acc, {**k, "requant": r})


def _window(attrs: AvgPool2dAttrs) -> Window:
    return Window(attrs.kernel, attrs.stride, attrs.padding, ceil_mode=attrs.ceil_mode)


def spans(call: Call) -> tuple[list[Span], list[Span]]:
    """Per output row and per output column, which inputs are read."""
    attrs, shape = call.attrs, call.inputs[0].shape
    counts = call.output.shape[1:3]
    if attrs.adaptive:
        rows, columns = (_adaptive(shape[1 + axis], counts[axis]) for axis in (0, 1))
    else:
        rows, columns = (_sliding(attrs, axis, shape[1 + axis], counts[axis]) for axis in (0, 1))
    return rows, columns


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


def requant_of(call: Call) -> Requant:
    """One multiplier per distinct divisor, as `rows` and `columns` of prepare() index them."""
    x, found = call.inputs[0], spans(call)
    rows, columns = map(distinct, found)
    divisors = _divisors(call.attrs, rows, columns)
    tallest, widest = (max(s.end - s.start for s in spans) for spans in found)
    worst = tallest * widest * (abs(x.zero_point) - x.dtype.low)
    return requant_of_sums(x.scale / (call.output.scale * divisors.ravel()), worst)


def _shifts(call: Call) -> tuple[int, int, bool]:
    """What all multipliers share."""
    r = requant_of(call)
    return r.shift, r.pre_shift, r.long


def _one_place(call: Call, axis: int, reach: int) -> Call:
    """The call that computes one row (axis 1) or column (axis 2) of the output, without padding."""
    x, y = (
        replace(tensor, shape=(*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]))
        for tensor, size in ((call.inputs[0], reach), (call.output, 1))
    )
    return Call(unpadded(call.attrs, axis), (x,), (y,))


def distinct(spans: Sequence[Span]) -> list[Span]:
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
    return replace(
        attrs,
        kernel=turned_pair(attrs.kernel),
        stride=turned_pair(attrs.stride),
        padding=turned_padding(attrs.padding),
        adaptive=attrs.adaptive and turned_pair(attrs.adaptive),
    )


register(AvgPool2d())
