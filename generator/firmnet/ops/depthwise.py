"""How does a depthwise convolution run on the DSP extension? Rows of lanes, weights in registers.

A strip of output rows needs some input rows. They are copied to scratch, padded with the zero point, in
*lanes*: four neighbouring columns of one channel in a word, as bytes 0, 2, 1, 3, so that one SXTB16 gives the
int16 columns 0 and 1, another with ROR #8 columns 2 and 3, and SMLAD multiplies two taps at once. Inner loops
know no edges, and the output may overwrite rows of the input that lie in scratch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call
from .spec import Constants

LANE = 4
"""Columns in a word."""
MAX_OFFSET = 4095
"""Bytes that a load or store may lie behind its pointer."""
MAX_CODE_BYTES = 1000
"""A body of code that loops; flash caches hold about 1 KB."""
PASS_WORDS = 3
"""Words of weights that fit into registers at once: each gives two registers of two taps."""
SMALL_BYTES = 8_192
WORKING_BYTES = 10_560
SCRATCH_BYTES = 4_096
"""A layer whose input is at most SMALL_BYTES may take up to WORKING_BYTES with it; others SCRATCH_BYTES.

More rows in a strip cost memory, and save copies of rows that two strips share."""


@dataclass(frozen=True)
class KernelRow:
    """Taps `first` … `first` + `taps` − 1 of one row of the kernel, `slot` rows below the window's top.

    Word m of its weights holds taps 2m, 2m+1, 2m+1, 2m+2; its words follow `word` others of the channel.
    """

    slot: int
    row: int
    first: int
    taps: int
    word: int

    @property
    def words(self) -> int:
        return max(1, self.taps // 2)

    def register(self, tap: int) -> tuple[int, int]:
        """Of the registers that the words spread to: which one holds this tap, and in which half."""
        word = min(tap // 2, self.words - 1)
        return ((2 * word, 0), (2 * word, 1), (2 * word + 1, 1))[tap - 2 * word]


@dataclass(frozen=True)
class Step:
    """One instruction: load, pop from the stream, spread a word, multiply, walk (the pointer of columns)."""

    kind: str
    to: str = ""
    source: str = ""
    weights: str = ""
    addend: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Sum:
    """A register that collects one output, and where it is stored behind the output pointer."""

    register: str
    offset: int


@dataclass(frozen=True)
class Tile:
    """Up to four outputs of one channel; after its steps, registers hold multiplier and rounding constant."""

    steps: tuple[Step, ...]
    sums: tuple[Sum, ...]
    multiplier: str
    rounding: str

    @property
    def code_bytes(self) -> int:
        return 4 * (len(self.steps) + 3 * len(self.sums))


@dataclass(frozen=True)
class Body:
    """All outputs of `rows` rows of one channel: `loops` times the tiles `looped`, then the tiles `rest`.

    After each loop, the pointers move on by x_step and y_step bytes.
    """

    rows: int
    looped: tuple[Tile, ...]
    loops: int
    x_step: int
    y_step: int
    rest: tuple[Tile, ...]

    @property
    def code_bytes(self) -> int:
        return sum(tile.code_bytes for tile in (*self.looped, *self.rest))


@dataclass(frozen=True)
class Segment:
    """`count` neighbouring lanes of a row whose columns are, or are not, `inside` the image."""

    count: int
    inside: tuple[bool, ...]


@dataclass(frozen=True)
class Depthwise:
    """Strips of `rows` output rows over `slots` rows of lanes, `row_bytes` each.

    `kept` rows stay for the next strip. The kernel functions compute `bodies` rows at once, for all channels.
    `resident`: a channel's weights stay in registers; otherwise they are read again for each tile.
    """

    height: int
    width: int
    channels: int
    multiplier: int
    out_height: int
    out_width: int
    stride: tuple[int, int]
    top: int
    left: int
    kernel_rows: tuple[KernelRow, ...]
    lanes: int
    rows: int
    span: int  # rows of input under one row of output
    resident: bool
    bodies: tuple[Body, ...] = ()

    @property
    def row_bytes(self) -> int:
        return self.lanes * LANE * self.channels

    @property
    def slots(self) -> int:
        return (self.rows - 1) * self.stride[0] + self.span

    @property
    def kept(self) -> int:
        return max(0, self.slots - self.rows * self.stride[0])

    @property
    def scratch_bytes(self) -> int:
        return self.slots * self.row_bytes

    @property
    def n_out(self) -> int:
        return self.channels * self.multiplier

    @property
    def words(self) -> int:
        """Words of weights per channel."""
        return sum(row.words for row in self.kernel_rows)

    @property
    def first_pass(self) -> int:
        """How many of them come before the bias."""
        return sum(row.words for row in _passes(self)[0])

    @property
    def record(self) -> int:
        """Words of the stream per channel: weights, bias, multiplier."""
        return self.words + 2

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The lanes of a row from left to right."""
        columns = [0 <= c - self.left < self.width for c in range(self.lanes * LANE)]
        found: list[Segment] = []
        for start in range(0, len(columns), LANE):
            inside = tuple(columns[start : start + LANE])
            if found and found[-1].inside == inside:
                found[-1] = replace(found[-1], count=found[-1].count + 1)
            else:
                found.append(Segment(1, inside))
        return tuple(found)

    def overlap(self) -> int:
        """Bytes by which the output must begin before the input: what is written before its place is read."""
        distance = 0
        for end in range(self.rows, self.out_height + self.rows, self.rows):
            end = min(end, self.out_height)
            read = (end - 1) * self.stride[0] - self.top + self.span
            written = end * self.out_width * self.n_out
            distance = max(distance, written - min(max(read, 0), self.height) * self.width * self.channels)
        return distance


