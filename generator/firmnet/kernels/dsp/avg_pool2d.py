"""How does the DSP extension average? Four channels at a time, window by window, or rows first."""

from dataclasses import dataclass

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.avg_pool2d import distinct, requant_of, spans
from ...ops.spec import Constants
from ...targets import Isa
from ..portable.pooling import Averages, AvgPool2d
from ..spec import register
from .full_windows import FullWindows, full_windows
from .instructions import MAX_OFFSET
from .pooling import pooled_overlap
from .row_pooling import Columns, RowPooling, row_overlap, row_pooling

MAX_SUMMED_ROWS = 128
"""Rows whose inputs, less the zero point, add up in 16 bits."""


@dataclass(frozen=True)
class AverageWindows(Averages):
    """`whole_rows`: windows as wide as the image, read as one run; `longest`: inputs of the longest run."""

    whole_rows: bool
    longest: int
    full_windows: FullWindows | None


@dataclass(frozen=True)
class AverageRowsFirst(Averages):
    """`even_columns`: all windows read as many columns; `widths`: distinct divisors across."""

    pooling: RowPooling
    even_columns: bool
    widths: int


@dataclass(frozen=True)
class Apart(Averages):
    """`rows` of `pixels` windows that lie side by side; places and distances are in bytes.

    `taps`: inputs of a window from its first; `row`: from a row of the image to the next; `skip`: from behind
    the last round of a row of windows to the next row. A pixel is made in `chunks` (channels, the first of
    them), but few channels `block` pixels at once; `unrolled` pixels are a round.
    """

    rows: int
    pixels: int
    full_windows: FullWindows
    taps: tuple[int, ...]
    row: int
    skip: int
    chunks: tuple[tuple[int, int], ...]
    block: int
    unrolled: int


BLOCKS = {1: 4, 2: 2, 3: 2}
"""Channels → windows of two columns that few words hold together."""
BLOCK_CYCLES = {1: 27, 2: 36, 3: 45}
"""Of windows of two rows."""
BLOCK_BYTES, TAP_BYTES, WORD_BYTES, SINGLE_BYTES = 184, 4, 44, 16
"""Code of a block; of each instruction for an input of a window; of the rest of a chunk."""
ROUND_BYTES = 740


class ApartAvgPool2d(AvgPool2d):
    """Every input is read once, by one of windows that are all alike."""

    name = "apart"
    isa = Isa.DSP
    dtypes = (Dtype.INT8,)

    def accepts(self, call: Call) -> bool:
        return _apart(call) is not None

    def cycles(self, call: Call) -> float:
        """Of every row of windows, its rounds and its pixels."""
        found = self.layout(call, {})
        rounds, left = divmod(found.pixels, found.unrolled)
        pixel = sum(_chunk_cycles(size, len(found.taps)) for size, _ in found.chunks)
        inside = BLOCK_CYCLES[found.channels] / found.block if found.block > 1 else pixel
        row = 12 + rounds * (6 + found.unrolled * inside) + left * pixel
        return 56 + found.rows * row

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        _, _, width, channels = call.inputs[0].shape
        rows, columns = ([span.start for span in found] for found in spans(call))
        return (pooled_overlap(rows, columns, width, channels),)

    def layout(self, call: Call, k: Constants) -> Apart:
        found = _apart(call)
        assert found is not None
        return found


