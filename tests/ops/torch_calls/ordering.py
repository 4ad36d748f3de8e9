"""Which calls prove the rules of what is put in order, and which are refused?"""

from .arguments import Call, Refused, X

CALLS: list[Call] = [
    ("argsort.default", (2, 9), (X,)),
    ("argsort.default", (3, 5), (X, 0, True)),
    ("argsort.stable", (1, 5, 3), (X, {"stable": True, "dim": 1})),
    *(("sort.default", (2, n), (X,)) for n in (1, 2, 17)),
    ("sort.default", (5, 3), (X, 0, True)),
    ("sort.stable", (1, 5, 3), (X, {"stable": True, "dim": 1, "descending": True})),
    ("topk.default", (1, 3, 5), (X, 1)),
    ("topk.default", (1, 3, 5), (X, 1, 1, False)),
    ("topk.default", (1, 3, 5), (X, 1, 1)),
    ("topk.default", (1, 9), (X, 3)),
    ("topk.default", (1, 2, 40), (X, 5)),
    ("topk.default", (7, 2), (X, 2, 0, False)),
    ("kthvalue.default", (1, 9), (X, 3)),
    ("kthvalue.default", (3, 9), (X, 9, 1, True)),
    ("median.default", (3, 4), (X,)),
    ("median.dim", (3, 4), (X, 1)),
    ("median.dim", (1, 5, 4), (X, 1, True)),
]

REFUSED: list[Refused] = [
    ("sort.default", (1, 5000), (X,), "5,000 values in order: firmnet sorts up to 4,096"),
]
