"""Which rows of the matrix prove reduce?"""

from collections.abc import Iterator

from casework import Case, activation, mixtures

from firmnet.ir import Call, Shape
from firmnet.ops import OPS
from firmnet.ops.reduce import Kind, ReduceAttrs

_CASES: list[tuple[str, Shape, tuple[int, ...], Kind, int, float]] = [
    ("l2_of_channels", (1, 5, 7, 3), (3,), "l2", 0, 0.055),
    ("l2_of_all", (1, 5, 7, 3), (0, 1, 2, 3), "l2", 0, 0.3),
    ("l2_of_an_image", (1, 9, 4, 5), (1, 2), "l2", 0, 0.2),
    ("l2_of_one", (1, 7), (0,), "l2", 0, 0.03),
    ("l2_of_40000", (1, 40_000), (1,), "l2", 0, 7.0),
    ("l1_of_rows", (1, 6, 5), (1,), "l1", 0, 0.14),
    ("l1_of_all_leading", (3, 4, 5), (0, 1, 2), "l1", 0, 0.9),
    ("l2_leading", (3, 4, 5), (0, 2), "l2", 0, 0.14),
    ("std_of_channels", (1, 4, 5, 8), (3,), "std", 0, 0.03),
    ("std_unbiased", (1, 9, 3), (1,), "std", 1, 0.03),
    ("std_of_two", (2, 5, 2), (2,), "std", 1, 0.05),
    ("var_of_an_image", (1, 7, 5, 3), (1, 2), "var", 0, 0.15),
    ("var_unbiased_of_3", (1, 3, 6), (1,), "var", 1, 0.25),
    ("var_of_5000", (1, 5000), (1,), "var", 1, 0.16),
    ("var_of_steps", (1, 3, 4), (2,), "var", 0, 0.0001),
    ("l1_of_19", (1, 3, 19), (2,), "l1", 0, 0.5),
    ("l1_of_an_image_of_7", (1, 4, 5, 7), (1, 2), "l1", 0, 0.5),
    ("var_of_21_lanes_of_7", (1, 21, 7), (1,), "var", 0, 0.15),
    ("std_of_30_lanes_of_6", (1, 2, 30, 6), (2,), "std", 1, 0.05),
    ("std_of_2000", (1, 1, 2000, 1), (2,), "std", 0, 0.04),
]


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(
        _narrow(),
        [
            "l2_of_channels",
            "l1_of_all_leading",
            "std_unbiased",
            "std_of_2000",
            "var_of_an_image",
            "l2_of_an_image",
        ],
    )


def _narrow() -> Iterator[Case]:
    for label, shape, axes, kind, correction, scale in _CASES:
        attrs = ReduceAttrs(axes, kind, correction)
        x = activation("x", shape)
        y = activation("y", OPS["reduce"].shape(attrs, shape), scale, -128)
        yield Case(label, Call(attrs, (x,), (y,)))
