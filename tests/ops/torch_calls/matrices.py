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
]

REFUSED: list[Refused] = [
    ("linear.default", (1, 8), (X, Y, Values((1,))), "'weight' is computed by the network"),
    ("linear.default", (1, 8), (X, Values((5, 8)), Y), "'bias' is computed by the network"),
    ("linear.default", (1, 8), (Values((5, 8)), X), "'x' is a constant"),
    ("bmm.default", (3, 4, 4), (X, Values((3, 4, 4))), "several matrices"),
    ("addmm.default", (1, 8), (X, X, X), "'bias' is computed by the network"),
    ("matmul.default", (1, 8), (X, X), "product of two activations"),
]
