"""Which instructions compute a tile of depthwise outputs? Up to four of one channel, from rows of lanes.

Two taps at a time where both of a pair of columns are wanted (SMLAD), otherwise one (SMLABB and so on).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from ...ops.windows import Pair
from .instructions import MAX_OFFSET
from .packing import words_of

LANE = 4
"""Columns in a word."""
COLUMNS = "r12", "lr"
SUMS = "r8", "r9", "r10", "r11"
"""Registers for columns and for sums."""
PASS_WORDS = 3
"""Words of weights that fit into registers at once: each gives two registers of two taps."""


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
        return words_of(self.taps)

    def register(self, tap: int) -> tuple[int, int]:
        """Of the registers that the words spread to: which one holds this tap, and in which half."""
        word = min(tap // 2, self.words - 1)
        return ((2 * word, 0), (2 * word, 1), (2 * word + 1, 1))[tap - 2 * word]


@dataclass(frozen=True)
class Geometry:
    """What a tile must know: the kernel, and how rows of lanes and rows of outputs lie in memory."""

    kernel_rows: tuple[KernelRow, ...]
    stride: tuple[int, int]
    channels: int
    row_bytes: int
    n_out: int
    out_width: int

    @cached_property
    def passes(self) -> tuple[tuple[KernelRow, ...], ...]:
        """Kernel rows whose weights are in registers at the same time."""
        passes: list[list[KernelRow]] = []
        for row in self.kernel_rows:
            if passes and sum(r.words for r in (*passes[-1], row)) <= PASS_WORDS:
                passes[-1].append(row)
            else:
                passes.append([row])
        return tuple(map(tuple, passes))

    @property
    def resident(self) -> bool:
        """A channel's weights stay in registers; otherwise they are read again for each tile."""
        return len(self.passes) == 1


@dataclass(frozen=True)
class Operation:
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
class Store:
    """A sum that goes `offset` bytes behind the output pointer, once that has walked `walk` bytes."""

    register: str
    walk: int
    offset: int


def stores(sums: Sequence[Sum], at: int = 0) -> tuple[Store, ...]:
    """Of sums in their order, behind a pointer that has walked `at` bytes; it walks to those too far away."""
    found = []
    for s in sums:
        walk = 0 if 0 <= s.offset - at <= MAX_OFFSET else s.offset - at
        at += walk
        found.append(Store(s.register, walk, s.offset - at))
    return tuple(found)


@dataclass(frozen=True)
class Tile:
    """Some outputs of one channel; after its steps, registers hold multiplier and rounding constant."""

    steps: tuple[Operation, ...]
    sums: tuple[Sum, ...]
    multiplier: str
    rounding: str

    def stores(self, at: int = 0) -> tuple[Store, ...]:
        """See `stores`."""
        return stores(self.sums, at)

    @property
    def code_bytes(self) -> int:
        return 4 * (len(self.steps) + 3 * len(self.sums))

    @cached_property
    def cycles(self) -> int:
        return 3 * len(self.sums) + cycles(self.steps)


REGISTER_LOADS = ("load", "bias", "multiplier", "rounding")
"""Steps that load one register."""


def cycles(steps: Sequence[Operation]) -> int:
    """On a Cortex-M4: a load takes two cycles, directly behind another load one."""
    total = 0
    for before, step in zip((None, *steps), steps, strict=False):
        behind_load = before is not None and before.kind in REGISTER_LOADS
        total += (
            1 + step.to.count("r")
            if step.kind == "pop"
            else 1 + (step.kind in REGISTER_LOADS and not behind_load)
        )
    return total


@dataclass(frozen=True)
class Held:
    """Registers that hold bias, multiplier and rounding constant all the time; "": loaded for each tile."""

    bias: str = ""
    multiplier: str = ""
    rounding: str = ""


class ResidentWeights:
    """A layout whose weights of a channel stay in registers: how many words of what it takes."""

    @property
    def kernel(self) -> Pair:
        """(rows, columns) of the filter."""
        raise NotImplementedError

    @property
    def resident(self) -> bool:
        return True

    @property
    def row_words(self) -> int:
        return words_of(self.kernel[1])

    @property
    def words(self) -> int:
        return self.kernel[0] * self.row_words

    @property
    def record(self) -> int:
        """Words of the stream per channel: weights, bias, multiplier."""
        return self.words + 2

    @property
    def held(self) -> Held:
        """What registers that hold no weights hold."""
        if self.words == PASS_WORDS:
            return Held()
        return Held("r4", "r5", "r6") if self.words == 1 else Held("", "r6", "r7")


