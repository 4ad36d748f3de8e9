"""Which calls prove the rules of running sums, products and extremes?"""

from .arguments import Call, X

LONG = (2, 150)
"""More than one matrix of ones adds up, and no square."""

CALLS: list[Call] = [
    ("cumsum.default", (1, 5, 4), (X, 1)),
    ("cumsum.default", LONG, (X, -1)),
    ("cumprod.default", (1, 5, 4), (X, 1)),
    ("cummax.default", (1, 7), (X, 1)),
    ("cummin.default", (3, 4), (X, 0)),
    ("prod.default", (1, 5, 3), (X,)),
    ("prod.dim_int", (2, 7, 3), (X, 1)),
    ("prod.dim_int", (3, 4), (X, -1, True)),
    ("prod.dim_int", (), (X, 0)),
    ("cumsum.default", (), (X, 0)),
]
