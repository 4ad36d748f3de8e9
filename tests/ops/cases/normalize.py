"""Which rows of the matrix prove normalize?"""

from collections.abc import Iterator
from dataclasses import replace

from casework import Case, activation, mixtures

from firmnet.ir import Call, Shape
from firmnet.ops.normalize import UNIT_OUTPUT, NormalizeAttrs

_CASES: list[tuple[str, Shape, tuple[int, ...], float, int]] = [
    ("channels", (1, 5, 7, 3), (3,), 0.0, 3),
    ("vector_of_37", (1, 37), (1,), 1e-12, -11),
    ("one_value", (1, 1), (1,), 0.0, 0),
    ("pairs", (2, 9, 2), (2,), 0.0, 127),
    ("least_1", (1, 6, 3), (1,), 1.0, 3),
    ("least_40", (1, 6, 3), (2,), 40.0, -128),
    ("rows_of_9", (1, 6, 9), (2,), 0.0, -128),
    ("leading_and_last", (3, 4, 5), (0, 2), 0.0, 3),
    ("images_5x3x7", (1, 5, 3, 7), (1, 2), 0.0, -20),
    ("40000_values", (1, 40_000), (1,), 0.0, -128),
]


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(_narrow(), ["channels", "least_1", "leading_and_last", "rows_of_9", "images_5x3x7"])


def _narrow() -> Iterator[Case]:
    for label, shape, axes, least, zero_point in _CASES:
        x = activation("x", shape, 0.05, zero_point)
        y = replace(activation("y", shape), qparams=UNIT_OUTPUT)
        yield Case(label, Call(NormalizeAttrs(axes, least), (x,), (y,)))