@dataclass(frozen=True)
class Macs:
    """sum += one or two taps of a pair of columns; `lanes`: "" for both (SMLAD), else halves (SMLAxy)."""

    sum: int
    lanes: str
    register: int


@dataclass(frozen=True)
class PairLoad:
    """A word that holds a pair of columns, spread already, and what it is multiplied for."""

    offset: int
    macs: tuple[Macs, ...]


@dataclass(frozen=True)
class _Load:
    """A word of lanes and what is done with its first and second pair of columns."""

    offset: int
    pairs: tuple[tuple[Macs, ...], ...]

    @property
    def used(self) -> tuple[int, ...]:
        return tuple(half for half, macs in enumerate(self.pairs) if macs)


@cache
def tile(geometry: Geometry, row: int, rows: int, column: int, columns: int, held: Held = Held()) -> Tile:
    """Outputs of `rows` rows from `row` on, `columns` neighbours from `column` on in each: at most four."""
    passes = geometry.passes
    loads = [_loads(geometry, kernel_rows, row, rows, column, columns) for kernel_rows in passes]
    begun = dict.fromkeys(mac.sum for load in loads[0] for pair in load.pairs for mac in pair)
    sums = [f"r{8 + i}" for i in range(rows * columns)]
    schedule = _Schedule(sums, bias=held.bias or sums[list(begun)[-1]])
    if not held.bias:
        schedule.emit(Operation("bias", schedule.bias))
    for i, kernel_rows in enumerate(passes):
        if not geometry.resident:
            schedule.weights(sum(r.words for r in kernel_rows))
        schedule.loads(loads[i], last=i == len(passes) - 1 and not held.multiplier)
    schedule.walk_to(0)
    multiplier, rounding = schedule.constants(held)
    places = [(row + r) * geometry.out_width + column + i for r in range(rows) for i in range(columns)]
    stored = tuple(Sum(r, place * geometry.n_out) for r, place in zip(sums, places, strict=True))
    return Tile(tuple(schedule.steps), stored, multiplier, rounding)


def row_steps(
    geometry: Geometry, pieces: Sequence[KernelRow], columns: int, x_step: int
) -> tuple[Operation, ...]:
    """Products of one row of a kernel, in `pieces` whose weights come from the stream, for `columns` outputs.

    Their sums have begun. Afterwards the pointer of columns moves by x_step bytes.
    """
    schedule = _Schedule([f"r{8 + i}" for i in range(columns)], begun=range(columns))
    for piece in pieces:
        schedule.weights(piece.words)
        schedule.loads(_loads(geometry, (piece,), 0, 1, 0, columns), last=False)
    schedule.walk_to(x_step)
    return tuple(schedule.steps)


def pair_tile(
    loads: Sequence[PairLoad],
    places: Sequence[int],
    held: Held,
    columns: Sequence[str] = COLUMNS,
    sums: Sequence[str] = SUMS,
    bias: str = "",
) -> Tile:
    """Some outputs, stored at `places`, from pairs of columns; every one of them meets some.

    `columns`: the registers that pairs are loaded into, as many as these at a time; `sums`: those that
    collect outputs, as many as they are or more. `bias`: one that holds it when the tile begins.
    """
    registers = [*sums[: len(places)]]
    ways = (_pair_tile(loads, places, held, columns, registers, bias, lent) for lent in range(len(places)))
    return min((tile for tile in ways if tile), key=lambda tile: tile.cycles)


