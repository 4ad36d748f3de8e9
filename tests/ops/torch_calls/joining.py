"""Which calls prove the rules of joining, and which are refused?"""

from .arguments import Call, Refused, Values, X, Y

CALLS: list[Call] = [
    ("concat.default", (1, 3, 5), ([X, Y], 1)),
    ("concatenate.default", (1, 3, 5), ([X, Y], 2)),
    ("stack.default", (1, 3, 5), ([X, Y], 1)),
    ("stack.default", (1, 3, 5), ([X, Y, X], -1)),
    ("expand.default", (1, 3, 1), (X, [2, -1, 3, 20])),
    ("repeat.default", (1, 3, 5), (X, [2, 1, 3, 1])),
    ("cat.default", (1, 3, 5), ([X, Y, X], 1)),
    ("cat.default", (1, 3, 5), ([X, Y], -1)),
]

REFUSED: list[Refused] = [
    ("cat.default", (1, 3), ([X, Values((1, 3))], 1), "one of its parts is a constant"),
]
