"""Which calls prove the rules of slices, and which are refused?"""

from .arguments import IMAGE, Call, Refused, X

END = 9223372036854775807
CALLS: list[Call] = [
    ("slice.Tensor", IMAGE, (X, 2, 0, END, 2)),
    ("slice.Tensor", IMAGE, (X, 3, 0, 8, 3)),
    ("slice.Tensor", IMAGE, (X, 1, 1, 4, 2)),
    ("slice.Tensor", IMAGE, (X, 1, -3, -1)),
    ("slice.Tensor", IMAGE, (X, -1, 2, END, 5)),
    ("slice.Tensor", IMAGE, (X, 0, 0, END)),
    ("slice.Tensor", IMAGE, (X, 1)),
    ("slice.Tensor", (5,), (X, 0, 1, 3)),
    ("slice.Tensor", (3, 2, 3, 2, 3), (X, 2, 1, END, 1)),
    ("narrow.default", (1, 4, 5), (X, 1, 1, 2)),
    ("narrow.default", (1, 4, 5), (X, -1, -3, 3)),
    ("select.int", (1, 4, 1, 3), (X, 2, 0)),
    ("select.int", (1, 4, 1, 3), (X, -2, -1)),
    ("select.int", IMAGE, (X, -1, 0)),
    ("select.int", IMAGE, (X, 2, -2)),
    ("select.int", (5, 3), (X, 0, 3)),
    ("unbind.int", (1, 4, 5), (X, 1)),
    ("unbind.int", (3, 4), (X,)),
    ("split.Tensor", (1, 7, 5), (X, 3, 1)),
    ("split.sizes", (1, 7, 5), (X, [3, 4], 1)),
    ("split_with_sizes.default", (1, 7, 5), (X, [1, 3, 1], -1)),
    ("unsafe_split.Tensor", (6, 5), (X, 2)),
    ("unsafe_split_with_sizes.default", (1, 7, 5), (X, [6, 1], 1)),
    ("chunk.default", (1, 7, 5), (X, 3, 1)),
    ("unsafe_chunk.default", (1, 8, 5), (X, 2, -2)),
    ("flip.default", IMAGE, (X, [2])),
    ("flip.default", (1, 3, 5), (X, [-1, 1])),
    ("flip.default", (1, 3, 5), (X, [])),
    ("fliplr.default", (3, 5), (X,)),
    ("flipud.default", (3, 5), (X,)),
]

REFUSED: list[Refused] = [
    ("split_with_sizes.default", (1, 4), (X, [4, 0], 1), "one of its parts is empty"),
]
