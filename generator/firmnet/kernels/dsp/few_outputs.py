"""How are one to seven output channels of a dense layer summed together, over inputs read where they lie?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Array
from .packing import lane_order, pair_words

MAX_OUTPUTS = 7
"""Sums that fit in registers, beside pointers, inputs and weights."""
STEP = 4
"""Inputs of a step: a word of them."""
MOST_STEP_BYTES = 720
"""Of code for all steps of a function; the rest of it takes 100 to 300 bytes."""
LOOP_CYCLES = 4
REGISTERS = ("r3", "r12", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "lr")
"""Beside x, y and w in r0 to r2; from r4 on, those that are used are saved."""


@dataclass(frozen=True)
class Word:
    """The register of a word of weights, that of the inputs it meets, and those of its sums.

    A word weighs two inputs: int8 for two channels or, without `odd`, int16 for one. The one that `begins` a
    step finds its inputs as they were loaded.
    """

    register: str
    inputs: str
    even: str
    odd: str
    begins: bool


@dataclass(frozen=True)
class Burst:
    """Steps whose inputs, a register each, are loaded together; `chunks`: words that are loaded together."""

    inputs: tuple[str, ...]
    chunks: tuple[tuple[Word, ...], ...]


@dataclass(frozen=True)
class Few:
    """`values` inputs met by `outputs` channels: steps in `first`, then `loops` times those in `loop`, then,
    where `values` is no multiple of four, one more over the last four inputs.

    `joined`: pairs of channels as in `packing.pair_words`; else both channels' weights of a word are spread,
    the odd one's into `other`. `spread` gets the odd inputs of a step. `end` is where a loop ends, `y` where
    the outputs go after it; if that is not r1, it lies on the stack before. Four registers or more are `free`
    when the sums are complete.
    """

    values: int
    outputs: int
    joined: bool
    loops: int
    first: tuple[Burst, ...]
    loop: tuple[Burst, ...]
    last: tuple[Burst, ...]
    sums: tuple[str, ...]
    saved: tuple[str, ...]
    free: tuple[str, ...]
    spread: str
    other: str
    end: str
    y: str

    @property
    def pairs(self) -> int:
        return self.outputs // 2

    @property
    def units(self) -> int:
        """Channels, those of a pair counted as one."""
        return -(-self.outputs // 2)

    @property
    def tail(self) -> int:
        """Inputs that only the last step counts."""
        return self.values % STEP

    @property
    def loop_bytes(self) -> int:
        """Of inputs, in all rounds of the loop."""
        return STEP * self.loops * sum(len(burst.inputs) for burst in self.loop)

    @property
    def head_words(self) -> int:
        """The biases with which sums begin."""
        return self.units if self.joined else self.outputs

    @property
    def dot_words(self) -> int:
        return 2 * self.units * -(-self.values // STEP)

    @property
    def words(self) -> int:
        """Of the stream."""
        return self.head_words + self.dot_words + self.outputs + self.pairs * self.joined

    def cycles(self, rows: int) -> int:
        """The price of `rows` rows."""
        rounds = sum(map(self._burst_cycles, self.loop)) + LOOP_CYCLES
        steps = sum(map(self._burst_cycles, (*self.first, *self.last))) + self.loops * rounds
        sums = self.head_words + 1 + self.pairs * self.joined
        requantize = 3 + self.pairs * (12 if self.joined else 9) + 5 * (self.outputs % 2)
        around = 31 + 2 * len(self.saved) + 4 * (self.y != "r1")
        return around + rows * (steps + sums + requantize + (8 if rows > 1 else 0))

    def _burst_cycles(self, burst: Burst) -> int:
        words = [word for chunk in burst.chunks for word in chunk]
        loads = len(burst.inputs) + len(words) + len(burst.chunks)
        return loads + 2 * len(burst.inputs) + sum((4 - self.joined if word.odd else 1) for word in words)


def few(values: int, outputs: int, *, joined: bool, step_bytes: int = MOST_STEP_BYTES) -> Few:
    """The cheapest walk for 1 to 7 outputs over four inputs or more; all steps take `step_bytes` of code.

    Steps side by side take registers, and so does y where it is not spilled.
    """
    most = max(1, step_bytes // _step_bytes(outputs, joined))
    ways = [_walk(values, outputs, joined, n, spilled, most) for n in (1, 2, 3) for spilled in (False, True)]
    return min((way for way in ways if way), key=lambda way: way.cycles(1))


def _walk(values: int, outputs: int, joined: bool, side_by_side: int, spilled: bool, most: int) -> Few | None:
    """With `most` steps written out; None when there are not enough registers for it."""
    steps = values // STEP
    split = _split(steps, side_by_side, most)
    if split is None:
        return None
    loops, unroll = split
    registers = list(REGISTERS)
    end = registers.pop(0) if loops or spilled else ""
    sums, free = registers[:outputs], ["r1"] * spilled + registers[outputs:]
    spread, other, scratch = free[0], free[1], free[1 if joined else 2 :]
    words = min(len(scratch) - side_by_side, 2 * -(-outputs // 2) * side_by_side)
    if words < 1 or (side_by_side > 1 and words < 2 * -(-outputs // 2) * side_by_side):
        return None

    def bursts(count: int) -> tuple[Burst, ...]:
        sizes = [side_by_side] * (count // side_by_side) + [count % side_by_side] * bool(count % side_by_side)
        return tuple(_burst(scratch[: size + words], size, spread, sums) for size in sizes)

    first, loop, last = bursts(steps - loops * unroll), bursts(unroll), bursts(bool(values % STEP))
    used = {end, *sums, *free[:4]}
    used |= {
        r for b in (*first, *loop, *last) for r in (*b.inputs, *(w.register for c in b.chunks for w in c))
    }
    return Few(
        values=values,
        outputs=outputs,
        joined=joined,
        loops=loops,
        first=first,
        loop=loop,
        last=last,
        sums=tuple(sums),
        saved=tuple(r for r in REGISTERS[2:] if r in used),
        free=tuple(free),
        spread=spread,
        other=other,
        end=end,
        y=end if spilled else "r1",
    )


def _split(steps: int, side_by_side: int, most: int) -> tuple[int, int] | None:
    """(rounds of a loop, steps of a round) with the fewest rounds that leave `most` steps to write."""
    if steps <= most:
        return 0, 0
    ways = [(steps // unroll, unroll) for unroll in range(side_by_side, most + 1, side_by_side)]
    fitting = [(loops, unroll) for loops, unroll in ways if unroll + steps % unroll <= most]
    return min(fitting, default=None, key=lambda way: (way[0], way[1]))


def _step_bytes(outputs: int, joined: bool) -> int:
    """Of code: every instruction of a step is a long one."""
    return 4 * (3 + 2 * (4 if joined else 5) * (outputs // 2) + 2 * 2 * (outputs % 2))


def _burst(scratch: Sequence[str], steps: int, spread: str, sums: Sequence[str]) -> Burst:
    """The weights of a step come channel by channel, those of its even inputs first."""
    inputs, registers = scratch[:steps], scratch[steps:]
    pairs = [(sums[i], sums[i + 1]) for i in range(0, len(sums) - 1, 2)]
    units = [*pairs, *([(sums[-1], "")] if len(sums) % 2 else [])]
    terms = [
        (half, even, odd, half == word and even == sums[0])
        for word in inputs
        for even, odd in units
        for half in (word, spread)
    ]
    words = [Word(registers[i % len(registers)], *term) for i, term in enumerate(terms)]
    chunks = range(0, len(words), len(registers))
    return Burst(tuple(inputs), tuple(tuple(words[i : i + len(registers)]) for i in chunks))


def few_stream(rows: Array, bias: Array, multiplier: Array, *, joined: bool) -> Array:
    """The stream of a walk over 1 to 7 channels, int32: rows (N, K) in the order of the inputs.

    The biases of even channels, then, unless joined, of odd ones; words, step by step; the multipliers of
    each pair, behind the odd bias when joined. The last channel of an odd number is alone, its words int16.
    """
    n_out, n_in = rows.shape
    tail = n_in % STEP
    if tail:  # the last step begins with inputs that were counted
        last = np.pad(rows[:, -tail:], ((0, 0), (STEP - tail, 0)))
        rows = np.concatenate([rows[:, :-tail], last], axis=1)
    lanes = rows[:, lane_order(rows.shape[1])].astype(np.int32)
    words = [pair_words(lanes[: n_out // 2 * 2], joined=joined)]
    if n_out % 2:
        words.append((lanes[-1:, 0::2] & 0xFFFF) | (lanes[-1:, 1::2] << 16))
    by_step = np.concatenate(words).reshape(-1, rows.shape[1] // STEP, 2).transpose(1, 0, 2)
    b, m = bias.astype(np.int32), multiplier.astype(np.int32)
    pairs = [(*([b[i + 1]] if joined else []), m[i], m[i + 1]) for i in range(0, n_out - 1, 2)]
    ends = [np.asarray(pair, np.int32) for pair in pairs] + [m[-1:]] * (n_out % 2)
    return np.concatenate([b[0::2], b[1::2][: 0 if joined else None], by_step.ravel(), *ends]).astype(
        np.int32
    )
