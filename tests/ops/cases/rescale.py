"""Which rows of the matrix prove rescale?"""

from collections.abc import Iterator

from casework import Case, activation

from firmnet.ir import Call, Shape
from firmnet.ops.rescale import RescaleAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, float, int]] = [
        ("coarser_5x7", (1, 5, 7), 0.13, -20),
        ("finer_saturates", (1, 3, 3, 3), 0.011, 9),
        ("seven", (1, 7), 0.06, -20),
        ("leading_2x3x5", (2, 3, 5), 0.06, -20),
        ("shifted", (1, 13), 0.05, -100),
    ]
    for label, shape, scale, zero_point in rows:
        x, y = activation("x", shape), activation("y", shape, scale, zero_point)
        yield Case(label, Call(RescaleAttrs(), (x,), (y,)))
