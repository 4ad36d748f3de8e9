"""Which calls prove the rule of tril?"""

from .arguments import IMAGE, Call, X

CALLS: list[Call] = [
    ("tril.default", IMAGE, (X,)),
    ("tril.default", (1, 3, 5), (X, 1)),
    ("tril.default", (5, 3), (X, -2)),
]
