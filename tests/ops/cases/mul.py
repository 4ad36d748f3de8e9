"""Which rows of the matrix prove mul?"""

from collections.abc import Iterator

from casework import Case, activation, among_int8, mixtures, repeated, widened

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops.mul import MulAttrs

QParameters = tuple[float, int]
"""Scale and zero point."""


def cases() -> Iterator[Case]:
    yield from _narrow()
    labels = [
        "one_value",
        "three_relu6",
        "seven_saturate",
        "gate_of_5_channels",
        "leading_4x3x5x3",
        "shift_0",
    ]
    yield from mixtures(_narrow(), labels)
    gates = {"gate_of_5x3_pixels", "gate_behind_leading_4", "gate_of_7_relu6", "gate_of_one_value"}
    yield from (widened(case, Dtype.INT16, Dtype.INT16) for case in _narrow() if case.label in gates)
    some = {case.label: case for case in _narrow()}
    yield among_int8(some["gate_of_5_channels"], "a", "y")
    yield among_int8(some["gate_of_7_relu6"], "b", "y")
    yield among_int8(some["gate_of_5x3_pixels"], "a")
    yield among_int8(some["leading_4x3x5x3"], "b")


def _narrow() -> Iterator[Case]:
    image, full, relu6 = (1, 33, 17, 5), MulAttrs(), MulAttrs(0.0, 6.0)
    rows: list[tuple[str, Shape, Shape, MulAttrs, QParameters, QParameters]] = [
        ("one_value", (1, 1), (1, 1), full, (0.03, 5), (0.06, -4)),
        ("three_relu6", (1, 3), (1, 3), relu6, (0.05, -3), (0.06, -100)),
        ("seven_saturate", (1, 7), (1, 7), full, (0.08, -11), (0.02, 20)),
        ("5x7x3_relu", (1, 5, 7, 3), (1, 5, 7, 3), MulAttrs(lo=0.0), (0.05, 64), (0.04, -128)),
        ("33x17_between", (1, 33, 17, 1), (1, 33, 17, 1), MulAttrs(-1.0, 1.0), (0.08, -128), (0.07, 20)),
        ("gate_of_5_channels", image, (1, 1, 1, 5), full, (0.005, -128), (0.04, 3)),
        ("gate_of_3_channels", (1, 5, 7, 3), (1, 1, 1, 3), relu6, (0.02, 9), (0.05, 1)),
        ("gate_of_7_relu6", (1, 3, 9, 7), (1, 1, 1, 7), relu6, (0.02, 127), (0.05, -128)),
        ("gate_of_16", (1, 5, 3, 16), (1, 1, 1, 16), full, (0.02, -60), (0.05, 7)),
        ("gate_of_23", (1, 1, 3, 23), (1, 1, 1, 23), full, (0.02, -60), (0.05, 7)),
        ("gate_of_5_planes", (1, 5, 3, 7), (1, 5, 1, 1), full, (0.01, 0), (0.03, 0)),
        ("gate_of_5x3_pixels", (1, 5, 3, 7), (1, 5, 3, 1), full, (0.01, 0), (0.03, 0)),
        ("gate_of_7_columns", (1, 5, 7, 3), (1, 1, 7, 1), full, (0.01, 0), (0.03, 0)),
        ("leading_4x3x5x3", (4, 3, 5, 3), (4, 3, 5, 3), full, (0.05, 64), (0.04, -128)),
        ("gate_of_4_leading", (4, 3, 5, 3), (4, 1, 1, 1), full, (0.01, 0), (0.03, 0)),
        ("gate_behind_leading_4", (4, 3, 5, 3), (1, 3, 1, 3), full, (0.01, 0), (0.03, 0)),
        ("gate_of_one_value", (1, 13), (1, 1), full, (0.01, -128), (0.03, 0)),
        ("shift_0", (1, 21), (1, 21), full, (0.05, -128), (0.006, -60)),
        ("coarse_result", (1, 21), (1, 21), full, (0.05, -128), (0.5, -60)),
        ("fine_result", (1, 21), (1, 21), relu6, (0.05, 3), (0.0005, 100)),
    ]
    for label, a_shape, b_shape, attrs, b, y in rows:
        inputs = activation("a", a_shape), activation("b", b_shape, *b)
        yield Case(label, Call(attrs, inputs, (activation("y", a_shape, *y),)))
    for label, shape, small in repeated():
        attrs = MulAttrs(lo=-2.0) if shape[-1] % 2 else full
        inputs = activation("a", shape), activation("b", small, 0.04, 11 - 30 * (shape[-1] % 3))
        yield Case(f"{label}_repeated", Call(attrs, inputs, (activation("y", shape, 0.07, 7),)))
