"""Which rows of the matrix prove max_pool2d?"""

from collections.abc import Iterator
from typing import Any

from casework import Case, activation, widened

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops import OPS
from firmnet.ops.max_pool2d import MaxPool2dAttrs


def cases() -> Iterator[Case]:
    for i, case in enumerate(_narrow()):
        yield case
        if i % 3 == 0:
            yield widened(case, Dtype.INT16, Dtype.INT16)


def _narrow() -> Iterator[Case]:
    rows: list[tuple[str, Shape, dict[str, Any]]] = [
        ("2x2_odd", (1, 7, 5, 3), {"kernel": (2, 2), "stride": (2, 2)}),
        (
            "3x3_s2_pad_ceil",
            (1, 8, 6, 5),
            {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "ceil_mode": True},
        ),
        (
            "2x3_dilated",
            (1, 9, 9, 2),
            {"kernel": (2, 3), "stride": (1, 2), "dilation": (3, 2), "padding": (1, 1, 2, 2)},
        ),
        (
            "3x3_s2_ceil_beyond_the_image",
            (1, 2, 5, 3),
            {"kernel": (3, 3), "stride": (2, 2), "ceil_mode": True},
        ),
        ("all_of_3x13", (1, 3, 13, 1), {"kernel": (3, 13), "stride": (1, 1)}),
        ("all_of_70_and_around", (1, 1, 70, 1), {"kernel": (3, 72), "stride": (1, 1), "padding": (1,) * 4}),
        ("pad_0213", (1, 5, 4, 1), {"kernel": (3, 3), "stride": (1, 1), "padding": (0, 2, 1, 1)}),
        ("2x2_of_16_channels", (1, 6, 9, 16), {"kernel": (2, 2), "stride": (2, 2)}),
        (
            "3x3_of_7_channels_33x17",
            (1, 33, 17, 7),
            {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)},
        ),
        (
            "2x5_dilated_of_6_channels",
            (1, 9, 9, 6),
            {"kernel": (2, 5), "stride": (1, 2), "dilation": (3, 2), "padding": (1, 1, 2, 2)},
        ),
        (
            "1x1_of_4_channels",
            (1, 1, 1, 4),
            {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)},
        ),
        ("1x1_of_1_channel", (1, 1, 1, 1), {"kernel": (1, 1), "stride": (1, 1)}),
        (
            "1x1_of_3_channels_pad",
            (1, 1, 1, 3),
            {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)},
        ),
        ("2x2_of_1_channel", (1, 9, 19, 1), {"kernel": (2, 2), "stride": (2, 2)}),
        (
            "3x3_s2_pad_of_33x17",
            (1, 33, 17, 3),
            {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)},
        ),
        (
            "3x3_s2_pad_ceil_1_channel",
            (1, 6, 8, 1),
            {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "ceil_mode": True},
        ),
        (
            "5x2_dilated_of_1_channel",
            (1, 13, 11, 1),
            {"kernel": (5, 2), "stride": (2, 2), "dilation": (2, 3), "padding": (2, 2, 1, 1)},
        ),
        ("21x19_of_2_channels", (1, 21, 20, 2), {"kernel": (21, 19), "stride": (1, 1)}),
        ("whole_25x25", (1, 25, 25, 3), {"kernel": (25, 25), "stride": (25, 25)}),
        (
            "5x5_s1_pad_of_6_channels",
            (1, 7, 9, 6),
            {"kernel": (5, 5), "stride": (1, 1), "padding": (2, 2, 2, 2)},
        ),
        ("9x9_s2_of_5_channels", (1, 13, 12, 5), {"kernel": (9, 9), "stride": (2, 2)}),
        ("2x4_of_1401_channels", (1, 2, 4, 1401), {"kernel": (2, 4), "stride": (2, 4)}),
        ("1x2_of_4097_channels", (1, 1, 2, 4097), {"kernel": (1, 2), "stride": (1, 2)}),
        ("far_columns", (1, 2, 1501, 3), {"kernel": (1, 1), "stride": (2, 1500)}),
        ("farther_columns", (1, 1, 1501, 3), {"kernel": (1, 2), "stride": (1, 1), "dilation": (1, 1500)}),
    ]
    for label, shape, options in rows:
        attrs = MaxPool2dAttrs(**options)
        yield Case(
            label,
            Call(attrs, (activation("x", shape),), (activation("y", OPS["max_pool2d"].shape(attrs, shape)),)),
        )
