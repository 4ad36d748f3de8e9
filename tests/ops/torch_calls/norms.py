"""Which calls prove the rules of norms and variances, and which are refused?"""

from math import inf

from .arguments import IMAGE, Call, Refused, X

CALLS: list[Call] = [
    ("linalg_vector_norm.default", IMAGE, (X, 2, [1])),
    ("linalg_vector_norm.default", IMAGE, (X, 1, [2, -1], True)),
    ("linalg_vector_norm.default", (1, 5), (X,)),
    ("linalg_norm.default", (1, 3, 5), (X, None, [1])),
    ("linalg_norm.default", (1, 3, 5), (X, 2, [-1], True)),
    ("linalg_norm.default", (1, 3, 5), (X,)),
    ("linalg_vector_norm.default", (), (X,)),
    ("linalg_vector_norm.default", IMAGE, (X, 3, [1])),
    *(("linalg_vector_norm.default", (3, 5), (X, order)) for order in (0, inf, -inf, 0.5)),
    ("var.default", (3, 5), (X,)),
    ("var.default", (), (X, False)),
    ("std.default", (3, 5), (X, False)),
    ("var.dim", IMAGE, (X, [2, 3])),
    ("var.dim", (1, 3, 5), (X, [1], False, True)),
    ("var.correction", IMAGE, (X, [1])),
    ("var.correction", (1, 3, 5), (X,)),
    ("std.dim", IMAGE, (X, [1], False)),
    ("std.dim", (1, 3, 5), (X, [-1], True, True)),
    ("std.correction", IMAGE, (X, [2, 3])),
]

REFUSED: list[Refused] = [
    ("linalg_norm.default", IMAGE, (X, 2, [2, 3]), "of matrices"),
    ("var.dim", (1, 3, 5), (X, [0]), "correction of 1: less of it"),
]
