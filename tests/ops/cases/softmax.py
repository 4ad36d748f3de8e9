"""Which rows of the matrix prove softmax?"""

from collections.abc import Iterator
from dataclasses import replace

from casework import Case, activation, widened

from firmnet.ir import Call, Dtype, QParams, Shape, Tensor
from firmnet.ops.softmax import OUTPUT, WIDE_OUTPUT, SoftmaxAttrs


def cases() -> Iterator[Case]:
    for i, case in enumerate(_narrow()):
        yield case
        if i % 3 == 0:
            for x, y in ((Dtype.INT16, Dtype.INT8), (Dtype.INT16, Dtype.INT16), (Dtype.INT8, Dtype.INT16)):
                wide = widened(case, x, y)
                (made,) = wide.call.outputs
                made = replace(made, qparams=WIDE_OUTPUT if y is Dtype.INT16 else OUTPUT)
                yield replace(wide, call=replace(wide.call, outputs=(made,)))


def _narrow() -> Iterator[Case]:
    rows: list[tuple[str, Shape, int, float]] = [
        ("3", (1, 3), 1, 0.05),
        ("5", (1, 5), 1, 0.05),
        ("8", (1, 8), 1, 0.05),
        ("10", (1, 10), 1, 0.02),
        ("11_before_unit_axes", (1, 11, 1, 1), 1, 0.05),
        ("12", (1, 12), 1, 0.05),
        ("channels_5x3x7", (1, 5, 3, 7), 3, 0.05),
        ("rows_5x3x7", (1, 5, 3, 7), 1, 0.01),
        ("5_lanes_of_9_saturate", (1, 5, 9), 2, 0.3),
        ("3_lanes_of_23", (1, 3, 23), 2, 0.03),
        ("24", (1, 24), 1, 0.03),
        ("300", (1, 300), 1, 0.04),
        ("leading_4", (4, 3, 5), 0, 0.05),
        ("channels_behind_leading_4", (4, 3, 2, 9), 3, 0.05),
        ("rows_behind_leading_4", (4, 9, 2, 3), 1, 0.05),
        ("2_saturates", (1, 9, 2), 2, 0.3),
        ("2_alone", (1, 2), 1, 0.03),
        ("2_planes", (3, 2, 5, 3), 1, 0.02),
        ("3_lanes_of_4", (1, 3, 4), 2, 0.05),
        ("4_planes_saturate", (1, 4, 5, 3), 1, 0.4),
        ("6_of_3x7", (3, 6, 7), 1, 0.03),
        ("7_lanes_of_7", (1, 7, 7), 2, 0.02),
        ("7_planes", (2, 7, 3, 3), 1, 0.2),
    ]
    for label, shape, axis, scale in rows:
        x, y = activation("x", shape, scale), Tensor("y", shape, OUTPUT)
        yield Case(label, Call(SoftmaxAttrs(axis), (x,), (y,)))
    finer = [("600_finer", (1, 600), 1, 0.002, 15), ("9_planes_finer_saturate", (1, 9, 2, 3), 1, 0.02, 11)]
    for label, shape, axis, scale, bits in [
        *finer,
        ("2_finer", (1, 2), 1, 0.01, 9),
        ("finest", (5, 40), 1, 0.1, 15),
        ("19_lanes_finer", (1, 7, 19), 2, 0.02, 12),
    ]:
        x, y = activation("x", shape, scale), Tensor("y", shape, QParams((2.0**-bits,), -128))
        yield Case(label, Call(SoftmaxAttrs(axis), (x,), (y,)))
