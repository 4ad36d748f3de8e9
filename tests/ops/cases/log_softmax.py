"""Which rows of the matrix prove log_softmax?"""

from collections.abc import Iterator

from casework import Case, activation, mixtures

from firmnet.ir import Call, Shape
from firmnet.ops.softmax import SoftmaxAttrs


def cases() -> Iterator[Case]:
    narrow = list(_narrow())
    yield from narrow
    yield from mixtures(narrow, ["10", "channels_5x3x7", "rows_behind_leading_4"])


def _narrow() -> Iterator[Case]:
    rows: list[tuple[str, Shape, int, float, float]] = [
        ("10", (1, 10), 1, 0.05, 0.06),
        ("2", (1, 2), 1, 0.05, 0.03),
        ("channels_5x3x7", (1, 5, 3, 7), 3, 0.05, 0.05),
        ("3_lanes_of_23_saturate", (1, 3, 23), 2, 0.1, 0.02),
        ("600", (1, 600), 1, 0.02, 0.05),
        ("rows_behind_leading_4", (4, 9, 2, 3), 1, 0.05, 0.07),
        ("leading_4", (4, 3, 5), 0, 0.02, 0.03),
    ]
    for label, shape, axis, x_scale, y_scale in rows:
        zero_point = 127 if axis else 90
        x, y = activation("x", shape, x_scale), activation("y", shape, y_scale, zero_point)
        yield Case(label, Call(SoftmaxAttrs(axis), (x,), (y,)))