def _apart(call: Call) -> Apart | None:
    (rows, columns), width, channels = spans(call), call.inputs[0].shape[2], call.output.shape[3]
    if width == 1:  # a line that stands up is the same in memory as one that lies down
        rows, columns, width = columns, rows, call.inputs[0].shape[1]
    kh, kw, r = rows[0].end, columns[0].end, requant_of(call)
    side_by_side = all(
        (span.start, span.end) == (i * size, (i + 1) * size)
        for found, size in ((rows, kh), (columns, kw))
        for i, span in enumerate(found)
    )
    zero_point, even = call.output.zero_point, Columns(kw, kw)
    full = full_windows(kh, [kw] * len(columns), even, channels, r, zero_point)
    chunks, block = _chunks(channels), BLOCKS.get(channels, 1)
    if not side_by_side or full is None or len(r.multiplier) > 1 or (block > 1 and kw != 2):
        return None
    round_bytes = BLOCK_BYTES if block > 1 else sum(_code_bytes(size, kh * kw) for size, _ in chunks)
    row, count = width * channels, len(columns)
    rounds = [n for n in range(1, 6) if n * round_bytes <= ROUND_BYTES and count % (n * block) == 0]
    unrolled = block * max(rounds, default=1)
    reach = (kh - 1) * row + max(unrolled, block) * kw * channels
    if round_bytes > ROUND_BYTES or reach > MAX_OFFSET:
        return None
    skip = kh * row - count // unrolled * unrolled * kw * channels
    taps = tuple(y * row + x * channels for y in range(kh) for x in range(kw))
    _, out_height, out_width, _ = call.output.shape
    averages = call.inputs[0].shape[2], channels, out_height, out_width
    return Apart(*averages, len(rows), count, full, taps, row, skip, chunks, block, unrolled)


def _chunks(channels: int) -> tuple[tuple[int, int], ...]:
    """Fours, and what is left: three as four of which one was there before."""
    words, rest = divmod(channels, 4)
    fours = [(4, 4 * i) for i in range(words)]
    if rest == 3 and words:
        return (*fours, (4, channels - 4))
    return (*fours, *[(2, 4 * words)] * (rest > 1), *[(1, channels - 1)] * (rest % 2))


