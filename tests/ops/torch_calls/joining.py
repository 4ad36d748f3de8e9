"""Which calls prove the rules of joining?"""

from .arguments import Call, Values, X, Y

CALLS: list[Call] = [
    ("concat.default", (1, 3, 5), ([X, Y], 1)),
    ("concatenate.default", (1, 3, 5), ([X, Y], 2)),
    ("stack.default", (1, 3, 5), ([X, Y], 1)),
    ("stack.default", (1, 3, 5), ([X, Y, X], -1)),
    ("expand.default", (1, 3, 1), (X, [2, -1, 3, 20])),
    ("repeat.default", (1, 3, 5), (X, [2, 1, 3, 1])),
    ("cat.default", (1, 3, 5), ([X, Y, X], 1)),
    ("cat.default", (1, 3, 5), ([X, Y], -1)),
    ("cat.default", (1, 3, 5), ([Values((1, 1, 5)), X], 1)),
    ("cat.default", (1, 3, 5), ([X, Values((1, 3, 2)), Y, Values((1, 3, 1))], -1)),
    ("stack.default", (3, 5), ([X, Values((3, 5)), Y], 1)),
]
