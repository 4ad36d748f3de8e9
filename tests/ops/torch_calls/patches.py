"""Which calls prove the rules of windows that become an axis, and which are refused?"""

from .arguments import IMAGE, Call, Refused, X

CALLS: list[Call] = [
    ("unfold.default", (1, 4, 9), (X, 2, 3, 2)),
    ("unfold.default", IMAGE, (X, -2, 4, 1)),
    ("unfold.default", (6,), (X, 0, 2, 2)),
    ("im2col.default", IMAGE, (X, [3, 3], [1, 1], [1, 1], [2, 2])),
    ("im2col.default", IMAGE, (X, [2, 4], [2, 1], [0, 3], [1, 4])),
    ("im2col.default", IMAGE, (X, [3, 4], [1, 1], [0, 0], [3, 4])),
    ("im2col.default", (2, 4, 9, 8), (X, [3, 2], [1, 1], [1, 1], [2, 2])),
    ("im2col.default", (4, 9, 8), (X, [2, 2], [1, 1], [0, 0], [2, 2])),
    ("col2im.default", (1, 24, 12), (X, [6, 8], [2, 2], [1, 1], [0, 0], [2, 2])),
    ("col2im.default", (1, 18, 48), (X, [6, 8], [3, 3], [1, 1], [1, 1], [1, 1])),
    ("col2im.default", (1, 12, 15), (X, [7, 9], [2, 3], [2, 1], [0, 1], [1, 4])),
]

REFUSED: list[Refused] = [
    ("unfold.default", (1, 4, 9), (X, 2, 12, 1), "windows of 12 values do not fit into 9"),
    ("im2col.default", (9, 8), (X, [2, 2], [1, 1], [0, 0], [2, 2]), "needs images"),
    ("col2im.default", (2, 24, 12), (X, [6, 8], [2, 2], [1, 1], [0, 0], [2, 2]), "needs columns"),
]
