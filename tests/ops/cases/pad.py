"""Which rows of the matrix prove pad?"""

from collections.abc import Iterator

from casework import WIDE, Case, activation, of

from firmnet.ir import Call, Shape
from firmnet.ops import OPS
from firmnet.ops.pad import PadAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, PadAttrs]] = [
        ("image_odd", (1, 3, 5, 2), PadAttrs((0, 1, 2, 0), (0, 3, 0, 0))),
        ("channels", (1, 4, 3, 5), PadAttrs((0, 0, 0, 2), (0, 0, 0, 1))),
        ("vector", (1, 7), PadAttrs((0, 0), (0, 4))),
        ("leading_3x1", (3, 1), PadAttrs((2, 0), (1, 0))),
        ("leading_and_channels", (2, 3, 2, 5), PadAttrs((1, 0, 0, 2), (0, 0, 1, 0))),
        ("every_axis", (1, 2, 3, 2, 3), PadAttrs((0, 1, 2, 1, 1), (0, 1, 0, 2, 1))),
    ]
    for label, shape, attrs in rows:
        x, y = activation("x", shape), activation("y", OPS["pad"].shape(attrs, shape))
        yield Case(label, Call(attrs, (x,), (y,)))
    for dtype in WIDE:
        for label, shape, attrs in rows[:2]:
            y = of(dtype, "y", OPS["pad"].shape(attrs, shape))
            yield Case(f"{label}_{dtype}", Call(attrs, (of(dtype, "x", shape),), (y,)))