def depthwise(call: Call) -> Depthwise | None:
    """The layout of a conv2d with one input channel per filter; None for others, and unusually large ones."""
    (_, height, width, channels), (n_out, kh, kw, depth) = (t.shape for t in call.inputs[:2])
    attrs, (_, out_height, out_width, _) = call.attrs, call.output.shape
    if depth != 1 or channels != attrs.groups or n_out * 3 > MAX_OFFSET:
        return None
    kernel_rows = _kernel_rows(kh, kw, attrs.dilation)
    reach = (out_width - 1) * attrs.stride[1] + (kw - 1) * attrs.dilation[1] + 1
    layout = Depthwise(
        height=height,
        width=width,
        channels=channels,
        multiplier=n_out // channels,
        out_height=out_height,
        out_width=out_width,
        stride=attrs.stride,
        top=attrs.padding[0],
        left=attrs.padding[2],
        kernel_rows=kernel_rows,
        lanes=-(-reach // LANE),
        rows=1,
        span=(kh - 1) * attrs.dilation[0] + 1,
        resident=sum(row.words for row in kernel_rows) <= PASS_WORDS,
    )
    return _with_bodies(replace(layout, rows=_rows_per_strip(layout)))


def pack_depthwise(layout: Depthwise, call: Call, k: Constants) -> Array:
    """The kernel's stream, int32: per channel the words of the first pass, bias, other words, multiplier.

    With a channel multiplier: first the first filter of every channel, then the second.
    """
    weight, gap = k["weight"][..., 0], call.attrs.dilation[1]
    n_out, kh, kw = weight.shape
    taps = np.zeros((n_out, kh, (kw - 1) * gap + 1), np.int8)
    taps[:, :, ::gap] = weight
    octets = np.zeros((n_out, layout.words, 4), np.int8)
    for row in layout.kernel_rows:
        for word in range(row.words):
            for byte, tap in enumerate((2 * word, 2 * word + 1, 2 * word + 1, 2 * word + 2)):
                if tap < row.taps:
                    octets[:, row.word + word, byte] = taps[:, row.row, row.first + tap]
    words, first = octets.reshape(n_out, -1).view("<i4"), layout.first_pass
    columns = [words[:, :first], k["bias"][:, None], words[:, first:], k["multiplier"][:, None]]
    records = np.concatenate(columns, axis=1).astype(np.int32)
    stream: Array = records.reshape(layout.channels, layout.multiplier, -1).transpose(1, 0, 2).ravel()
    return stream


def _kernel_rows(kh: int, kw: int, dilation: tuple[int, int]) -> tuple[KernelRow, ...]:
    """Rows of the kernel, wide ones in pieces of at most seven taps; gaps of a dilation count as taps."""
    width, longest = (kw - 1) * dilation[1] + 1, 2 * PASS_WORDS + 1
    found: list[KernelRow] = []
    word = 0
    for row in range(kh):
        first = 0
        while first < width:
            taps = width - first if width - first <= longest else longest - 1
            found.append(KernelRow(row * dilation[0], row, first, taps, word))
            word += found[-1].words
            first += taps
    return tuple(found)


def _rows_per_strip(layout: Depthwise) -> int:
    """As many output rows as scratch has room for; an even number, because bodies may take two at once."""
    size = layout.height * layout.width * layout.channels
    limit = WORKING_BYTES - size if size <= SMALL_BYTES else SCRATCH_BYTES
    fitting = [r for r in range(1, layout.out_height + 1) if replace(layout, rows=r).scratch_bytes <= limit]
    most = max(fitting, default=1)
    return most if most in (1, layout.out_height) else most - most % 2


def _with_bodies(layout: Depthwise) -> Depthwise | None:
    """The layout with its code; None when no body is small enough."""
    single = next(filter(_fits, _bodies(layout)), None)
    if single is None:
        return None
    double = _unrolled(layout, 2, 2) if layout.rows > 1 and layout.resident else None
    if double is None or not _fits(double):
        return replace(layout, bodies=(single,))
    odd = layout.out_height % 2 or layout.rows % 2
    return replace(layout, bodies=(double, single) if odd else (double,))


def _fits(body: Body) -> bool:
    reach = max(s.offset for tile in (*body.looped, *body.rest) for s in tile.sums)
    return body.code_bytes <= MAX_CODE_BYTES and reach <= MAX_OFFSET


def _bodies(layout: Depthwise) -> Iterator[Body]:
    """Code for one row of output, the fastest first: four outputs at a time, unrolled where weights stay."""
    for pixels in (4, 2, 1):
        if layout.resident:
            yield _unrolled(layout, 1, pixels)
        for looped in (8, 4):
            if layout.out_width >= 2 * looped:
                yield _looped(layout, pixels, looped)
        yield _unrolled(layout, 1, pixels)
        if layout.out_width >= 4:
            yield _looped(layout, pixels, 4)


def _unrolled(layout: Depthwise, rows: int, pixels: int) -> Body:
    return Body(rows, (), 0, 0, 0, _tiles(layout, rows, pixels, layout.out_width))


def _looped(layout: Depthwise, pixels: int, looped: int) -> Body:
    loops, rest = divmod(layout.out_width, looped)
    return Body(
        1,
        _tiles(layout, 1, pixels, looped),
        loops,
        looped * layout.stride[1] * layout.channels,
        looped * layout.n_out,
        _tiles(layout, 1, pixels, rest),
    )


def _tiles(layout: Depthwise, rows: int, pixels: int, width: int) -> tuple[Tile, ...]:
    starts = range(0, width, pixels)
    return tuple(_tile(layout, rows, start, min(pixels, width - start)) for start in starts)


@dataclass(frozen=True)
class _Mac:
    """sum += one or two taps of a pair of columns; `lanes`: "" for both (SMLAD), else halves (SMLAxy)."""

    sum: int
    lanes: str
    register: int


@dataclass(frozen=True)
class _Load:
    """A word of lanes and what is done with its first and second pair of columns."""

    offset: int
    pairs: tuple[tuple[_Mac, ...], ...]

    @property
    def used(self) -> tuple[int, ...]:
        return tuple(half for half, macs in enumerate(self.pairs) if macs)


def _passes(layout: Depthwise) -> tuple[tuple[KernelRow, ...], ...]:
    """Kernel rows whose weights are in registers at the same time."""
    passes: list[list[KernelRow]] = []
    for row in layout.kernel_rows:
        if passes and sum(r.words for r in (*passes[-1], row)) <= PASS_WORDS:
            passes[-1].append(row)
        else:
            passes.append([row])
    return tuple(map(tuple, passes))


def _tile(layout: Depthwise, rows: int, start: int, pixels: int) -> Tile:
    """`pixels` neighbouring outputs from column `start` on, in each of `rows` rows."""
    passes = _passes(layout)
    loads = [_loads(layout, kernel_rows, rows, start, pixels) for kernel_rows in passes]
    begun = dict.fromkeys(mac.sum for load in loads[0] for pair in load.pairs for mac in pair)
    sums = [f"r{8 + i}" for i in range(rows * pixels)]
    schedule = _Schedule(sums, bias=sums[list(begun)[-1]])
    if layout.resident:
        schedule.emit(Step("bias", schedule.bias))
    for i, kernel_rows in enumerate(passes):
        if not layout.resident:
            schedule.weights(sum(row.words for row in kernel_rows), with_bias=i == 0)
        schedule.loads(loads[i], last=i == len(passes) - 1)
    schedule.walk_to(0)
    multiplier, rounding = schedule.constants()
    places = [row * layout.out_width + start + i for row in range(rows) for i in range(pixels)]
    stored = tuple(Sum(r, place * layout.n_out) for r, place in zip(sums, places, strict=True))
    return Tile(tuple(schedule.steps), stored, multiplier, rounding)


def _loads(
    layout: Depthwise, kernel_rows: Sequence[KernelRow], rows: int, start: int, pixels: int
) -> list[_Load]:
    """All multiplications of a tile with these rows of the kernel, by the word of lanes they read."""
    found: dict[tuple[int, int], tuple[list[_Mac], list[_Mac]]] = {}
    registers = 0
    for kernel_row in kernel_rows:
        for row in range(rows):
            slot = row * layout.stride[0] + kernel_row.slot
            for i in range(pixels):
                first = (start + i) * layout.stride[1] + kernel_row.first
                for pair in range(first // 2, (first + kernel_row.taps - 1) // 2 + 1):
                    lanes, register = _multiply(kernel_row, 2 * pair - first)
                    macs = found.setdefault((slot, pair // 2), ([], []))[pair % 2]
                    macs.append(_Mac(row * pixels + i, lanes, registers + register))
        registers += 2 * kernel_row.words
    return [
        _Load(slot * layout.row_bytes + lane * LANE * layout.channels, tuple(map(tuple, found[slot, lane])))
        for slot, lane in sorted(found)
    ]


def _multiply(row: KernelRow, tap: int) -> tuple[str, int]:
    """How columns that meet taps `tap` and `tap` + 1 are multiplied: lanes, and which register of the row."""
    low, high = 0 <= tap < row.taps, tap + 1 < row.taps
    if low and high:
        return "", tap
    register, half = row.register(tap if low else tap + 1)
    return ("b" if low else "t") + "bt"[half], register


class _Schedule:
    """Writes the steps of a tile: two registers for columns, loads side by side where they pipeline."""

    def __init__(self, sums: Sequence[str], bias: str) -> None:
        """All sums start from the bias, which is loaded into the one that starts last."""
        self.steps: list[Step] = []
        self.bias = bias
        self._sums = sums
        self._begun: set[int] = set()
        self._at = 0
        self._multiplier = ""

    def emit(self, step: Step) -> None:
        self.steps.append(step)

    def weights(self, words: int, with_bias: bool) -> None:
        """Words of the next pass from the stream, spread to r2 … r7."""
        registers = [f"r{3 + 2 * i}" for i in range(words)] + [self.bias] * with_bias
        self.emit(Step("pop", ", ".join(registers)))
        for i in range(words):
            self.emit(Step("spread", f"r{2 + 2 * i}", f"r{3 + 2 * i}"))
            self.emit(Step("spread_odd", f"r{3 + 2 * i}", f"r{3 + 2 * i}"))

    def loads(self, loads: Sequence[_Load], last: bool) -> None:
        """Everything one pass reads; behind the last load of the last pass, the multiplier."""
        held: dict[int, str] = {}
        for i, load in enumerate(loads):
            here = held.pop(i, "")
            fresh = not here
            if fresh:
                here = self._load("r12", load)
            other = "lr" if here == "r12" else "r12"
            if len(load.used) == 2:
                self._spread(other, here, 1)
                self._spread(here, here, 0)
                self._multiply(load.pairs[0], here)
                self._multiply(load.pairs[1], other)
                continue
            if fresh and i + 1 < len(loads) and self._near(loads[i + 1]):
                held[i + 1] = self._load(other, loads[i + 1])
            elif fresh and last and i + 1 == len(loads):
                self._multiplier = other
                self.emit(Step("multiplier", other))
            (half,) = load.used
            self._spread(here, here, half)
            self._multiply(load.pairs[half], here)

    def constants(self) -> tuple[str, str]:
        """Registers of the multiplier and the rounding constant, loaded by now."""
        if not self._multiplier:
            self._multiplier = "r12"
            self.emit(Step("multiplier", "r12"))
        rounding = "lr" if self._multiplier == "r12" else "r12"
        self.emit(Step("rounding", rounding))
        return self._multiplier, rounding

    def walk_to(self, offset: int) -> None:
        if offset != self._at:
            self.emit(Step("walk", offset=offset - self._at))
            self._at = offset

    def _near(self, load: _Load) -> bool:
        return 0 <= load.offset - self._at <= MAX_OFFSET

    def _load(self, to: str, load: _Load) -> str:
        if not self._near(load):
            self.walk_to(load.offset)
        self.emit(Step("load", to, offset=load.offset - self._at))
        return to

    def _spread(self, to: str, source: str, half: int) -> None:
        self.emit(Step("spread_odd" if half else "spread", to, source))

    def _multiply(self, macs: Sequence[_Mac], columns: str) -> None:
        for mac in macs:
            register = self._sums[mac.sum]
            addend = register if mac.sum in self._begun else self.bias
            self._begun.add(mac.sum)
            kind = f"smla{mac.lanes}" if mac.lanes else "smlad"
            self.emit(Step(kind, register, columns, f"r{2 + mac.register}", addend))
