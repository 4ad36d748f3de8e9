"""Which rows of the matrix prove conv_transpose2d?"""

from collections.abc import Iterator
from typing import Any

from casework import Case, activation, bias, mixtures, output_scale, weight, widened

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops import OPS
from firmnet.ops.conv_transpose2d import ConvTranspose2dAttrs


def cases() -> Iterator[Case]:
    yield from _narrow(_CASES)
    yield from mixtures(_narrow(_CASES), ["3x3_s2_crop_relu", "depthwise_4x4_s2", "3x3_s2_more_around"])
    yield from (widened(case, Dtype.INT16, Dtype.INT16) for case in _narrow(_WIDE))


def _narrow(rows: list[tuple[str, Shape, Shape, dict[str, Any]]]) -> Iterator[Case]:
    for seed, (label, x_shape, w_shape, options) in enumerate(rows):
        attrs = ConvTranspose2dAttrs(**options)
        x = activation("x", x_shape, 0.05, 11 - 40 * (seed % 3))
        w = weight("w", w_shape, seed)
        c = bias("b", x, w, seed)
        zero_point = -128 if attrs.lo == 0.0 and attrs.hi is None else 5
        y = activation(
            "y",
            OPS["conv_transpose2d"].shape(attrs, x_shape, w_shape, c.shape),
            0.6 * output_scale(x, w),
            zero_point,
        )
        yield Case(label, Call(attrs, (x, w, c), (y,)))


_CASES: list[tuple[str, Shape, Shape, dict[str, Any]]] = [
    ("2x2_s2", (1, 5, 7, 6), (3, 2, 2, 6), {"stride": (2, 2)}),
    ("3x3_s2_crop_relu", (1, 6, 5, 8), (8, 3, 3, 8), {"stride": (2, 2), "crop": (1, 0, 1, 0), "lo": 0.0}),
    (
        "4x4_s2_crop_relu6",
        (1, 5, 6, 3),
        (5, 4, 4, 3),
        {"stride": (2, 2), "crop": (1, 1, 1, 1), "lo": 0.0, "hi": 6.0},
    ),
    ("3x3_s2", (1, 4, 3, 5), (4, 3, 3, 5), {"stride": (2, 2)}),
    ("3x3_s1", (1, 5, 4, 4), (3, 3, 3, 4), {"crop": (1, 1, 1, 1)}),
    ("5x3_s3x2", (1, 4, 7, 3), (6, 5, 3, 3), {"stride": (3, 2), "crop": (2, 1, 0, 1)}),
    ("1x1_s2", (1, 3, 5, 4), (3, 1, 1, 4), {"stride": (2, 2)}),
    ("2x2_s3_gaps", (1, 3, 4, 7), (2, 2, 2, 7), {"stride": (3, 3), "crop": (0, -1, 0, -2)}),
    ("3x3_s2_more_around", (1, 3, 4, 5), (3, 3, 3, 5), {"stride": (2, 2), "crop": (-3, -2, -1, -4)}),
    (
        "3x3_s2_dilated",
        (1, 4, 5, 3),
        (4, 3, 3, 3),
        {"stride": (2, 2), "dilation": (2, 3), "crop": (1, 2, 0, 1)},
    ),
    ("2x3_s1_dilated", (1, 4, 5, 2), (3, 2, 3, 2), {"dilation": (3, 2), "crop": (1, 0, 2, 2)}),
    ("3x3_s2_groups2", (1, 4, 5, 6), (8, 3, 3, 3), {"stride": (2, 2), "groups": 2, "crop": (1, 0, 1, 0)}),
    ("2x2_s2_groups2_of_4", (1, 3, 5, 8), (6, 2, 2, 4), {"stride": (2, 2), "groups": 2}),
    ("depthwise_4x4_s2", (1, 5, 4, 7), (7, 4, 4, 1), {"stride": (2, 2), "groups": 7, "crop": (1, 1, 1, 1)}),
    ("1x4_s2_line", (1, 1, 21, 5), (9, 1, 4, 5), {"stride": (1, 2), "crop": (0, 0, 1, 1)}),
    ("5x1_s5_standing", (1, 17, 1, 3), (4, 5, 1, 3), {"stride": (5, 1), "lo": 0.0}),
    ("8x8_s4_to_1", (1, 3, 3, 9), (1, 8, 8, 9), {"stride": (4, 4), "crop": (2, 2, 2, 2)}),
    ("one_pixel_4x4", (1, 1, 1, 33), (6, 4, 4, 33), {"stride": (1, 1)}),
    ("one_value", (1, 1, 1, 1), (1, 2, 2, 1), {"stride": (2, 2)}),
    ("cropped_to_one", (1, 3, 3, 2), (2, 3, 3, 2), {"stride": (4, 4), "crop": (5, 5, 5, 5)}),
    ("1x8_s4_in_pieces", (1, 1, 700, 4), (3, 1, 8, 4), {"stride": (1, 4), "crop": (0, 0, 2, 2)}),
    (
        "depthwise_3x3_s2_x2",
        (1, 4, 5, 6),
        (12, 3, 3, 1),
        {"stride": (2, 2), "groups": 6, "crop": (1, 0, 1, 0)},
    ),
    ("depthwise_5x2_s2x3", (1, 7, 6, 4), (4, 5, 2, 1), {"stride": (2, 3), "groups": 4, "crop": (3, 1, 1, 2)}),
    ("depthwise_1x3_s3x4", (1, 3, 8, 4), (8, 1, 3, 1), {"stride": (3, 4), "groups": 4, "crop": (0, 1, 1, 0)}),
    ("depthwise_1x8_s4", (1, 1, 37, 9), (9, 1, 8, 1), {"stride": (1, 4), "groups": 9, "crop": (0, 0, 2, 2)}),
    ("depthwise_2x2_s2", (1, 9, 8, 33), (33, 2, 2, 1), {"stride": (2, 2), "groups": 33, "lo": 0.0}),
    ("3x3_s2_24_to_40", (1, 3, 4, 24), (40, 3, 3, 24), {"stride": (2, 2), "crop": (1, 0, 1, 0)}),
]

_WIDE: list[tuple[str, Shape, Shape, dict[str, Any]]] = [
    ("one_pixel_4x4_of_130", (1, 1, 1, 130), (2, 4, 4, 130), {}),
    ("2x2_s2_more_around", (1, 3, 5, 6), (3, 2, 2, 6), {"stride": (2, 2), "crop": (-3, -2, -1, -4)}),
    ("depthwise_3x3_s2_8", (1, 5, 6, 8), (8, 3, 3, 1), {"stride": (2, 2), "groups": 8, "crop": (1, 0, 1, 0)}),
    (
        "depthwise_2x2_s3_gaps",
        (1, 3, 9, 6),
        (6, 2, 2, 1),
        {"stride": (3, 3), "groups": 6, "crop": (0, -1, -4, 1)},
    ),
    (
        "depthwise_5x4_s2x3_dilated",
        (1, 6, 11, 3),
        (3, 5, 4, 1),
        {"stride": (2, 3), "groups": 3, "dilation": (3, 2), "crop": (3, 2, 1, 2), "lo": 0.0},
    ),
]
"""Of int16 alone: sums that leave 32 bits, and a filter per channel, whose phases differ."""
