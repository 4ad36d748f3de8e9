"""How does chance pad?"""

from collections.abc import Callable
from typing import Any

from .drawing import Draw, Family


def pad(d: Draw) -> tuple[Any, ...]:
    mode = d.choice(["constant", "constant", "reflect", "replicate", "circular"])
    if mode != "constant":
        rank = d.choice([3, 4])
        return d.ranked(rank)[0], d.each(2 * (rank - 2), [0, 1, 2, 3]), mode
    return *around(d), mode, d.choice([None, 0.0, -1.5, 2.0])


def around(d: Draw) -> tuple[Any, ...]:
    """So much before and after some of the last axes; below zero it crops."""
    x, shape = d.ranked(1, 2, 3, 4)
    return x, d.each(2 * d.randint(1, len(shape)), [0, 0, 1, 2, -1] if d.maybe(0.4) else [0, 1, 2])


def repeating(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    return lambda d: (d.spatial(axes + 2)[0], d.each(2 * axes, [0, 1, 2]))


FAMILY = Family(
    {
        "pad.default": pad,
        "constant_pad_nd.default": around,
        **{f"reflection_pad{n}d.default": repeating(n) for n in (1, 2, 3)},
        **{f"replication_pad{n}d.default": repeating(n) for n in (1, 2, 3)},
    },
    weight=3,
)
