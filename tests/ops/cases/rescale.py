"""Which rows of the matrix prove rescale?"""

from collections.abc import Iterator

from casework import Case, activation, of

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops.rescale import RescaleAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, float, int]] = [
        ("coarser_5x7", (1, 5, 7), 0.13, -20),
        ("finer_saturates", (1, 3, 3, 3), 0.011, 9),
        ("seven", (1, 7), 0.06, -20),
        ("leading_2x3x5", (2, 3, 5), 0.06, -20),
        ("shifted", (1, 13), 0.05, -100),
    ]
    for label, shape, scale, zero_point in rows:
        x, y = activation("x", shape), activation("y", shape, scale, zero_point)
        yield Case(label, Call(RescaleAttrs(), (x,), (y,)))
    wide: list[tuple[Dtype, Dtype, float, float]] = [
        (Dtype.INT8, Dtype.INT16, 0.05, 0.0002),
        (Dtype.INT16, Dtype.INT8, 0.0002, 0.05),
        (Dtype.INT16, Dtype.INT8, 0.0002, 0.0107),
        (Dtype.INT16, Dtype.INT16, 0.0002, 0.00015),
        (Dtype.UINT8, Dtype.INT8, 0.05, 0.05),
        (Dtype.INT8, Dtype.UINT8, 0.05, 0.013),
        (Dtype.INT16, Dtype.INT32, 0.0002, 1e-6),
        (Dtype.INT32, Dtype.INT16, 1e-8, 0.0002),
        (Dtype.INT32, Dtype.INT8, 1e-8, 0.07),
        (Dtype.INT32, Dtype.INT8, 1.0, 0.0118),
        (Dtype.INT32, Dtype.INT16, 1.0, 0.0001),
    ]
    for i, (before, after, fine, coarse) in enumerate(wide):
        for shape in ((1, 5, 7), (2, 3, 1, 2, 3)):
            tensors = of(before, "x", shape, fine), of(after, "y", shape, coarse)
            label = f"{before}_to_{after}_{i}_rank{len(shape)}"
            yield Case(label, Call(RescaleAttrs(), tensors[:1], tensors[1:]))
