"""Which rows of the matrix prove maximum?"""

from collections.abc import Iterator

from casework import Case, activation, of, repeated

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops.maximum import MaximumAttrs


def cases() -> Iterator[Case]:
    shapes: list[tuple[str, Shape]] = [
        ("one_value", (1, 1)),
        ("three", (3,)),
        ("seven", (1, 7)),
        ("5x7x3", (1, 5, 7, 3)),
        ("leading_4x3x5x3", (4, 3, 5, 3)),
        ("rank5", (2, 3, 1, 2, 3)),
        ("33x17", (1, 33, 17, 1)),
    ]
    for label, shape in shapes:
        for attrs in (MaximumAttrs(), MaximumAttrs(True)):
            inputs = activation("a", shape), activation("b", shape)
            named = f"{label}_smaller" if attrs.smaller else label
            yield Case(named, Call(attrs, inputs, (activation("y", shape),)))
    for i, (label, shape, small) in enumerate(repeated()):
        inputs = activation("a", shape), activation("b", small)
        attrs = MaximumAttrs(smaller=i % 2 == 1)
        yield Case(f"{label}_repeated", Call(attrs, inputs, (activation("y", shape),)))
    for dtype in (Dtype.INT16, Dtype.UINT8, Dtype.INT32):
        a, b, y = (of(dtype, name, (2, 3, 5)) for name in "aby")
        yield Case(f"2x3x5_{dtype}", Call(MaximumAttrs(dtype is Dtype.INT32), (a, b), (y,)))
    for label, small in (("pixels", (1, 3, 5, 1)), ("rows_of_channels", (1, 3, 1, 7))):
        a, b, y = (of(Dtype.INT16, n, s) for n, s in (("a", (1, 3, 5, 7)), ("b", small), ("y", (1, 3, 5, 7))))
        yield Case(f"{label}_int16", Call(MaximumAttrs(label == "pixels"), (a, b), (y,)))
