"""Which rows of the matrix prove interpolate?"""

from collections.abc import Iterator

from casework import Case, activation, mixtures

from firmnet.ir import Call, Shape
from firmnet.ops import OPS
from firmnet.ops.interpolate import PLACE_BITS, InterpolateAttrs

ONE = 1 << PLACE_BITS

_CASES: list[tuple[str, Shape, tuple[int, int], tuple[int, int], tuple[int, int], float]] = [
    ("twice", (1, 5, 7, 3), (10, 14), (-ONE // 4, -ONE // 4), (ONE // 2, ONE // 2), 0.05),
    ("corners", (1, 3, 4, 5), (7, 9), (0, 0), (ONE // 3, 3 * ONE // 8), 0.03),
    ("smaller", (1, 9, 11, 2), (4, 3), (5 * ONE // 8, ONE), (9 * ONE // 4, 11 * ONE // 3), 0.05),
    ("line", (1, 1, 9, 4), (1, 27), (0, -ONE // 3), (ONE, ONE // 3), 0.04),
    ("one_pixel", (1, 1, 1, 3), (3, 2), (-ONE // 3, -ONE // 4), (ONE // 3, ONE // 2), 0.05),
    ("one_value", (1, 1, 1, 1), (1, 1), (0, 0), (ONE, ONE), 0.04),
    ("twice_17_channels", (1, 3, 2, 17), (6, 4), (-ONE // 4, -ONE // 4), (ONE // 2, ONE // 2), 0.05),
    ("far_outside", (1, 2, 3, 2), (5, 6), (-3 * ONE, ONE), (ONE, ONE), 0.06),
]


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(_narrow(), ["corners", "smaller", "one_value"])


def _narrow() -> Iterator[Case]:
    for seed, (label, shape, size, first, step, scale) in enumerate(_CASES):
        attrs = InterpolateAttrs(size, first, step)
        x = activation("x", shape, 0.05, (3, -128, 127)[seed % 3])
        y = activation("y", OPS["interpolate"].shape(attrs, shape), scale, (5, -128, 127)[seed % 3])
        yield Case(label, Call(attrs, (x,), (y,)))
