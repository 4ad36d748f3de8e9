"""At which offsets do blocks need the least memory? Below a set capacity, a beam search looks for room."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

Gaps = Sequence[Mapping[int, int]]
"""gaps[a][b]: block b lies at least so many bytes after block a, or a at least gaps[b][a] after b.

Pairs that are absent may lie anywhere. Both directions of a pair are present; never both are 0.
"""

BEAM_WIDTH = 16
SHUFFLES = 100
"""Random orders tried beside the three good ones are this many, divided by the number of blocks."""


def place(sizes: Sequence[int], gaps: Gaps, lower_bound: int = 0) -> list[int]:
    """One offset per block, such that all gaps are kept and the end of the last block is as low as found.

    Fast when blocks that meet (have gaps) are near each other in the sequences. All lengths are multiples of
    one unit; less than `lower_bound` is not tried. The same input gives the same offsets.
    """
    orders = list(_orders(sizes))
    best = min((_stacked(order, sizes, gaps) for order in orders), key=lambda found: extent(sizes, found))
    unit = gcd(lower_bound, *sizes, *(gap for row in gaps for gap in row.values())) or 1
    low = capacity = lower_bound  # nothing was found below `low`
    while low < extent(sizes, best):
        found = next(filter(None, (_within(capacity, order, sizes, gaps) for order in orders)), None)
        best, low = (found, low) if found else (best, capacity + unit)
        capacity = low + (extent(sizes, best) - low) // 2 // unit * unit
    return best


def extent(sizes: Sequence[int], offsets: Sequence[int]) -> int:
    """The end of the highest block."""
    return max((offset + size for offset, size in zip(offsets, sizes, strict=True)), default=0)


def _orders(sizes: Sequence[int]) -> Iterator[list[int]]:
    blocks = list(range(len(sizes)))
    yield blocks
    yield blocks[::-1]
    yield sorted(blocks, key=lambda block: -sizes[block])
    rng = random.Random(0)
    for _ in range(SHUFFLES // max(1, len(blocks))):
        yield rng.sample(blocks, len(blocks))


def _stacked(order: Sequence[int], sizes: Sequence[int], gaps: Gaps) -> list[int]:
    """Each block in turn to the lowest place that the blocks before it leave.

    Of all orders, that of the offsets in a best placement gives a best placement.
    """
    offsets: dict[int, int] = {}
    highest = sum(sizes) + sum(max(row.values(), default=0) for row in gaps)
    for block in order:
        offsets[block] = next(_free(block, offsets, gaps, highest))[0]
    return [offsets[block] for block in range(len(sizes))]


def _free(block: int, offsets: Mapping[int, int], gaps: Gaps, highest: int) -> Iterator[tuple[int, int]]:
    """Ranges (first, last) of offsets from 0 to `highest` that the blocks with offsets leave, ascending."""
    barred = sorted(
        (offsets[other] - gap, offsets[other] + gaps[other][block])
        for other, gap in gaps[block].items()
        if other in offsets
    )
    first = 0
    for last, end in barred:
        if first > highest:
            return
        if last >= first:
            yield first, min(last, highest)
        first = max(first, end)
    if first <= highest:
        yield first, highest


@dataclass(frozen=True)
class _State:
    """Some blocks have offsets. `open`: those that blocks still to come meet; `before`: how it came about."""

    open: Mapping[int, int]
    block: int = -1
    offset: int = 0
    before: "_State | None" = None

    def offsets(self) -> dict[int, int]:
        found, state = {}, self
        while state.before:
            found[state.block] = state.offset
            state = state.before
        return found


def _within(capacity: int, order: Sequence[int], sizes: Sequence[int], gaps: Gaps) -> list[int] | None:
    """Offsets with all ends at or below the capacity, or None when the beam loses its way.

    Each block goes to both ends of every free range; states that look the same to what follows are one.
    """
    turn = {block: i for i, block in enumerate(order)}
    closing = [max((turn[other] for other in row), default=-1) for row in gaps]
    states = [_State({})]
    for i, block in enumerate(order):
        later: dict[tuple[tuple[int, int], ...], _State] = {}
        for state in states:
            rest = {other: offset for other, offset in state.open.items() if closing[other] > i}
            for ends in _free(block, state.open, gaps, capacity - sizes[block]):
                for offset in ends:
                    opened = {**rest, block: offset} if closing[block] > i else rest
                    later.setdefault(tuple(opened.items()), _State(opened, block, offset, state))
        states = sorted(later.values(), key=lambda s: -_room(s.open, sizes, capacity))[:BEAM_WIDTH]
        if not states:
            return None
    found = states[0].offsets()
    return [found[block] for block in range(len(sizes))]


def _room(offsets: Mapping[int, int], sizes: Sequence[int], capacity: int) -> int:
    """How little the free memory is fragmented: the sum of the squares of its lengths."""
    end = room = 0
    for offset, block in sorted((offset, block) for block, offset in offsets.items()):
        room += max(0, offset - end) ** 2
        end = max(end, offset + sizes[block])
    return room + (capacity - end) ** 2
