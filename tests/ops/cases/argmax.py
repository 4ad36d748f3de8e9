"""Which rows of the matrix prove argmax?"""

from collections.abc import Iterator

from casework import WIDE, Case, of

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops import OPS
from firmnet.ops.argmax import WHOLE_NUMBERS, ArgmaxAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, int]] = [
        ("vector_of_11", (1, 11), 1),
        ("300_places", (1, 20, 300), 2),
        ("channels_5x3x7", (1, 5, 3, 7), 3),
        ("rows_5x3x7", (1, 5, 3, 7), 1),
        ("leading_4x3x5", (4, 3, 5), 0),
        ("rank1", (9,), 0),
        ("rank5", (1, 2, 3, 2, 5), 2),
    ]
    for dtype in (Dtype.INT8, *WIDE):
        for label, shape, axis in rows if dtype is Dtype.INT8 else rows[:2]:
            attrs = ArgmaxAttrs(axis)
            y = of(Dtype.INT32, "y", OPS["argmax"].shape(attrs, shape), WHOLE_NUMBERS.scale[0])
            yield Case(f"{label}_{dtype}", Call(attrs, (of(dtype, "x", shape),), (y,)))
