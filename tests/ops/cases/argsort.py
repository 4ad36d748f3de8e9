"""Which rows of the matrix prove argsort?"""

from collections.abc import Iterator

from casework import WIDE, Case, of

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops import OPS
from firmnet.ops.argmax import WHOLE_NUMBERS
from firmnet.ops.sort import SortAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, SortAttrs]] = [
        ("vector_of_11", (1, 11), SortAttrs(1, 11)),
        ("greatest_5_of_600", (1, 4, 600), SortAttrs(2, 5, True)),
        ("channels_5x3x7", (1, 5, 3, 7), SortAttrs(3, 4)),
        ("rows_5x3x7", (1, 5, 3, 7), SortAttrs(1, 2, True)),
        ("leading_4x3x5", (4, 3, 5), SortAttrs(0, 3)),
        ("rank1", (9,), SortAttrs(0, 9, True)),
        ("rank5", (1, 2, 3, 2, 5), SortAttrs(2, 3, True)),
    ]
    for dtype in (Dtype.INT8, *WIDE):
        for label, shape, attrs in rows if dtype is Dtype.INT8 else rows[:2]:
            y = of(Dtype.INT32, "y", OPS["argsort"].shape(attrs, shape), WHOLE_NUMBERS.scale[0])
            yield Case(f"{label}_{dtype}", Call(attrs, (of(dtype, "x", shape),), (y,)))
