"""Which rows of the matrix prove linear?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from casework import Case, activation, bias, mixtures, of, output_scale, weight

from firmnet.ir import Call, Dtype, Tensor
from firmnet.ops.linear import LinearAttrs


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(_narrow(), _WIDE)
    for shape, n_out in (((1, 1101), 3), ((1, 3, 700), 4)):
        x = of(Dtype.INT16, "x", shape, 0.0002)
        w = _heavy(weight("w", (n_out, shape[-1]), n_out), range(n_out))  # sums that leave 32 bits
        y = of(Dtype.INT16, "y", (*shape[:-1], n_out), output_scale(x, w))
        yield Case(f"long_{shape[-1]}_int16", Call(LinearAttrs(), (x, w, bias("b", x, w, 3)), (y,)))


def _narrow() -> Iterator[Case]:
    rows = [
        ("1x1", (1, 1), 1, {}),
        ("13x5", (1, 13), 5, {}),
        ("64x10_relu", (1, 64), 10, {"lo": 0.0}),
        ("7x3_relu6", (1, 7), 3, {"lo": 0.0, "hi": 5.0}),
        ("rank4_6x9", (1, 3, 5, 6), 9, {}),
        ("leading_4x8x8x4", (4, 8, 8, 4), 16, {"lo": 0.0}),
        ("leading_2x3x5", (2, 3, 5), 8, {}),
        ("leading_3x1", (3, 1), 8, {}),
        ("3x8", (1, 3), 8, {}),
        ("11x8", (1, 11), 8, {}),
        ("17x16_relu6", (1, 17), 16, {"lo": 0.0, "hi": 5.0}),
        ("40x21", (1, 40), 21, {}),
        ("1100x9", (1, 1100), 9, {}),
        ("5_rows_33x7", (1, 5, 33), 7, {}),
        ("4x1", (1, 4), 1, {}),
        ("261x1", (1, 261), 1, {"lo": 0.0}),
        ("66x2", (1, 66), 2, {}),
        ("67x3_relu6", (1, 67), 3, {"lo": 0.0, "hi": 5.0}),
        ("11_rows_5x4", (1, 11, 5), 4, {}),
        ("3_rows_130x5", (1, 3, 130), 5, {}),
        ("303x6", (1, 303), 6, {}),
        ("2_rows_160x7", (2, 160), 7, {}),
        ("upscaled_8x4", (1, 8), 4, {}),
        ("near_one_9x5", (1, 9), 5, {}),
        ("near_one_3_rows_20x9", (1, 3, 20), 9, {}),
        ("coarse_3_rows_600x9", (1, 3, 600), 9, {}),
        ("heavy_1100x1", (1, 1100), 1, {}),
        ("heavy_1101x3", (1, 1101), 3, {}),
        ("heavy_2_rows_1100x7", (1, 2, 1100), 7, {}),
        ("heavy_1100x19", (1, 1100), 19, {}),
        ("heavy_3_rows_1101x9", (1, 3, 1101), 9, {}),
        ("upscaled_5x8", (1, 5), 8, {}),
        ("near_one_5x8", (1, 5), 8, {}),
    ]
    fine = {
        "upscaled_5x8": 1e-4,
        "near_one_5x8": 0.096,
        "upscaled_8x4": 1e-4,
        "near_one_9x5": 0.03,
        "near_one_3_rows_20x9": 0.03,
        "coarse_3_rows_600x9": 100,
    }  # needs a shift before requantization, or none after, or a large one
    for seed, (label, shape, n_out, options) in enumerate(rows):
        x = activation("x", shape, 0.05, 3)
        w = weight("w", (n_out, shape[-1]), seed)
        if label.startswith("heavy"):
            w = _heavy(w, [n_out // 2, 3 * n_out // 4])
        zero_point = -128 if options.get("lo") == 0.0 and "hi" not in options else -7
        scale = fine.get(label, 1.0) * output_scale(x, w)
        y = activation("y", (*shape[:-1], n_out), scale, zero_point)
        yield Case(label, Call(LinearAttrs(**options), (x, w, bias("b", x, w, seed)), (y,)))


def _heavy(w: Tensor, channels: Sequence[int]) -> Tensor:
    """As large as weights can be, in these channels: sums of many inputs then take more than 24 bits."""
    values = w.values.copy()
    values[[*channels]] = np.where(values[[*channels]] < 0, -127, 127)
    return replace(w, data=values)


_WIDE = [
    "1x1",
    "13x5",
    "64x10_relu",
    "7x3_relu6",
    "rank4_6x9",
    "leading_2x3x5",
    "66x2",
    "3_rows_130x5",
    "1100x9",
]
"""Labels of the cases that are there of int16 too."""
