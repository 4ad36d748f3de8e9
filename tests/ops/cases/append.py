"""Which rows of the matrix prove append?"""

from collections.abc import Iterator

from casework import WIDE, Case, activation, of

from firmnet.ir import Call, Shape
from firmnet.ops.append import AppendAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, Shape, int]] = [
        ("rows_7_of_4_words", (1, 7, 1, 16), (1, 2, 1, 16), 1),
        ("rows_of_3_bytes", (1, 5, 3), (1, 1, 3), 1),
        ("columns_9_of_4", (1, 3, 9, 4), (1, 3, 2, 4), 2),
        ("columns_9_of_5", (1, 3, 9, 5), (1, 3, 1, 5), 2),
        ("all_anew", (1, 4, 6), (1, 4, 6), 1),
        ("more_than_half", (1, 5, 8), (1, 4, 8), 1),
        ("leading_4", (4, 5, 3), (4, 2, 3), 1),
    ]
    for label, kept, new, axis in rows:
        inputs = activation("kept", kept), activation("new", new)
        yield Case(label, Call(AppendAttrs(axis), inputs, (activation("y", kept),)))
    for dtype in WIDE:
        for label, kept, new, axis in rows[:3]:
            inputs = of(dtype, "kept", kept), of(dtype, "new", new)
            yield Case(f"{label}_{dtype}", Call(AppendAttrs(axis), inputs, (of(dtype, "y", kept),)))