def _chunk_cycles(size: int, taps: int) -> float:
    """Loads come in fours."""
    loads = taps + -(-taps // 4)
    if size == 1:
        return loads + taps + 3
    return loads + 2 * taps + (12 if size == 4 else 6)


def _code_bytes(size: int, taps: int) -> int:
    """Of a chunk of `size` channels: inputs are loaded and added, for several channels twice."""
    if size == 1:
        return 2 * TAP_BYTES * taps + SINGLE_BYTES
    return 3 * TAP_BYTES * taps + WORD_BYTES


def _line_cycles(columns: int) -> float:
    """Of neighbours that a loop adds up, four at a time."""
    return 16 + 18.5 * (columns // 4) + 9 * (columns % 4)


class WindowsAvgPool2d(AvgPool2d):
    """Loads words of four channels of one input."""

    name = "windows"
    isa = Isa.DSP
    dtypes = (Dtype.INT8,)

    def accepts(self, call: Call) -> bool:
        return call.output.shape[3] >= 4

    def cycles(self, call: Call) -> float:
        """Unrolled windows take 3.3 cycles per word, others more; counted in fours of channels."""
        layout = self.layout(call, {})
        rows, columns = ([s.end - s.start for s in found] for found in spans(call))
        unrolled = layout.full_windows
        full = rows.count(unrolled.rows) * unrolled.count if unrolled else 0
        taps = unrolled.rows * unrolled.columns if unrolled else 0
        edges = len(rows) * len(columns) - full
        if layout.whole_rows:
            not_full = (count for count in rows if not unrolled or count != unrolled.rows)
            lines = sum(_line_cycles(count * layout.width) for count in not_full)
        else:
            full_lines = full * unrolled.rows * _line_cycles(unrolled.columns) if unrolled else 0
            lines = sum(rows) * sum(map(_line_cycles, columns)) - full_lines
        fours, again = -(-layout.channels // 4), 8 if layout.channels % 4 else 0
        inside = full * (5 + again + fours * (16 + 3.25 * taps))
        outside = edges * (29 + again) + fours * (30 * edges + lines)
        return 110 + 50 * len(rows) + inside + outside

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        _, _, width, channels = call.inputs[0].shape
        rows, columns = ([span.start for span in found] for found in spans(call))
        return (pooled_overlap(rows, columns, width, channels),)

    def layout(self, call: Call, k: Constants) -> AverageWindows:
        rows, columns = spans(call)
        tallest, widest = (max(s.end - s.start for s in found) for found in (rows, columns))
        width = call.inputs[0].shape[2]
        whole_rows = [(s.start, s.end) for s in columns] == [(0, width)]
        _, out_height, out_width, channels = call.output.shape
        return AverageWindows(
            width,
            channels,
            out_height,
            out_width,
            whole_rows,
            tallest * widest if whole_rows else widest,
            _full_windows(call),
        )


class RowsAvgPool2d(AvgPool2d):
    """Any number of channels; fewer loads where windows share rows."""

    name = "rows"
    isa = Isa.DSP
    dtypes = (Dtype.INT8,)

    def accepts(self, call: Call) -> bool:
        return _row_pooling(call) is not None

    def cycles(self, call: Call) -> float:
        """Of every row of windows, its rows summed, then its columns."""
        pooling, rows = self._pooling(call), spans(call)[0]
        height, count = sum(s.end - s.start for s in rows), len(rows)
        down, across = pooling.rows, pooling.outputs
        summed = down.total * (count * (13 + 6 * down.parts) + height * (5 + 3.5 * down.parts))
        output = 2 + 2 * pooling.taps + -(-pooling.taps // 4) + (pooling.taps if pooling.loops else 0)
        written = count * across.total * (5 + across.parts * across.size * output)
        return 60 + 45 * count + summed + written + 0.6 * pooling.scratch_values * pooling.padded

    def scratch_bytes(self, call: Call) -> int:
        return 2 * self._pooling(call).scratch_values

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (row_overlap(call, [span.start for span in spans(call)[0]]),)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """A multiplier per column where they differ."""
        rows, columns, multiplier = k["rows"], k["columns"], k["multiplier"]
        widths = len(distinct(spans(call)[1]))
        if widths > 1:
            height = rows[:, 2:] // widths
            rows = np.hstack([rows[:, :2], height * len(columns)])
            multiplier = multiplier.reshape(-1, widths)[:, columns[:, 2]].ravel()
        uneven = {} if even_columns(call) else {"columns": columns}
        return {"rows": rows, **uneven, "multiplier": multiplier}

    def layout(self, call: Call, k: Constants) -> AverageRowsFirst:
        _, out_height, out_width, channels = call.output.shape
        return AverageRowsFirst(
            call.inputs[0].shape[2],
            channels,
            out_height,
            out_width,
            self._pooling(call),
            even_columns(call) is not None,
            len(distinct(spans(call)[1])),
        )

    def _pooling(self, call: Call) -> RowPooling:
        """Of a call that the kernel accepts."""
        found = _row_pooling(call)
        assert found is not None
        return found


def _row_pooling(call: Call) -> RowPooling | None:
    """For few channels, and where windows share what it combines."""
    rows, widths = spans(call)
    channels, even = call.output.shape[3], even_columns(call)
    columns = even or Columns(1, 1)
    height = max(span.end - span.start for span in rows)
    side_by_side = even is not None and even.stride == 1 and len(distinct(widths)) == 1
    shared = side_by_side and height * columns.taps > height + columns.taps + 1
    if height > MAX_SUMMED_ROWS or (channels >= 4 and not shared):
        return None
    size = 1 if side_by_side else channels
    parts = max(1, (4 if columns.taps <= 4 else 2) // size)
    return row_pooling(call, columns, size, parts, value_bytes=2)


def _full_windows(call: Call) -> FullWindows | None:
    """Which windows the kernel "windows" unrolls."""
    rows, columns = ([s.end - s.start for s in found] for found in spans(call))
    even, channels = even_columns(call), call.output.shape[3]
    if even is None:
        return None
    return full_windows(max(rows), columns, even, channels, requant_of(call), call.output.zero_point)


def even_columns(call: Call) -> Columns | None:
    """What windows read, or None where their widths differ."""
    attrs, width = call.attrs, call.inputs[0].shape[2]
    if not attrs.adaptive:
        return Columns(attrs.kernel[1], attrs.stride[1], left=attrs.padding[2])
    step, rest = divmod(width, attrs.adaptive[1])
    return None if rest else Columns(step, step)


register(ApartAvgPool2d())
register(RowsAvgPool2d())
register(WindowsAvgPool2d())
