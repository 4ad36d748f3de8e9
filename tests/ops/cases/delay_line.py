"""Which rows of the matrix prove delay_line?"""

from collections.abc import Iterator

from casework import Case, of

from firmnet.ir import Call, Dtype, QParams, Shape, Tensor
from firmnet.ops.delay_line import DelayLineAttrs


def cases() -> Iterator[Case]:
    rows: list[tuple[str, Shape, int, DelayLineAttrs]] = [
        ("3_of_9_rows_of_64", (1, 1, 1, 64), 9, DelayLineAttrs(1, 0, 4, 3)),
        ("2_of_7_columns_of_5", (1, 3, 2, 5), 7, DelayLineAttrs(2, 1, 3, 2)),
        ("newest_and_older_of_4x3", (1, 1, 4, 3), 6, DelayLineAttrs(1, 1, 2, 3)),
        ("all_3_anew", (1, 3, 2), 3, DelayLineAttrs(1, 0, 2, 2)),
        ("1_of_11_values", (1, 1), 11, DelayLineAttrs(1, 3, 1, 1)),
        ("leading_4", (4, 2, 3), 5, DelayLineAttrs(1, 0, 3, 2)),
        ("a_place_first", (1, 2, 3), 8, DelayLineAttrs(0, 2, 5, 2)),
    ]
    for dtype in Dtype:
        for row in rows if dtype is Dtype.INT8 else rows[:3]:
            yield _case(*row, dtype)


def _case(label: str, x: Shape, places: int, attrs: DelayLineAttrs, dtype: Dtype) -> Case:
    kept, taps = ((*x[: attrs.axis], count, *x[attrs.axis + 1 :]) for count in (places, attrs.taps))
    q = QParams((1.0,), 0, Dtype.INT16)
    inputs = of(dtype, "x", x), of(dtype, "kept", kept), Tensor("oldest", (1,), q)
    outputs = of(dtype, "y", taps), of(dtype, "kept_next", kept), Tensor("oldest_next", (1,), q)
    kind = "" if dtype is Dtype.INT8 else f"_{dtype}"
    return Case(label + kind, Call(attrs, inputs, outputs))
