"""Which rows of the matrix prove slice?"""

from collections.abc import Iterator

from casework import WIDE, Case, activation, of

from firmnet.ir import Call, Shape
from firmnet.ops.slice import SliceAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, SliceAttrs]] = [
        ("vector_part", (1, 11), SliceAttrs((0, 3), (1, 1), (1, 5))),
        ("one_value", (1, 5), SliceAttrs((0, 4), (1, 1), (1, 1))),
        ("second_channels_7x5", (1, 7, 5, 6), SliceAttrs((0, 0, 0, 1), (1, 1, 1, 2), (1, 7, 5, 3))),
        ("middle_rows_9x5", (1, 9, 5, 3), SliceAttrs((0, 2, 0, 0), (1, 1, 1, 1), (1, 6, 5, 3))),
        ("every_third_pixel", (1, 8, 7, 5), SliceAttrs((0, 0, 1, 0), (1, 3, 3, 1), (1, 3, 2, 5))),
        ("columns_reversed", (1, 3, 37, 2), SliceAttrs((0, 0, 36, 0), (1, 1, -1, 1), (1, 3, 37, 2))),
        ("two_axes_reversed", (1, 4, 3, 33), SliceAttrs((0, 3, 0, 32), (1, -1, 1, -2), (1, 4, 3, 17))),
        ("row_repeated", (1, 1, 5, 3), SliceAttrs((0, 0, 0, 0), (1, 0, 1, 1), (1, 4, 5, 3))),
        ("channel_repeated", (1, 3, 5, 1), SliceAttrs((0, 0, 0, 0), (1, 1, 1, 0), (1, 3, 5, 31))),
        ("leading_3_of_5", (5, 2, 3), SliceAttrs((1, 0, 0), (1, 1, 1), (3, 2, 3))),
        ("leading_odd_ones", (7, 3, 4, 5), SliceAttrs((0, 0, 1, 0), (2, 1, 2, 1), (4, 3, 2, 5))),
        ("line_rank1", (50,), SliceAttrs((48,), (-2,), (25,))),
        ("rank5", (1, 2, 3, 2, 5), SliceAttrs((0, 1, 0, 1, 4), (1, -1, 2, 0, -2), (1, 2, 2, 3, 3))),
    ]
    for label, shape, attrs in rows:
        yield Case(label, Call(attrs, (activation("x", shape),), (activation("y", attrs.size),)))
    for dtype in WIDE:
        for label, shape, attrs in rows[2:6]:
            yield Case(
                f"{label}_{dtype}", Call(attrs, (of(dtype, "x", shape),), (of(dtype, "y", attrs.size),))
            )
