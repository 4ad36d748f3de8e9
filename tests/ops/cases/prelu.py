"""Which rows of the matrix prove prelu?"""

from collections.abc import Iterator

import numpy as np
from casework import Case, activation, mixtures

from firmnet.ir import Call, Shape
from firmnet.ops.prelu import PReluAttrs


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(_narrow(), ["5x7x3", "fine", "rows_of_5"])


def _narrow() -> Iterator[Case]:
    rows: list[tuple[str, Shape, int, float, int]] = [
        ("one_value", (1, 1), 1, 0.05, 0),
        ("seven", (1, 7), 1, 0.03, -20),
        ("5x7x3", (1, 5, 7, 3), 3, 0.03, 5),
        ("channels_of_4", (1, 5, 3, 4), 3, 0.04, -7),
        ("channels_of_12_in_33x17", (1, 33, 17, 12), 3, 0.02, 3),
        ("channels_of_13", (1, 5, 3, 13), 3, 0.04, 3),
        ("twice_rows_of_9", (2, 3, 9), 1, 0.04, 3),
        ("planes_of_3", (1, 3, 5, 2), 1, 0.05, 3),
        ("rows_of_5", (1, 5, 7, 4), 1, 0.05, 3),
        ("leading_4x3x8", (4, 3, 8), 2, 0.05, -100),
        ("rank5", (2, 1, 3, 1, 20), 4, 0.07, 100),
        ("coarse", (1, 2, 16), 2, 0.9, 0),
        ("fine", (1, 2, 16), 2, 0.0004, 0),
    ]
    for label, shape, axis, scale, zero_point in rows:
        slopes = np.random.default_rng(axis).uniform(-0.6, 1.5, shape[axis])
        attrs = PReluAttrs(axis, tuple(float(slope) for slope in slopes))
        y = activation("y", shape, scale, zero_point)
        yield Case(label, Call(attrs, (activation("x", shape),), (y,)))
