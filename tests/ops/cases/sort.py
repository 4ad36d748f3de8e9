"""Which rows of the matrix prove sort?"""

from collections.abc import Iterator

from casework import WIDE, Case, of

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops import OPS
from firmnet.ops.sort import SortAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, SortAttrs]] = [
        ("vector_of_11", (1, 11), SortAttrs(1, 11)),
        ("greatest_5_of_300", (1, 4, 300), SortAttrs(2, 5, True)),
        ("median_of_channels", (1, 5, 3, 7), SortAttrs(3, 4)),
        ("rows_5x3x7", (1, 5, 3, 7), SortAttrs(1, 2, True)),
        ("leading_4x3x5", (4, 3, 5), SortAttrs(0, 3)),
        ("one_value", (3, 1), SortAttrs(1, 1)),
        ("rank1", (9,), SortAttrs(0, 9, True)),
        ("rank5", (1, 2, 3, 2, 5), SortAttrs(2, 3, True)),
    ]
    for dtype in (Dtype.INT8, *WIDE):
        for label, shape, attrs in rows if dtype is Dtype.INT8 else rows[:2]:
            y = of(dtype, "y", OPS["sort"].shape(attrs, shape))
            yield Case(f"{label}_{dtype}", Call(attrs, (of(dtype, "x", shape),), (y,)))
