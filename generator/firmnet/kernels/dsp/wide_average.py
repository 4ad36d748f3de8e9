"""How does the DSP extension average int16? By two channels: SXTAH adds each half of a word to its sum."""

from dataclasses import dataclass

from ...ir import Call, Dtype
from ...ops.avg_pool2d import requant_of, spans
from ...ops.spec import Constants
from ...targets import Isa
from ..portable.pooling import Averages, AvgPool2d
from ..spec import register
from .avg_pool2d import even_columns
from .full_windows import MAX_WINDOW_TAPS
from .instructions import MAX_OFFSET
from .pooling import pooled_overlap

AT_ONCE = 4
"""Columns of a window in a round of its loop."""


@dataclass(frozen=True)
class WideAverages(Averages):
    """`whole_rows`: windows as wide as the image, read as one run. `near`: a load reaches its last columns.

    In output rows that read `rows` rows of the image, `count` outputs from column `first` on read `columns`
    columns, `stride` columns apart, and are unrolled; or none is.
    """

    whole_rows: bool
    near: bool
    first: int
    count: int
    rows: int
    columns: int
    stride: int


class WideAvgPool2d(AvgPool2d):
    """Any windows of int16, to either type."""

    name = "wide"
    isa = Isa.DSP
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        channels, r = call.output.shape[3], requant_of(call)
        return channels >= 2 and not r.long and call.inputs[0].dtype is Dtype.INT16

    def cycles(self, call: Call) -> float:
        """Unrolled windows take 3 cycles per word and 1 for each four of them, others 5 or more per word."""
        layout = self.layout(call, {})
        rows, columns = ([s.end - s.start for s in found] for found in spans(call))
        full = rows.count(layout.rows) * layout.count
        edges = len(rows) * len(columns) - full
        taps, full_lines = layout.rows * layout.columns, full * layout.rows * _line_cycles(layout.columns)
        lines = sum(rows) * sum(map(_line_cycles, columns)) - full_lines
        if layout.whole_rows:
            lines = sum(_line_cycles(n * layout.width) for n in rows)
        pairs, again = -(-layout.channels // 2), 8 if layout.channels % 2 else 0
        loads = taps + -(-taps // 4)
        lone = layout.channels % 2 * (5 + loads + taps)
        inside = full * (6 + lone + layout.channels // 2 * (8 + loads + 2 * taps))
        outside = edges * (30 + again) + pairs * (24 * edges + lines)
        return 80 + 45 * len(rows) + inside + outside

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        if call.output.dtype is not Dtype.INT16:
            return (None,)
        _, _, width, channels = call.inputs[0].shape
        rows, columns = ([span.start for span in found] for found in spans(call))
        return (pooled_overlap(rows, columns, width, 2 * channels),)

    def layout(self, call: Call, k: Constants) -> WideAverages:
        width, (_, out_height, out_width, channels) = call.inputs[0].shape[2], call.output.shape
        rows, columns = spans(call)
        whole_rows = [(s.start, s.end) for s in columns] == [(0, width)]
        tallest, even = max(s.end - s.start for s in rows), even_columns(call)
        full = [i for i, s in enumerate(columns) if even and s.end - s.start == even.taps]
        taps = tallest * even.taps if even else 0
        if not even or not full or taps > MAX_WINDOW_TAPS or 2 * even.taps * channels > MAX_OFFSET:
            unrolled = 0, 0, 0, 0, 0
        else:
            unrolled = full[0], len(full), tallest, even.taps, even.stride
        near = 2 * channels * (AT_ONCE - 1) <= MAX_OFFSET
        return WideAverages(width, channels, out_height, out_width, whole_rows, near, *unrolled)


def _line_cycles(columns: int) -> float:
    """Of neighbours that a loop adds up, four at a time."""
    return 12 + 19.0 * (columns // AT_ONCE) + 9 * (columns % AT_ONCE)


register(WideAvgPool2d())
