"""Which rows of the matrix prove avg_pool2d?"""

from collections.abc import Iterator
from typing import Any

from casework import Case, activation, mixtures, of

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops import OPS
from firmnet.ops.avg_pool2d import AvgPool2dAttrs


def cases() -> Iterator[Case]:
    yield from _narrow()
    labels = ["2x2_odd", "3x2_pad", "3x3_pad_ceil_valid_only", "divisor_override", "adaptive_3x5"]
    labels += ["whole_image_relu", "whole_image_of_561", "1x1_relu6", "2_lines_of_505"]
    yield from mixtures(_narrow(), labels)
    x, y = (of(Dtype.INT16, name, (1, 1, n, 701), 0.0002) for name, n in (("x", 5), ("y", 1)))
    yield Case("line_of_701_channels_int16", Call(AvgPool2dAttrs(adaptive=(1, 1)), (x,), (y,)))


def _narrow() -> Iterator[Case]:
    for seed, (label, shape, options) in enumerate(_CASES):
        attrs = AvgPool2dAttrs(**options)
        x = activation("x", shape, 0.05, 17 - 30 * (seed % 3))
        y = activation(
            "y",
            OPS["avg_pool2d"].shape(attrs, shape),
            0.02,
            -128 if attrs.lo == 0.0 and attrs.hi is None else -9,
        )
        yield Case(label, Call(attrs, (x,), (y,)))


