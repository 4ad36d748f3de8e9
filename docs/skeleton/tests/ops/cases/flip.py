"""Which rows of the matrix prove flip?"""

from collections.abc import Iterator

from casework import Case, activation

from firmnet.ir import Call, Shape
from firmnet.ops.flip import FlipAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, int]] = [
        ("vector_of_7", (1, 7), 1),
        ("rows_5x3x7", (1, 5, 3, 7), 1),
        ("channels_5x3x7", (1, 5, 3, 7), 3),
        ("leading_4x3x5", (4, 3, 5), 0),
    ]
    for label, shape, axis in rows:
        yield Case(label, Call(FlipAttrs(axis), (activation("x", shape),), (activation("y", shape),)))
