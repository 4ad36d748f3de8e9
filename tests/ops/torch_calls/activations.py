"""Which calls prove the rules of activation functions, and which are refused?"""

from .arguments import IMAGE, Call, Refused, Values, X, Y

CALLS: list[Call] = [
    ("relu.default", (1, 9), (X,)),
    ("relu6.default", (1, 9), (X,)),
    ("hardtanh.default", (1, 9), (X,)),
    ("hardtanh.default", (1, 9), (X, -0.5, 0.25)),
    ("clamp.default", (1, 9), (X, None, 0.5)),
    ("clamp.default", (1, 9), (X, -0.25)),
    ("clamp_min.default", (1, 9), (X, 0.1)),
    ("clamp_max.default", (1, 9), (X, 0.1)),
    ("clamp_min.Tensor", (1, 9), (X, Values(()))),
    ("clamp_max.Tensor", (1, 9), (X, Values((1,)))),
    ("clamp.Tensor", (1, 9), (X, None, Values(()))),
    ("clip.default", (1, 9), (X, -0.5, 0.5)),
    ("clip.Tensor", (1, 9), (X, None, Values(()))),
    ("maximum.default", (1, 9), (X, Values(()))),
    ("minimum.default", (1, 9), (Values((1,)), X)),
    ("softmax.int", (1, 3, 5), (X, 1)),
    ("_softmax.default", (1, 3, 5), (X, -1, False)),
]

REFUSED: list[Refused] = [
    ("clamp.default", (1, 9), (X, Y), "'min' is computed by the network"),
    ("clamp.Tensor", (1, 9), (X, Values((9,))), "'min' has a value per element"),
    ("maximum.default", (1, 9), (X, Y), "two activations"),
    ("minimum.default", (1, 9), (X, Values((9,))), "per element"),
    ("relu.default", (1, 9), (X, 1, 2), "this way of calling it"),
    ("clamp.default", IMAGE, (X, 2.0, 1.0), "swap"),
]