_CASES: list[tuple[str, Shape, dict[str, Any]]] = [
    ("2x2_odd", (1, 7, 5, 3), {"kernel": (2, 2), "stride": (2, 2)}),
    ("3x2_pad", (1, 5, 6, 2), {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1, 1, 1)}),
    (
        "3x3_pad_ceil_valid_only",
        (1, 8, 6, 3),
        {
            "kernel": (3, 3),
            "stride": (2, 2),
            "padding": (1, 1, 1, 1),
            "ceil_mode": True,
            "count_include_pad": False,
        },
    ),
    (
        "3x3_s2_ceil_beyond_the_image",
        (1, 2, 5, 3),
        {"kernel": (3, 3), "stride": (2, 2), "ceil_mode": True},
    ),
    (
        "3x3_pad_ceil",
        (1, 8, 7, 1),
        {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "ceil_mode": True},
    ),
    ("all_of_70_and_around", (1, 1, 70, 1), {"kernel": (3, 72), "stride": (1, 1), "padding": (1,) * 4}),
    ("all_of_3x13", (1, 3, 13, 1), {"adaptive": (1, 1)}),
    ("divisor_override", (1, 4, 6, 5), {"kernel": (2, 3), "stride": (2, 3), "divisor_override": 5}),
    ("adaptive_3x5", (1, 7, 8, 3), {"adaptive": (3, 5)}),
    ("whole_image_relu", (1, 7, 7, 9), {"adaptive": (1, 1), "lo": 0.0}),
    ("whole_image_of_561", (1, 33, 17, 5), {"adaptive": (1, 1)}),
    ("2x2_of_4_channels", (1, 6, 9, 4), {"kernel": (2, 2), "stride": (2, 2)}),
    ("3x3_s1_pad_7_channels", (1, 5, 6, 7), {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}),
    ("1x1_of_12_channels", (1, 1, 1, 12), {"adaptive": (1, 1)}),
    ("line_of_300", (1, 1, 300, 4), {"adaptive": (1, 1)}),
    ("1x1_relu6", (1, 3, 3, 3), {"kernel": (1, 1), "stride": (1, 1), "lo": 0.0, "hi": 1.5}),
    ("adaptive_3x4_of_6_rows", (1, 6, 7, 5), {"adaptive": (3, 4)}),
    ("3x3_s2_pad_of_33x17", (1, 33, 17, 3), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)}),
    ("2x2_of_1_channel", (1, 9, 19, 1), {"kernel": (2, 2), "stride": (2, 2), "hi": 1.5}),
    (
        "3x3_s1_pad_valid_only_1_channel",
        (1, 5, 11, 1),
        {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1), "count_include_pad": False},
    ),
    (
        "5x3_s3_pad_ceil_2_channels",
        (1, 10, 9, 2),
        {"kernel": (5, 3), "stride": (1, 3), "padding": (2, 2, 1, 1), "ceil_mode": True},
    ),
    ("1x1_of_1_channel", (1, 1, 1, 1), {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}),
    ("line_of_19_with_2_channels", (1, 1, 19, 2), {"adaptive": (1, 1)}),
    ("column_of_128", (1, 128, 1, 3), {"adaptive": (1, 1)}),
    ("column_of_129", (1, 129, 1, 3), {"adaptive": (1, 1)}),
    ("column_of_300_with_4_channels", (1, 300, 1, 4), {"adaptive": (1, 1)}),
    ("2_lines_of_505", (1, 2, 505, 4), {"kernel": (1, 504), "stride": (1, 1)}),
    ("2x2_of_1400_channels", (1, 2, 2, 1400), {"adaptive": (1, 1)}),
    ("1x2_of_4097_channels", (1, 1, 2, 4097), {"adaptive": (1, 1)}),
    (
        "3x5_s1_pad_of_6_channels",
        (1, 5, 9, 6),
        {"kernel": (3, 5), "stride": (1, 1), "padding": (1, 1, 2, 2)},
    ),
    ("far_columns", (1, 2, 1501, 3), {"kernel": (2, 1), "stride": (1, 1500)}),
    ("2x2_relu6_of_8_channels", (1, 6, 9, 8), {"kernel": (2, 2), "stride": (2, 2), "lo": 0.0, "hi": 1.5}),
    ("2x2_of_6_channels", (1, 7, 9, 6), {"kernel": (2, 2), "stride": (2, 2)}),
    *[
        (
            f"{kh}x{kw}_apart_{c}_on_{h}x{w}{name}",
            (1, h, w, c),
            {"kernel": (kh, kw), "stride": (kh, kw), **bounds},
        )
        for kh, kw, c, h, w, name, bounds in [
            (2, 2, 1, 6, 32, "", {}),
            (3, 2, 1, 7, 13, "_relu6", {"lo": 0.0, "hi": 1.5}),
            (1, 2, 1, 1, 38, "", {}),
            (2, 2, 2, 5, 18, "", {}),
            (4, 2, 2, 9, 7, "_relu6", {"lo": 0.0, "hi": 1.5}),
            (2, 2, 3, 4, 16, "", {}),
            (3, 2, 3, 7, 11, "_relu", {"lo": 0.0}),
            (1, 2, 3, 3, 6, "_below", {"hi": 1.0}),
            (2, 2, 5, 4, 10, "_relu6", {"lo": 0.0, "hi": 1.5}),
            (3, 3, 7, 7, 9, "", {}),
            (2, 2, 13, 4, 6, "", {}),
            (4, 1, 6, 43, 1, "", {}),
            (2, 1, 1, 30, 1, "", {}),
            (4, 4, 4, 9, 8, "", {}),
        ]
    ],
    ("2x2_s1_of_11_channels", (1, 3, 4, 11), {"kernel": (2, 2), "stride": (1, 1)}),
    ("3x2_of_5_channels", (1, 7, 9, 5), {"kernel": (3, 2), "stride": (2, 3)}),
    (
        "3x3_s2_pad_valid_only_7_channels",
        (1, 9, 11, 7),
        {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1), "count_include_pad": False},
    ),
    ("3x2_of_700_channels", (1, 3, 6, 700), {"kernel": (3, 2), "stride": (1, 2)}),
    ("adaptive_2x2_of_8_rows", (1, 8, 8, 4), {"adaptive": (2, 2)}),
    (
        "2x2_by_1300_relu",
        (1, 4, 4, 4),
        {"kernel": (2, 2), "stride": (2, 2), "divisor_override": 1300, "lo": 0.0},
    ),
]
