"""Which rows of the matrix prove tril?"""

from collections.abc import Iterator

from casework import Case, activation

from firmnet.ir import Call, Shape
from firmnet.ops.tril import TrilAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, int]] = [
        ("square_7x7", (1, 7, 7), 0),
        ("wide_3x8_diagonal_2", (1, 3, 8), 2),
        ("tall_9x4_below", (1, 9, 4), -1),
        ("leading_4x3x5", (4, 3, 5), 1),
    ]
    for label, shape, diagonal in rows:
        yield Case(label, Call(TrilAttrs(diagonal), (activation("x", shape),), (activation("y", shape),)))
