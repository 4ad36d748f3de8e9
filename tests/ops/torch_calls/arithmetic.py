"""Which calls prove the rules of arithmetic, and which are refused?"""

from .arguments import IMAGE, Call, Refused, Values, X, Y

CALLS: list[Call] = [
    ("add.Tensor", (1, 3, 5), (X, Y)),
    ("add.Tensor", (1, 3, 5), (X, X)),
    ("add.Tensor", (1, 3, 5), (X, 0.25)),
    ("add.Tensor", (1, 3, 5), (X, Values((5,)))),
    ("add.Tensor", (1, 3, 5), (Values((3, 1)), X)),
    ("add.Tensor", (1, 3, 5), (X, Values((1, 3, 5)))),
    ("add.Tensor", (1, 1, 5), (X, Values((3, 5)))),
    ("add.Tensor", IMAGE, (X, Values((4, 1, 1)))),
    ("add.Tensor", IMAGE, (X, Values((4, 9, 1)))),
    ("add.Scalar", (1, 3, 5), (X, 2)),
    ("sub.Tensor", (1, 3, 5), (X, Y)),
    ("sub.Tensor", (1, 3, 5), (X, Values((5,)))),
    ("sub.Tensor", (1, 3, 5), (Values((5,)), X)),
    ("sub.Scalar", (1, 3, 5), (X, 0.5)),
    ("subtract.Tensor", (1, 3, 5), (X, Y)),
    ("rsub.Tensor", (1, 3, 5), (X, Y)),
    ("rsub.Scalar", (1, 3, 5), (X, 1)),
    ("mul.Tensor", (1, 3, 5), (X, Y)),
    ("mul.Tensor", (1, 3, 5), (X, X)),
    ("mul.Tensor", (1, 3, 5), (X, -2.0)),
    ("mul.Tensor", IMAGE, (Values((4, 1, 1)), X)),
    ("mul.Tensor", IMAGE, (X, Values(IMAGE))),
    ("mul.Scalar", (1, 3, 5), (X, 3)),
    ("multiply.Tensor", (1, 3, 5), (X, Y)),
    ("div.Tensor", (1, 3, 5), (X, 4.0)),
    ("div.Tensor", (1, 3, 5), (X, Values((5,), positive=True))),
    ("div.Scalar", (1, 3, 5), (X, 4)),
    ("divide.Tensor", (1, 3, 5), (X, 4.0)),
    ("true_divide.Tensor", (1, 3, 5), (X, 4.0)),
    ("neg.default", (1, 3, 5), (X,)),
    ("negative.default", (1, 3, 5), (X,)),
]

REFUSED: list[Refused] = [
    ("add.Tensor", (1, 9), (X, Y, Y), "'alpha' is computed by the network"),
    ("div.Tensor", (1, 9), (X, Y), "dividing by an activation"),
    ("div.Tensor", (1, 9), (1.0, X), "dividing by an activation"),
    ("div.Tensor", (1, 9), (X, 0.0), "zero"),
    ("mul.Tensor", (1, 9), (X, float("inf")), "NaN or infinite"),
]
