"""Which rows of the matrix prove linear?"""

from collections.abc import Iterator

from casework import Case, activation, bias, output_scale, weight

from firmnet.ir import Call
from firmnet.ops.linear import LinearAttrs


def cases() -> Iterator[Case]:
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
        ("upscaled_5x8", (1, 5), 8, {}),
        ("near_one_5x8", (1, 5), 8, {}),
    ]
    fine = {
        "upscaled_5x8": 1e-4,
        "near_one_5x8": 0.096,
    }  # needs a shift before requantization, or none after
    for seed, (label, shape, n_out, options) in enumerate(rows):
        x = activation("x", shape, 0.05, 3)
        w = weight("w", (n_out, shape[-1]), seed)
        zero_point = -128 if options.get("lo") == 0.0 and "hi" not in options else -7
        scale = fine.get(label, 1.0) * output_scale(x, w)
        y = activation("y", (*shape[:-1], n_out), scale, zero_point)
        yield Case(label, Call(LinearAttrs(**options), (x, w, bias("b", x, w, seed)), y))