def _pair_tile(
    loads: Sequence[PairLoad],
    places: Sequence[int],
    held: Held,
    columns: Sequence[str],
    registers: Sequence[str],
    bias: str,
    lent: int,
) -> Tile | None:
    """With `lent` registers of sums that hold columns before they begin; None if there are not so many."""
    begun = dict.fromkeys(mac.sum for load in loads for mac in load.macs)
    last = list(begun)[-1]
    sums = [*registers]
    if bias in sums:  # the sum that begins last takes its place
        sums[sums.index(bias)], sums[last] = sums[last], bias
    kept = held.bias or (bias if bias not in sums else "")
    idle = range(len(sums)) if kept else [i for i in range(len(sums)) if i != last]
    first = _first(loads[: len(columns) + lent], [*columns], {i: sums[i] for i in idle}) if lent else {}
    if first is None:
        return None
    schedule = _Schedule(sums, bias=kept or sums[last])
    if not held.bias and not bias:
        schedule.emit(Operation("bias", schedule.bias))
    if first:
        schedule.pairs([*first.values()], [*first], last=False)
    schedule.pairs(loads[len(first) :], columns, last=not held.multiplier)
    schedule.walk_to(0)
    multiplier, rounding = schedule.constants(held)
    stored = tuple(Sum(r, place) for r, place in zip(sums, places, strict=True))
    return Tile(tuple(schedule.steps), stored, multiplier, rounding)


def _first(loads: Sequence[PairLoad], columns: list[str], sums: dict[int, str]) -> dict[str, PairLoad] | None:
    """Registers for the first loads, also those of sums that none of them, or only that one, adds to.

    In the order in which they are multiplied: what lies where a sum begins comes first.
    """
    met = [mac.sum for load in loads for mac in load.macs]
    alone: dict[str, PairLoad] = {}
    for load in loads:
        (number, *others) = [mac.sum for mac in load.macs]
        if not others and number in sums and sums[number] not in alone:
            alone[sums[number]] = load
    free = [*columns, *[register for number, register in sums.items() if number not in met]]
    rest = [load for load in loads if load not in alone.values()]
    if len(rest) > len(free):
        return None
    return alone | dict(zip(free, rest, strict=False))


