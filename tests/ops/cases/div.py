"""Which rows of the matrix prove div? With divisors on either side of zero, and zero itself."""

from collections.abc import Iterator

from casework import Case, activation, mixtures, repeated

from firmnet.ir import Call, Shape
from firmnet.ops.div import DivAttrs


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(_narrow(), ["5x7x3", "by_row", "negative_divisor", "one_value"])


def _narrow() -> Iterator[Case]:
    rows: list[tuple[str, Shape, Shape, int, float]] = [
        ("one_value", (1, 1), (1, 1), -128, 0.2),
        ("seven", (1, 7), (1, 7), -128, 0.9),
        ("negative_divisor", (1, 7), (1, 7), 127, 0.2),
        ("5x7x3", (1, 5, 7, 3), (1, 5, 7, 3), 3, 0.02),
        ("leading_4x3x5x3", (4, 3, 5, 3), (4, 3, 5, 3), -128, 0.2),
        ("by_channel", (1, 3, 5, 7), (1, 1, 1, 7), -128, 0.2),
        ("by_row", (1, 3, 5, 7), (1, 3, 1, 1), -100, 0.02),
        ("by_one", (2, 3, 1, 5), (1, 1, 1, 1), -128, 0.2),
    ]
    for label, shape, small, zero_point, scale in rows:
        inputs = activation("a", shape), activation("b", small, 0.04, zero_point)
        yield Case(label, Call(DivAttrs(), inputs, (activation("y", shape, scale, 7),)))
    for label, shape, small in repeated():
        inputs = activation("a", shape, 0.05, -20), activation("b", small, 0.04, -100)
        yield Case(f"{label}_repeated", Call(DivAttrs(), inputs, (activation("y", shape, 0.02, 7),)))
