"""Which calls prove the rules of slices, and which are refused?"""

from .arguments import IMAGE, Call, Refused, X

CALLS: list[Call] = [
    ("slice.Tensor", IMAGE, (X, 2, 0, 9223372036854775807, 2)),
    ("slice.Tensor", IMAGE, (X, 3, 0, 8, 3)),
    ("slice.Tensor", IMAGE, (X, 1, 0, 4, 2)),
    ("slice.Tensor", IMAGE, (X, 1, 0, 4, 3)),
    ("slice.Tensor", IMAGE, (X, 1, 0, 1)),
    ("slice.Tensor", IMAGE, (X, 1)),
    ("select.int", (1, 4, 1, 3), (X, 2, 0)),
    ("select.int", (1, 4, 1, 3), (X, -2, -1)),
    ("select.int", IMAGE, (X, -1, 0)),
    ("select.int", (1, 5, 3), (X, 1, 0)),
]

REFUSED: list[Refused] = [
    ("slice.Tensor", IMAGE, (X, 1, 1, 3), "values 1 to 3 of 4 along axis 1"),
    ("slice.Tensor", IMAGE, (X, 1, 0, 2), "the first 2 values of 4"),
    ("select.int", IMAGE, (X, 2, -1), "entry -1 of 9"),
]
