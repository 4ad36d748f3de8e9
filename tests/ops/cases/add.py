"""Which rows of the matrix prove add?"""

from collections.abc import Iterator

from casework import Case, activation, among_int8, mixtures, of, repeated

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops.add import AddAttrs


def cases() -> Iterator[Case]:
    yield from _narrow()
    every = [*mixtures(_narrow(), ["one_value", "three_relu6", "33x17_between", "seven", "relu6"])]
    yield from (case for case in every if "_to_" in case.label)
    some = {case.label: case for case in _narrow()}
    yield among_int8(some["5x7x3"], "a", "y")
    yield among_int8(some["33x17_between"], "b", "y")
    yield among_int8(some["b_less_a_relu"], "a")
    yield among_int8(some["less_one_value"], "a", "y")


def _narrow() -> Iterator[Case]:
    rows: list[tuple[str, Shape, AddAttrs, tuple[float, int], tuple[float, int]]] = [
        ("one_value", (1, 1), AddAttrs(), (0.03, 5), (0.06, -4)),
        ("three_relu6", (1, 3), AddAttrs(0.0, 6.0), (0.05, -3), (0.06, -100)),
        ("seven", (1, 7), AddAttrs(), (0.08, -11), (0.07, 20)),
        ("33x17_between", (1, 33, 17, 1), AddAttrs(-1.0, 1.0), (0.08, -11), (0.07, 20)),
        ("5x7x3", (1, 5, 7, 3), AddAttrs(), (0.08, -11), (0.07, 20)),
        ("vector_saturates", (1, 33), AddAttrs(), (0.9, 0), (0.01, 5)),
        ("relu", (1, 3, 3, 5), AddAttrs(lo=0.0), (0.05, 64), (0.04, -128)),
        ("relu6", (1, 9), AddAttrs(0.0, 6.0), (0.05, -3), (0.06, -100)),
        ("coarse_result", (1, 21), AddAttrs(), (0.05, -128), (4.0, -60)),
        ("leading_4x3x5x3", (4, 3, 5, 3), AddAttrs(), (0.08, -11), (0.07, 20)),
        ("fine_result", (1, 21), AddAttrs(), (0.05, 3), (0.0005, 127)),
    ]
    for label, shape, attrs, b, y in rows:
        inputs = activation("a", shape), activation("b", shape, *b)
        yield Case(label, Call(attrs, inputs, (activation("y", shape, *y),)))
    for label, shape, small, attrs in [
        ("a_less_b", (1, 5, 7, 3), (1, 5, 7, 3), AddAttrs(b=-1.0)),
        ("b_less_a_relu", (1, 3, 5, 7), (1, 1, 1, 7), AddAttrs(0.0, a=-1.0)),
        ("between", (2, 3, 5), (2, 3, 5), AddAttrs(a=0.75, b=0.25)),
        ("less_one_value", (1, 37), (1, 1), AddAttrs(a=0.5, b=-2.5)),
    ]:
        inputs = activation("a", shape), activation("b", small, 0.07, -20)
        yield Case(label, Call(attrs, inputs, (activation("y", shape, 0.09, 7),)))
        wide_inputs = of(Dtype.INT16, "a", shape, 0.0002), of(Dtype.INT16, "b", small, 0.0003)
        yield Case(f"{label}_int16", Call(attrs, wide_inputs, (of(Dtype.INT16, "y", shape, 0.0003),)))
    for label, shape, small in repeated():
        attrs = AddAttrs(hi=2.0) if shape[-1] % 2 else AddAttrs()
        inputs = activation("a", shape), activation("b", small, 0.07, -20)
        yield Case(f"{label}_repeated", Call(attrs, inputs, (activation("y", shape, 0.09, 7),)))
    wide: list[tuple[str, Shape, Shape, AddAttrs, float, float]] = [
        ("33_saturates", (1, 33), (1, 33), AddAttrs(), 0.2, 0.00012),
        ("5x7x3_relu6", (1, 5, 7, 3), (1, 5, 7, 3), AddAttrs(0.0, 6.0), 0.0003, 0.0002),
        ("rank5", (2, 3, 1, 2, 3), (2, 3, 1, 2, 3), AddAttrs(), 0.0003, 0.0001),
        ("repeated", (1, 3, 5, 2), (1, 1, 1, 2), AddAttrs(), 0.0003, 0.0007),
        ("coarse", (1, 9), (1, 9), AddAttrs(), 0.0003, 1.5),
    ]
    for label, shape, small, attrs, scale, result in wide:
        a, b, y = (
            of(Dtype.INT16, n, s, q)
            for n, s, q in (("a", shape, 0.0002), ("b", small, scale), ("y", shape, result))
        )
        yield Case(f"{label}_int16", Call(attrs, (a, b), (y,)))
