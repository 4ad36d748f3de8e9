"""Which rows of the matrix prove clamp?"""

from collections.abc import Iterator

from casework import Case, activation, mixtures

from firmnet.ir import Call, Shape
from firmnet.ops.clamp import ClampAttrs


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(_narrow(), ["relu_5x3", "relu6_saturates", "hardtanh", "one_value", "relu6_3x13"])


def _narrow() -> Iterator[Case]:
    rows: list[tuple[str, Shape, ClampAttrs, float, int]] = [
        ("relu_5x3", (1, 5, 3), ClampAttrs(0.0), 0.05, 3),
        ("relu_own_range", (1, 3, 5, 2), ClampAttrs(0.0), 0.02, -128),
        ("relu6_saturates", (1, 37), ClampAttrs(0.0, 6.0), 0.015, 0),
        ("hardtanh", (1, 7, 1, 3), ClampAttrs(-1.0, 1.0), 1 / 127, 0),
        ("one_value", (1, 1), ClampAttrs(0.0), 0.05, 3),
        ("relu_33x17", (1, 33, 17, 3), ClampAttrs(0.0), 0.05, 3),
        ("leading_3x1", (3, 1), ClampAttrs(0.0), 0.05, 3),
        ("relu6_3x13", (1, 3, 13), ClampAttrs(0.0, 6.0), 0.05, 3),
        ("below_2", (1, 9), ClampAttrs(hi=2.0), 0.05, 3),
    ]
    for label, shape, attrs, scale, zero_point in rows:
        yield Case(
            label, Call(attrs, (activation("x", shape),), (activation("y", shape, scale, zero_point),))
        )