def _loads(
    geometry: Geometry, kernel_rows: Sequence[KernelRow], row: int, rows: int, column: int, columns: int
) -> list[_Load]:
    """All multiplications of a tile with these rows of the kernel, by the word of lanes they read."""
    found: dict[tuple[int, int], tuple[list[Macs], list[Macs]]] = {}
    registers = 0
    for kernel_row in kernel_rows:
        for r in range(rows):
            slot = (row + r) * geometry.stride[0] + kernel_row.slot
            for i in range(columns):
                first = (column + i) * geometry.stride[1] + kernel_row.first
                for pair in range(first // 2, (first + kernel_row.taps - 1) // 2 + 1):
                    lanes, register = _multiply(kernel_row, 2 * pair - first)
                    macs = found.setdefault((slot, pair // 2), ([], []))[pair % 2]
                    macs.append(Macs(r * columns + i, lanes, registers + register))
        registers += 2 * kernel_row.words
    return [
        _Load(
            slot * geometry.row_bytes + lane * LANE * geometry.channels, tuple(map(tuple, found[slot, lane]))
        )
        for slot, lane in sorted(found)
    ]


def _multiply(row: KernelRow, tap: int) -> tuple[str, int]:
    """How columns that meet taps `tap` and `tap` + 1 are multiplied: lanes, and which register of the row."""
    low, high = 0 <= tap < row.taps, tap + 1 < row.taps
    if low and high:
        return "", tap
    return register_of(row, tap if low else tap + 1, 0 if low else 1)


def register_of(row: KernelRow, tap: int, column: int) -> tuple[str, int]:
    """How a column of a pair meets a tap: halves of both (SMLAxy), and which register of the row."""
    register, half = row.register(tap)
    return "bt"[column] + "bt"[half], register


def lone_tap(kernel: tuple[int, int], halves: Iterable[int]) -> int | None:
    """Which of three rows of three taps never meets a pair: the first or the last; None if neither.

    `halves`: those of the pairs in which the windows begin.
    """
    begins = set(halves)
    return None if kernel != (3, 3) or len(begins) > 1 else 2 * (1 - begins.pop())


def pair_macs(row: KernelRow, tap: int, half: int, met: int, lone: int | None) -> Macs:
    """How the first output meets a pair of columns: `met` taps from `tap` on, the first with that half of it.

    Where one tap is `lone`, of each of three rows, two of these share a register.
    """
    if met == 2:
        return Macs(0, "", 2 * row.word + tap)
    if lone is None:
        lanes, register = register_of(row, tap, half)
        return Macs(0, lanes, 2 * row.word + register)
    register, at = _beside_lone(lone, row.row, tap)
    return Macs(0, "bt"[half] + "bt"[at], register)


def _beside_lone(lone: int, row: int, tap: int) -> tuple[int, int]:
    """The register and half of a tap, where those that are `lone` share one."""
    if tap == lone:
        at = lone // 2
        return ((at, 0), (at, 1), (4 + at, at))[row]
    return (2 * row, tap) if lone else (2 * row + 1, tap - 1)


class _Schedule:
    """Writes the steps of a tile: two registers for columns, loads side by side where they pipeline."""

    def __init__(self, sums: Sequence[str], bias: str = "", begun: Iterable[int] = ()) -> None:
        """Sums start from the bias, which is loaded into the one that starts last; some have `begun`."""
        self.steps: list[Operation] = []
        self.bias = bias
        self._sums = sums
        self._begun = set(begun)
        self._at = 0
        self._multiplier = ""
        self._rounding = ""

    def emit(self, step: Operation) -> None:
        self.steps.append(step)

    def weights(self, words: int) -> None:
        """Words of the next pass from the stream, spread to r2 … r7."""
        self.emit(Operation("pop", ", ".join(f"r{3 + 2 * i}" for i in range(words))))
        for i in range(words):
            self.emit(Operation("spread", f"r{2 + 2 * i}", f"r{3 + 2 * i}"))
            self.emit(Operation("spread_odd", f"r{3 + 2 * i}", f"r{3 + 2 * i}"))

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
                self.emit(Operation("multiplier", other))
            (half,) = load.used
            self._spread(here, here, half)
            self._multiply(load.pairs[half], here)

    def pairs(self, loads: Sequence[PairLoad], columns: Sequence[str], last: bool) -> None:
        """Words that are spread already, some loads side by side; behind the last ones what has room."""
        for at in range(0, len(loads), len(columns)):
            near = loads[at : at + len(columns)]
            offsets = [load.offset for load in near]
            if not all(0 <= offset - self._at <= MAX_OFFSET for offset in offsets):
                self.walk_to(min(offsets))
            for register, load in zip(columns, near, strict=False):
                self.emit(Operation("load", register, offset=load.offset - self._at))
            if last:  # only the last ones leave a register
                self._fill(columns[len(near) :])
            for register, load in zip(columns, near, strict=False):
                self._multiply(load.macs, register)

    def _fill(self, free: Sequence[str]) -> None:
        """Multiplier and rounding constant, as far as there is room."""
        if free:
            self._multiplier = free[0]
            self.emit(Operation("multiplier", free[0]))
        if len(free) > 1:
            self._rounding = free[1]
            self.emit(Operation("rounding", free[1]))

    def constants(self, held: Held) -> tuple[str, str]:
        """Registers of the multiplier and the rounding constant, loaded by now."""
        if held.multiplier:
            return held.multiplier, held.rounding
        if not self._multiplier:
            self._multiplier = "r12"
            self.emit(Operation("multiplier", "r12"))
        if not self._rounding:
            self._rounding = "lr" if self._multiplier == "r12" else "r12"
            self.emit(Operation("rounding", self._rounding))
        return self._multiplier, self._rounding

    def walk_to(self, offset: int) -> None:
        if offset != self._at:
            self.emit(Operation("walk", offset=offset - self._at))
            self._at = offset

    def _near(self, load: _Load) -> bool:
        return 0 <= load.offset - self._at <= MAX_OFFSET

    def _load(self, to: str, load: _Load) -> str:
        if not self._near(load):
            self.walk_to(load.offset)
        self.emit(Operation("load", to, offset=load.offset - self._at))
        return to

    def _spread(self, to: str, source: str, half: int) -> None:
        self.emit(Operation("spread_odd" if half else "spread", to, source))

    def _multiply(self, macs: Sequence[Macs], columns: str) -> None:
        for mac in macs:
            register = self._sums[mac.sum]
            addend = register if mac.sum in self._begun else self.bias
            self._begun.add(mac.sum)
            kind = f"smla{mac.lanes}" if mac.lanes else "smlad"
            self.emit(Operation(kind, register, columns, f"r{2 + mac.register}", addend))
