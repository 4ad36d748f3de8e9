"""Which rows of the matrix prove compare?"""

from collections.abc import Iterator
from typing import get_args, get_type_hints

from casework import Case, activation, widened

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops.compare import CompareAttrs

LEAST = -6.4
"""Of int16 at the scale of these rows, as many steps as the least of int8."""


def cases() -> Iterator[Case]:
    """Few values of int16 are equal to any constant, but to the least one in every row."""
    for case in _narrow():
        yield case
        if case.call.attrs.constant == LEAST or case.call.attrs.relation not in ("eq", "ne"):
            yield widened(case, Dtype.INT16, Dtype.INT8)
    x, y = activation("x", (5,), 0.0001, 0, Dtype.INT16), activation("y", (5,), 1.0, 0)
    yield Case("gt_rounded_int16", Call(CompareAttrs("gt", 2.0000001), (x,), (y,)))


def _narrow() -> Iterator[Case]:
    shapes: list[Shape] = [(1, 7), (1, 5, 3, 7), (3, 2, 5)]
    for i, relation in enumerate(get_args(get_type_hints(CompareAttrs)["relation"])):
        for constant in (0.0, -1.25, 0.15) if relation not in ("eq", "ne") else (0.0, -1.25, 0.15, LEAST):
            label = f"{'leading_' * (i % 3 == 2)}{relation}_{constant}".replace("-", "minus_").replace(
                ".", "_"
            )
            x, y = activation("x", shapes[i % 3]), activation("y", shapes[i % 3], 1.0, 0)
            yield Case(label, Call(CompareAttrs(relation, constant), (x,), (y,)))
