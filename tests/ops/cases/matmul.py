"""Which rows of the matrix prove matmul?"""

from collections.abc import Iterator

from casework import Case, activation, mixtures, widened

from firmnet.ir import Call, Dtype, Shape
from firmnet.ops import OPS
from firmnet.ops.matmul import MatmulAttrs

Row = tuple[str, Shape, Shape, MatmulAttrs]


def plain(rank: int) -> Shape:
    return tuple(range(rank))


def turned(rank: int) -> Shape:
    return (*range(rank - 2), rank - 1, rank - 2)


def as_is(rank: int, **bounds: float) -> MatmulAttrs:
    return MatmulAttrs(plain(rank), plain(rank), plain(rank), **bounds)


def cases() -> Iterator[Case]:
    yield from _narrow()
    yield from mixtures(_narrow(), ["matrix_5x7_by_7x3", "leading_2x1_by_1x3", "relu6"])
    wide = {"left_turned_9x5_by_5x4", "both_turned_3x13_by_13x5", "stack_of_3", "heads_where_they_lie"}
    yield from (widened(case, Dtype.INT16, Dtype.INT16) for case in _narrow() if case.label in wide)


def _narrow() -> Iterator[Case]:
    heads = (0, 2, 1, 3)
    rows: list[Row] = [
        ("matrix_5x7_by_7x3", (5, 7), (7, 3), as_is(2)),
        ("right_turned_6x8_by_8x6", (1, 6, 8), (1, 6, 8), MatmulAttrs(plain(3), turned(3), plain(3))),
        ("left_turned_9x5_by_5x4", (1, 5, 9), (1, 5, 4), MatmulAttrs(turned(3), plain(3), plain(3))),
        ("both_turned_3x13_by_13x5", (1, 13, 3), (1, 5, 13), MatmulAttrs(turned(3), turned(3), plain(3))),
        ("result_turned_4x16_by_16x7", (1, 4, 16), (1, 16, 7), MatmulAttrs(plain(3), plain(3), turned(3))),
        ("stack_of_3", (3, 4, 9), (3, 9, 5), as_is(3)),
        ("leading_2x1_by_1x3", (2, 1, 4, 6), (1, 3, 6, 5), as_is(4)),
        ("one_over_leading_stack", (4, 3, 8), (1, 8, 2), as_is(3)),
        ("heads_where_they_lie", (1, 5, 3, 8), (1, 6, 3, 8), MatmulAttrs(heads, (0, 2, 3, 1), plain(4))),
        ("heads_back", (1, 3, 5, 6), (1, 6, 3, 8), MatmulAttrs(plain(4), heads, heads)),
        ("relu6", (1, 6, 20), (1, 20, 6), as_is(3, lo=0.0, hi=6.0)),
        ("inner_size_1", (1, 5, 1), (1, 1, 9), as_is(3)),
        ("row_by_matrix_1x40", (1, 1, 40), (1, 40, 11), as_is(3)),
        ("matrix_by_column_40x1", (1, 11, 40), (1, 40, 1), as_is(3)),
        ("two_rows_by_wide_2x40", (1, 2, 40), (1, 40, 301), as_is(3)),
        ("rows_beside_257", (1, 3, 257), (1, 257, 5), as_is(3)),
        ("rows_beside_256", (1, 3, 256), (1, 256, 4), as_is(3)),
        ("query_of_heads", (1, 1, 3, 22), (1, 7, 3, 22), MatmulAttrs(heads, (0, 2, 3, 1), plain(4))),
        ("values_of_heads", (1, 3, 1, 7), (1, 7, 3, 9), MatmulAttrs(plain(4), heads, heads)),
        ("one_value", (1, 1), (1, 1), as_is(2)),
        ("rank5", (1, 2, 1, 3, 12), (1, 1, 2, 12, 2), as_is(5)),
    ]
    for label, a_shape, b_shape, attrs in rows:
        a, b = activation("a", a_shape), activation("b", b_shape, 0.02, -41)
        depth = a_shape[attrs.a_order[-1]]
        y = activation("y", OPS["matmul"].shape(attrs, a_shape, b_shape), 0.08 * depth**0.5, 5)
        yield Case(label, Call(attrs, (a, b), (y,)))
