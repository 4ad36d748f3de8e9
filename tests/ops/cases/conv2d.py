"""Which rows of the matrix prove conv2d?"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from casework import Case, activation, bias, mixtures, of, output_scale, weight

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops import OPS
from firmnet.ops.conv2d import Conv2dAttrs


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(_narrow(), _WIDE)
    for label, (height, width), kernel, n, options in _TILES:
        x = of(Dtype.INT16, "x", (1, height, width, n), 0.0002)
        w = weight("w", (n, *kernel, 1), n)
        y = of(Dtype.INT16, "y", (1, *Conv2dAttrs(**options).window(kernel).output(height, width), n))
        y = replace(y, qparams=replace(y.q, scale=(0.6 * output_scale(x, w),)))
        yield Case(f"{label}_int16", Call(Conv2dAttrs(groups=n, **options), (x, w, bias("b", x, w, n)), (y,)))
        if label in _TO_INT8:
            y = of(Dtype.INT8, "y", y.shape, 256 * y.scale)
            call = Call(Conv2dAttrs(groups=n, **options), (x, w, bias("b", x, w, n)), (y,))
            yield Case(f"{label}_int16_to_int8", call)
    yield _long()
    yield _long_by_bias()


def _narrow() -> Iterator[Case]:
    for seed, (label, x_shape, w_shape, options) in enumerate(_CASES):
        attrs = Conv2dAttrs(**options)
        x = activation("x", x_shape, 0.05, 11 - 40 * (seed % 3))
        w = weight("w", w_shape, seed)
        if label.startswith("heavy"):  # the last channels' sums leave 24 bits
            last = np.arange(w_shape[0])[:, None, None, None] >= w_shape[0] - 2
            w = replace(w, data=np.where(last, np.where(w.values < 0, -127, 127), w.values).astype(np.int8))
        c = bias("b", x, w, seed)
        zero_point = -128 if attrs.lo == 0.0 and attrs.hi is None else 5
        scale = _FINE.get(label, 1.0) * output_scale(x, w)
        y = activation("y", OPS["conv2d"].shape(attrs, x_shape, w_shape, c.shape), scale, zero_point)
        yield Case(label, Call(attrs, (x, w, c), (y,)))


def _long() -> Case:
    """Sums of int16 that leave 32 bits: 2,304 of the largest weights."""
    x, y = (
        of(Dtype.INT16, name, shape, scale)
        for name, shape, scale in (("x", (1, 3, 4, 256), 0.0002), ("y", (1, 3, 4, 3), 0.0015))
    )
    w = weight("w", (3, 3, 3, 256), 77)
    w = replace(w, data=np.where(w.values < 0, -127, 127).astype(np.int8))
    attrs = Conv2dAttrs(padding=(1, 1, 1, 1), hi=40.0)
    return Case("long_sums_int16", Call(attrs, (x, w, bias("b", x, w, 77)), (y,)))


def _long_by_bias() -> Case:
    """Sums of int16 that leave 32 bits because of their biases: 300 of the largest weights would not."""
    x, y = (
        of(Dtype.INT16, name, shape, scale)
        for name, shape, scale in (("x", (1, 1, 310, 3), 0.0002), ("y", (1, 1, 11, 3), 0.5))
    )
    w = weight("w", (3, 1, 300, 1), 78)
    w = replace(w, data=np.where(w.values < 0, -127, 127).astype(np.int8))
    b = replace(bias("b", x, w, 78), data=np.array([2**30, -(2**30), 2**30 - 1], np.int32))
    return Case("depthwise_long_by_bias_int16", Call(Conv2dAttrs(groups=3), (x, w, b), (y,)))


_CASES: list[tuple[str, Shape, Shape, dict[str, Any]]] = [
    ("1x1", (1, 5, 7, 6), (3, 1, 1, 6), {}),
    ("1x1_s2_pad1", (1, 5, 6, 3), (4, 1, 1, 3), {"stride": (2, 2), "padding": (1, 1, 1, 1)}),
    ("3x3", (1, 7, 9, 3), (5, 3, 3, 3), {}),
    ("3x3_pad_relu", (1, 8, 8, 4), (8, 3, 3, 4), {"padding": (1, 1, 1, 1), "lo": 0.0}),
    (
        "3x3_s2_pad_relu6",
        (1, 9, 7, 5),
        (7, 3, 3, 5),
        {"stride": (2, 2), "padding": (1, 1, 1, 1), "lo": 0.0, "hi": 12.0},
    ),
    ("2x4_s3x1_pad0213", (1, 8, 5, 3), (2, 2, 4, 3), {"stride": (3, 1), "padding": (0, 2, 1, 3)}),
    ("3x2_dilated_pad", (1, 9, 8, 2), (3, 3, 2, 2), {"dilation": (2, 3), "padding": (2, 2, 3, 3)}),
    ("5x5_groups2", (1, 7, 6, 6), (4, 5, 5, 3), {"groups": 2, "padding": (2, 2, 2, 2)}),
    (
        "depthwise_3x3_s2_pad",
        (1, 9, 9, 7),
        (7, 3, 3, 1),
        {"groups": 7, "stride": (2, 2), "padding": (1, 1, 1, 1)},
    ),
    ("depthwise_x2", (1, 5, 6, 3), (6, 3, 3, 1), {"groups": 3, "lo": 0.0}),
    ("whole_image", (1, 4, 5, 9), (6, 4, 5, 9), {}),
    ("pad_larger_than_image", (1, 1, 2, 1), (2, 3, 3, 1), {"padding": (2, 2, 2, 2)}),
    *[
        (f"1x1_{k}_to_{n}_on_{h}x{w}", (1, h, w, k), (n, 1, 1, k), {})
        for h, w, k, n in [
            (1, 1, 1, 1),
            (1, 1, 3, 2),
            (1, 2, 5, 7),
            (1, 3, 7, 5),
            (33, 17, 3, 1),
            (2, 7, 16, 3),
            (3, 3, 18, 40),
            (1, 5, 33, 4),
            (1, 5, 70, 8),
            (1, 2, 72, 12),
            (2, 3, 70, 5),
            (3, 2, 1100, 3),
            (1, 2, 1100, 8),
            (1, 4, 6, 1400),
        ]
    ],
    *[
        (f"heavy_{k}x{k}_{c}_to_{n}_on_{h}x{w}_groups{g}", (1, h, w, c), (n, k, k, c // g), {"groups": g})
        for k, h, w, c, n, g in [
            (1, 3, 3, 600, 5, 1),
            (1, 1, 6, 1201, 4, 1),
            (3, 6, 7, 64, 5, 1),
            (3, 4, 5, 116, 6, 2),
        ]
    ],
    ("1x1_s3x2", (1, 11, 17, 8), (5, 1, 1, 8), {"stride": (3, 2)}),
    ("1x1_upscaled", (1, 3, 3, 4), (3, 1, 1, 4), {}),
    ("1x1_near_one", (1, 3, 3, 4), (3, 1, 1, 4), {}),
    *[
        (f"3x3_{c}_to_{n}_on_{h}x{w}", (1, h, w, c), (n, 3, 3, c), {"padding": (1, 1, 1, 1)})
        for h, w, c, n in [
            (1, 1, 1, 1),
            (33, 17, 1, 3),
            (17, 33, 3, 2),
            (5, 9, 5, 7),
            (4, 6, 7, 4),
            (6, 5, 8, 3),
            (3, 2, 8, 8),
            (2, 3, 24, 2),
            (1, 3, 260, 2),
        ]
    ],
    ("3x3_s2_3_to_8", (1, 13, 12, 3), (8, 3, 3, 3), {"stride": (2, 2), "padding": (0, 1, 0, 1), "lo": 0.0}),
    ("10x4_s2_1_to_6", (1, 21, 10, 1), (6, 10, 4, 1), {"stride": (2, 2), "padding": (4, 5, 1, 1)}),
    ("5x1_on_40x1", (1, 40, 1, 3), (4, 5, 1, 3), {"padding": (2, 2, 0, 0)}),
    ("1x5_on_1x40", (1, 1, 40, 3), (4, 1, 5, 3), {"padding": (0, 0, 2, 2), "stride": (1, 3)}),
    ("2x2_s3", (1, 11, 10, 4), (3, 2, 2, 4), {"stride": (3, 3)}),
    ("3x3_dilated_groups3", (1, 9, 7, 9), (6, 3, 3, 3), {"dilation": (2, 1), "groups": 3}),
    *[
        (
            f"depthwise_{kh}x{kw}_s{sh}x{sw}_{c}_on_{h}x{w}",
            (1, h, w, c),
            (c, kh, kw, 1),
            {"groups": c, "stride": (sh, sw), "padding": (kh // 2, kh // 2, kw // 2, kw // 2)},
        )
        for kh, kw, sh, sw, h, w, c in [
            (3, 3, 1, 1, 1, 1, 2),
            (3, 3, 1, 1, 33, 17, 3),
            (3, 3, 1, 1, 5, 9, 5),
            (3, 3, 1, 1, 6, 6, 8),
            (3, 3, 1, 1, 4, 42, 8),
            (3, 3, 1, 1, 25, 5, 64),
            (3, 3, 1, 1, 3, 50, 7),
            (3, 3, 1, 1, 2, 3, 600),
            (3, 3, 2, 2, 17, 33, 6),
            (3, 3, 3, 1, 11, 8, 4),
            (5, 5, 1, 1, 9, 11, 5),
            (5, 5, 2, 2, 12, 7, 4),
            (7, 7, 1, 1, 8, 8, 4),
            (9, 9, 1, 2, 10, 9, 3),
            (1, 7, 1, 1, 1, 40, 3),
            (1, 9, 1, 3, 2, 30, 5),
            (5, 1, 1, 1, 40, 1, 4),
            (2, 4, 1, 1, 7, 5, 6),
        ]
    ],
    (
        "depthwise_s2_pad0101",
        (1, 12, 12, 8),
        (8, 3, 3, 1),
        {"groups": 8, "stride": (2, 2), "padding": (0, 1, 0, 1)},
    ),
    (
        "depthwise_dilated_relu6",
        (1, 9, 10, 5),
        (5, 3, 3, 1),
        {"groups": 5, "dilation": (2, 3), "lo": 0.0, "hi": 9.0},
    ),
    (
        "depthwise_x2_in_strips",
        (1, 16, 9, 64),
        (128, 3, 3, 1),
        {"groups": 64, "padding": (1, 1, 1, 1), "lo": 0.0},
    ),
    ("depthwise_x3_pad", (1, 6, 7, 4), (12, 3, 3, 1), {"groups": 4, "padding": (1, 1, 1, 1)}),
    *[
        (f"channelwise_{c}_on_{h}x{w}{name}", (1, h, w, c), (c, 1, 1, 1), {"groups": c, **bounds})
        for c, h, w, name, bounds in [
            (1, 1, 3, "", {}),
            (1, 9, 13, "_clamped", {"lo": -1.0, "hi": 1.0}),
            (3, 7, 5, "", {}),
            (5, 1, 3, "", {}),
            (6, 12, 9, "_relu", {"lo": 0.0}),
            (8, 1, 1, "", {}),
            (16, 7, 5, "", {}),
            (28, 3, 7, "", {"hi": 2.0}),
            (1030, 2, 2, "", {}),
        ]
    ],
    ("depthwise_of_1400", (1, 2, 2, 1400), (1400, 2, 2, 1), {"groups": 1400}),
    *[
        (
            f"depthwise_{label}",
            (1, h, w, c),
            (c * times, kh, kw, 1),
            {"groups": c, "stride": (sh, sw), "dilation": (dh, dw), "padding": padding},
        )
        for label, times, c, h, w, kh, kw, sh, sw, dh, dw, padding in [
            ("7x7_s2", 1, 5, 9, 11, 7, 7, 2, 2, 1, 1, (3, 3, 3, 3)),
            ("9x9_on_5x5", 1, 6, 5, 5, 9, 9, 1, 1, 1, 1, (4, 4, 4, 4)),
            ("11x11_s3x1_x2", 2, 2, 10, 13, 11, 11, 3, 1, 1, 1, (5, 4, 3, 6)),
            ("1x29_dilated", 1, 4, 1, 33, 1, 29, 1, 1, 1, 2, (0, 0, 28, 28)),
            ("1x64_causal", 1, 3, 1, 41, 1, 64, 1, 1, 1, 1, (0, 0, 63, 0)),
            ("5x39_s1x3", 1, 2, 4, 30, 5, 39, 1, 3, 1, 1, (2, 2, 19, 19)),
            ("1x3_dilated_causal", 1, 5, 1, 37, 1, 3, 1, 1, 1, 16, (0, 0, 32, 0)),
            ("1x5_s6_dilated_4", 1, 7, 1, 70, 1, 5, 1, 6, 1, 4, (0, 0, 8, 8)),
            ("3x1_dilated_64", 1, 4, 70, 1, 3, 1, 1, 1, 64, 1, (64, 64, 0, 0)),
            ("3x3_dilated_pad", 1, 6, 11, 13, 3, 3, 1, 1, 2, 2, (2, 2, 2, 2)),
            ("5x5_dilated_s2_x3", 3, 2, 12, 13, 5, 5, 2, 2, 2, 3, (4, 4, 6, 6)),
            ("9x1_of_columns", 1, 5, 21, 3, 9, 1, 1, 1, 1, 1, (4, 4, 0, 0)),
            ("3x1_of_columns_s2", 1, 9, 23, 4, 3, 1, 2, 2, 1, 1, (1, 1, 0, 0)),
            ("3x9_steps_over_the_image", 1, 4, 3, 8, 3, 9, 1, 1, 5, 1, (5, 5, 4, 4)),
            ("3x3_of_1400", 1, 1400, 2, 5, 3, 3, 1, 1, 1, 1, (1, 1, 1, 1)),
            ("3x3_of_10_x2_on_2x2", 2, 10, 2, 2, 3, 3, 1, 1, 1, 1, (1, 1, 1, 1)),
            ("3x4_s4x5_dilated_2", 1, 11, 12, 13, 3, 4, 4, 5, 2, 1, (0, 0, 0, 0)),
            ("25x13_s3x2_x3_on_1x8", 3, 4, 1, 8, 25, 13, 3, 2, 1, 1, (20, 23, 7, 10)),
            ("3x3_of_6_s2_dilated_3", 1, 6, 9, 12, 3, 3, 2, 2, 1, 3, (1, 1, 3, 3)),
            ("2x2_s2_of_9_x2", 2, 9, 6, 8, 2, 2, 2, 2, 1, 1, (0, 0, 0, 0)),
            ("1x7_of_5_on_3x7", 1, 5, 3, 7, 1, 7, 1, 1, 1, 1, (0, 0, 3, 3)),
            ("3x2_of_1403_on_4x5", 1, 1403, 4, 5, 3, 2, 1, 1, 1, 1, (1, 1, 1, 0)),
            ("3x3_of_7_x2_on_3x3", 2, 7, 3, 3, 3, 3, 1, 1, 1, 1, (0, 0, 0, 0)),
            ("7x7_of_10_on_7x7", 1, 10, 7, 7, 7, 7, 1, 1, 1, 1, (0, 0, 0, 0)),
            ("5x6_of_1406_on_5x6", 1, 1406, 5, 6, 5, 6, 1, 1, 1, 1, (0, 0, 0, 0)),
            ("5x5_of_1400", 1, 1400, 2, 2, 5, 5, 1, 1, 1, 1, (2, 2, 2, 2)),
            ("row_3x3_of_8_on_3x5", 1, 8, 3, 5, 3, 3, 1, 1, 1, 1, (0, 0, 1, 1)),
            ("row_2x3_s2_of_6_x2_on_2x7", 2, 6, 2, 7, 2, 3, 1, 2, 1, 1, (0, 0, 1, 1)),
            ("row_4x3_dilated_2_of_5_on_3x5", 1, 5, 3, 5, 4, 3, 1, 1, 1, 2, (1, 0, 2, 2)),
            ("row_3x4_s2_of_1400_on_5x7", 1, 1400, 5, 7, 3, 4, 1, 2, 2, 1, (0, 0, 1, 1)),
            ("row_3x1_of_9_on_3x5", 1, 9, 3, 5, 3, 1, 1, 1, 1, 1, (0, 0, 0, 0)),
        ]
    ],
    *[
        (f"1x1_groups{g}_{k * g}_to_{n * g}_on_{h}x{w}", (1, h, w, k * g), (n * g, 1, 1, k), {"groups": g})
        for h, w, k, g, n in [
            (1, 1, 4, 2, 3),
            (3, 5, 4, 3, 2),
            (2, 7, 2, 5, 2),
            (3, 3, 8, 2, 1),
            (2, 3, 12, 2, 5),
            (1, 9, 3, 2, 4),
        ]
    ],
    *[
        (f"1x1_{k}_to_{n}_on_5x5", (1, 5, 5, k), (n, 1, 1, k), {})
        for k, n in [(1, 5), (2, 3), (3, 8), (4, 2)]
    ],
    *[
        (
            f"1x1_of_one_to_{n}_on_{h}x{w}_s{sh}x{sw}",
            (1, h, w, 1),
            (n, 1, 1, 1),
            {"stride": (sh, sw), **bounds},
        )
        for n, h, w, sh, sw, bounds in [
            (8, 7, 5, 1, 1, {"lo": 0.0, "hi": 9.0}),
            (16, 1, 1, 1, 1, {}),
            (3, 9, 8, 2, 3, {"lo": 0.0}),
            (13, 1, 11, 1, 4, {}),
            (6, 40, 1, 3, 1, {}),
            (17, 2, 3, 1, 1, {}),
        ]
    ],
    ("1x1_groups2_s2", (1, 7, 6, 8), (6, 1, 1, 4), {"groups": 2, "stride": (2, 2)}),
    ("3x3_groups8_of_2", (1, 6, 7, 16), (16, 3, 3, 2), {"groups": 8, "padding": (1, 1, 1, 1)}),
    ("3x3_groups2_of_5_to_1", (1, 5, 5, 10), (2, 3, 3, 5), {"groups": 2, "padding": (1, 1, 1, 1)}),
    ("3x3_groups2_of_20_s2", (1, 7, 8, 40), (6, 3, 3, 20), {"groups": 2, "stride": (2, 2), "lo": 0.0}),
    ("3x3_groups2_d2_s3", (1, 11, 13, 4), (6, 3, 3, 2), {"groups": 2, "dilation": (2, 2), "stride": (3, 3)}),
    *[
        (
            f"{kh}x{kw}_d{dh}x{dw}_s{sh}x{sw}_{c}_to_{n}_on_{h}x{w}",
            (1, h, w, c),
            (n, kh, kw, c),
            {"dilation": (dh, dw), "stride": (sh, sw), "padding": (ph, ph, pw, pw)},
        )
        for h, w, c, n, kh, kw, dh, dw, sh, sw, ph, pw in [
            (1, 23, 5, 3, 1, 3, 1, 4, 1, 1, 0, 4),
            (1, 24, 3, 4, 1, 3, 1, 4, 1, 1, 0, 4),
            (1, 24, 1, 3, 1, 3, 1, 8, 1, 1, 0, 16),
            (1, 50, 2, 3, 1, 3, 1, 64, 1, 1, 0, 64),
            (40, 1, 3, 4, 3, 1, 64, 1, 1, 1, 64, 0),
            (9, 7, 4, 5, 3, 3, 2, 3, 1, 1, 2, 3),
            (13, 14, 3, 4, 3, 2, 3, 4, 2, 2, 1, 3),
            (8, 9, 2, 2, 2, 2, 6, 5, 3, 4, 4, 2),
            (11, 5, 6, 4, 3, 1, 5, 1, 1, 1, 5, 0),
            (1, 1, 4, 3, 3, 3, 2, 2, 1, 1, 2, 2),
            (2, 7, 4, 700, 2, 2, 1, 3, 1, 1, 0, 0),
            (2, 9, 4, 1400, 1, 3, 1, 2, 1, 1, 0, 2),
            (13, 14, 18, 6, 3, 3, 6, 6, 1, 1, 6, 6),
            (9, 10, 4, 4, 3, 3, 12, 12, 1, 1, 12, 12),
            (9, 15, 14, 3, 3, 3, 1, 5, 1, 1, 0, 0),
            (1, 400, 3, 5, 1, 3, 1, 150, 1, 1, 0, 150),
        ]
    ],
    ("1x11_s5_of_one", (1, 1, 93, 1), (9, 1, 11, 1), {"stride": (1, 5), "padding": (0, 0, 5, 4)}),
    ("7x1_of_one", (1, 38, 1, 1), (8, 7, 1, 1), {"padding": (3, 3, 0, 0), "lo": 0.0}),
    ("1x9_s2_in_pieces", (1, 1, 1301, 2), (3, 1, 9, 2), {"stride": (1, 2), "padding": (0, 0, 3, 5)}),
    ("1x5_groups2_in_pieces", (1, 1, 1000, 6), (4, 1, 5, 3), {"groups": 2, "padding": (0, 0, 2, 2)}),
    ("3x3_in_pieces", (1, 5, 201, 8), (2, 3, 3, 8), {"padding": (1, 1, 1, 1)}),
    ("3x3_d2_in_pieces", (1, 6, 431, 4), (2, 3, 3, 4), {"padding": (1, 2, 2, 1), "dilation": (2, 2)}),
    *[
        (
            f"depthwise_in_bands_{label}",
            (1, h, w, c),
            (c * times, kh, kw, 1),
            {"groups": c, "stride": stride, "dilation": dilation, "padding": padding, **bounds},
        )
        for label, times, c, h, w, kh, kw, stride, dilation, padding, bounds in [
            ("folded_16", 1, 5, 1, 64, 1, 3, (1, 1), (1, 16), (0, 0, 16, 16), {}),
            ("folded_12_causal", 1, 6, 1, 48, 1, 5, (1, 1), (1, 12), (0, 0, 48, 0), {"lo": 0.0}),
            ("s2_dilated_16_x2", 2, 4, 1, 64, 1, 3, (1, 2), (1, 16), (0, 0, 16, 16), {}),
            ("dilated_4_and_a_rest", 1, 7, 1, 84, 1, 5, (1, 1), (1, 4), (0, 0, 9, 8), {}),
            ("dilated_2", 1, 36, 16, 16, 3, 3, (1, 1), (2, 2), (2, 2, 2, 2), {"lo": 0.0, "hi": 9.0}),
        ]
    ],
]


_FINE = {
    "1x1_upscaled": 1e-4,
    "1x1_near_one": 0.048,
    "depthwise_9x9_on_5x5": 0.002,
    "depthwise_row_3x1_of_9_on_3x5": 0.001,
}
"""Case → its output scale is so much finer than usual: requantization needs a shift before, or none after."""

_TILES: list[tuple[str, tuple[int, int], tuple[int, int], int, dict[str, Any]]] = [
    ("depthwise_5x5_of_7_on_7x8", (7, 8), (5, 5), 7, {"padding": (2, 2, 2, 2)}),
    ("depthwise_3x4_of_30_on_5x37", (5, 37), (3, 4), 30, {"stride": (1, 2), "padding": (1, 0, 1, 2)}),
    ("depthwise_2x2_dilated_of_4", (5, 6), (2, 2), 4, {"dilation": (2, 3), "lo": 0.0, "hi": 0.5}),
    ("depthwise_3x3_of_6_on_7x9", (7, 9), (3, 3), 6, {"padding": (1, 1, 1, 1), "lo": -0.2, "hi": 0.4}),
    ("depthwise_5x5_of_2_on_11x16", (11, 16), (5, 5), 2, {"stride": (2, 1), "padding": (2, 2, 2, 2)}),
    ("depthwise_1x3_of_4_on_2x20", (2, 20), (1, 3), 4, {"stride": (1, 2), "lo": 0.0}),
]
"""Depthwise layers of int16 whose pixels are made two by two or four by four, with rows that instructions
reach or do not."""

_TO_INT8 = ("depthwise_3x3_of_6_on_7x9",)

_WIDE = [
    "1x1",
    "1x1_s2_pad1",
    "3x3",
    "3x3_s2_pad_relu6",
    "3x2_dilated_pad",
    "5x5_groups2",
    "depthwise_3x3_s2_pad",
    "depthwise_x2",
    "1x1_33_to_4_on_1x5",
    "1x1_6_to_1400_on_1x4",
    "3x3_7_to_4_on_4x6",
    "5x1_on_40x1",
    "depthwise_3x3_s1x1_5_on_5x9",
    "depthwise_7x7_s1x1_4_on_8x8",
    "depthwise_dilated_relu6",
    "1x1_groups3_12_to_6_on_3x5",
    "3x3_groups8_of_2",
    "channelwise_3_on_7x5",
    "1x1_3_to_2_on_1x1",
]
"""Labels of the cases that are there of int16 too."""
