"""Which calls prove the rules of comparisons, places and masks, and which are refused?"""

import math

from .arguments import Call, Indices, Refused, Values, X, Y

MASK = Indices((True, False, False, True, True))
CALLS: list[Call] = [
    ("argmax.default", (1, 3, 5), (X,)),
    ("argmax.default", (1, 3, 5), (X, -1)),
    ("argmax.default", (1, 3, 5), (X, 1, True)),
    ("argmax.default", (3, 5), (X, None, True)),
    ("max.dim", (1, 3, 5), (X, 1)),
    ("max.dim", (3, 5), (X, 0, True)),
    ("min.dim", (1, 4, 5, 6), (X, 1)),
    ("min.dim", (3, 5), (X, 0, True)),
    ("argmax.default", (), (X, 0)),
    *[(f"{relation}.Scalar", (3, 5), (X, 0.25)) for relation in ("gt", "ge", "lt", "le", "eq", "ne")],
    *[(f"{relation}.Tensor", (3, 5), (X, Y)) for relation in ("gt", "ge", "lt", "le", "eq", "ne")],
    ("gt.Tensor", (3, 5), (X, Values((5,)))),
    ("le.Tensor", (3, 5), (Values((1,)), X)),
    ("logical_not.default", (3, 5), (Y,)),
    ("logical_and.default", (3, 5), (X, Y)),
    ("logical_or.default", (3, 5), (Y, Y)),
    ("where.self", (3, 5), (MASK, X, Y)),
    ("where.ScalarOther", (3, 5), (MASK, X, 0.5)),
    ("where.ScalarSelf", (3, 5), (MASK, -0.5, X)),
    ("masked_fill.Scalar", (3, 5), (X, MASK, -5.0)),
    ("masked_fill.Tensor", (3, 5), (X, MASK, Values(()))),
]

REFUSED: list[Refused] = [
    ("masked_fill.Scalar", (3, 5), (X, MASK, -math.inf), "puts infinity"),
    ("gt.Scalar", (3, 5), (X, math.inf), "NaN or infinite"),
    ("eq.Scalar", (3, 5), (X, math.nan), "NaN or infinite"),
]
