"""Which calls prove the rule of flip?"""

from .arguments import IMAGE, Call, X

CALLS: list[Call] = [
    ("flip.default", IMAGE, (X, [2])),
    ("flip.default", (1, 3, 5), (X, [-1, 1])),
    ("flip.default", (1, 3, 5), (X, [])),
]
