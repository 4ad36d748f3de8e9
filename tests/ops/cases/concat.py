"""Which rows of the matrix prove concat?"""

from collections.abc import Iterator

from casework import WIDE, Case, activation, of

from firmnet.ir import Call, Shape
from firmnet.ops import OPS
from firmnet.ops.concat import ConcatAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, list[Shape], int]] = [
        ("channels_3_5", [(1, 4, 3, 3), (1, 4, 3, 5)], 3),
        ("image_rows_2_3", [(1, 2, 5, 3), (1, 3, 5, 3)], 1),
        ("rows_of_three", [(1, 2, 5), (1, 1, 5), (1, 3, 5)], 1),
        ("vectors", [(1, 7), (1, 2)], 1),
        ("leading_2_1_3", [(2, 3, 5), (1, 3, 5), (3, 3, 5)], 0),
        ("channels_behind_leading_4", [(4, 2, 3, 3), (4, 2, 3, 5)], 3),
    ]
    for label, shapes, axis in rows:
        attrs = ConcatAttrs(axis)
        inputs = tuple(activation(f"x{i}", shape) for i, shape in enumerate(shapes))
        yield Case(label, Call(attrs, inputs, (activation("y", OPS["concat"].shape(attrs, *shapes)),)))
    for dtype in WIDE:
        for label, shapes, axis in rows[:2]:
            attrs = ConcatAttrs(axis)
            inputs = tuple(of(dtype, f"x{i}", shape) for i, shape in enumerate(shapes))
            y = of(dtype, "y", OPS["concat"].shape(attrs, *shapes))
            yield Case(f"{label}_{dtype}", Call(attrs, inputs, (y,)))
