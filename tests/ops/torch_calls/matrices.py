"""Which calls prove the rules of products, and which are refused?"""

from .arguments import Call, Refused, Values, X, Y

CALLS: list[Call] = [
    ("linear.default", (1, 3, 8), (X, Values((5, 8)), Values((5,)))),
    ("linear.default", (1, 8), (X, Values((5, 8)))),
    ("addmm.default", (1, 8), (Values((5,)), X, Values((8, 5)))),
    ("addmm.default", (1, 8), (Values((1, 5)), X, Values((8, 5)))),
    ("addmm.default", (3, 8), (Values((3, 1)), X, Values((8, 5)))),
    ("addmm.default", (1, 8), (Values((1,)), X, Values((8, 5)))),
    ("addmm.default", (8, 3), (Values((3,)), Values((5, 8)), X)),
    ("linear.default", (1, 3, 8), (X, Values((8,)))),
    ("linear.default", (8,), (X, Values((5, 8)))),
    ("matmul.default", (1, 3, 8), (X, Values((8, 5)))),
    ("matmul.default", (1, 3, 8), (X, Values((8,)))),
    ("matmul.default", (1, 3, 8), (X, Values((1, 1, 8, 5)))),
    ("matmul.default", (1, 3, 8), (Values((5, 3)), X)),
    ("matmul.default", (1, 3, 8), (Values((1, 1, 5, 3)), X)),
    ("matmul.default", (1, 3, 8), (Values((3,)), X)),
    ("matmul.default", (8,), (Values((5, 8)), X)),
    ("matmul.default", (8,), (X, Values((8, 5)))),
    ("mm.default", (1, 8), (X, Values((8, 5)))),
    ("mv.default", (3, 8), (X, Values((8,)))),
    ("bmm.default", (1, 3, 8), (X, Values((1, 8, 5)))),
    ("bmm.default", (1, 3, 8), (Values((1, 5, 3)), X)),
    ("baddbmm.default", (1, 3, 8), (Values((1, 1, 5)), X, Values((1, 8, 5)))),
    ("baddbmm.default", (1, 3, 8), (Values((1, 5, 1)), Values((1, 5, 3)), X)),
    ("linear.default", (3, 8), (X, Y)),
    ("linear.default", (3, 8), (X, Y, Values((3,)))),
    ("linear.default", (3, 8), (Values((5, 8)), X, Values((3,)))),
    ("linear.default", (1, 8), (X, Values((8, 8)), Y)),
    ("addmm.default", (3, 3), (X, X, Y)),
    ("matmul.default", (1, 4, 4), (X, Y)),
    ("matmul.default", (2, 1, 4, 4), (X, Y)),
    ("matmul.default", (5,), (X, Y)),
    ("dot.default", (5,), (X, Y)),
    ("dot.default", (5,), (X, Values((5,)))),
    ("vdot.default", (5,), (Values((5,)), X)),
    ("mm.default", (4, 4), (X, Y)),
    ("bmm.default", (3, 4, 4), (X, Y)),
    ("baddbmm.default", (3, 4, 4), (X, X, Y)),
    ("baddbmm.default", (3, 4, 4), (Values((3, 1, 4)), X, Y)),
]

REFUSED: list[Refused] = [
    ("bmm.default", (3, 4, 4), (X, Values((3, 4, 4))), "several matrices"),
]
