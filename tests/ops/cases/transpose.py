"""Which rows of the matrix prove transpose?"""

from collections.abc import Iterator

from casework import WIDE, Case, activation, of

from firmnet.ir import Call, Shape
from firmnet.ops import OPS
from firmnet.ops.transpose import TransposeAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, Shape]] = [
        ("nhwc_3x5x7", (1, 7, 3, 5), (0, 2, 3, 1)),
        ("nchw_4x6x3", (1, 4, 6, 3), (0, 3, 1, 2)),
        ("matrix_5x9", (1, 5, 9), (0, 2, 1)),
        ("unit_axes", (1, 6, 1, 1), (0, 2, 3, 1)),
        ("rows_of_7_exchanged", (1, 5, 3, 7), (0, 2, 1, 3)),
        ("leading_4_to_the_end", (4, 3, 5, 2), (1, 2, 3, 0)),
        ("leading_2x3_exchanged", (2, 3, 5), (1, 0, 2)),
        ("rank5_reversed", (1, 2, 3, 4, 5), (4, 3, 2, 1, 0)),
    ]
    for label, shape, order in rows:
        attrs = TransposeAttrs(order)
        yield Case(
            label,
            Call(attrs, (activation("x", shape),), (activation("y", OPS["transpose"].shape(attrs, shape)),)),
        )
    for dtype in WIDE:
        for label, shape, order in rows[:1] + rows[4:5] + rows[-1:]:
            attrs = TransposeAttrs(order)
            x, y = of(dtype, "x", shape), of(dtype, "y", OPS["transpose"].shape(attrs, shape))
            yield Case(f"{label}_{dtype}", Call(attrs, (x,), (y,)))
