"""Which calls prove the rules of activation functions, and which are refused?"""

from .arguments import IMAGE, Call, Refused, X, Y

CALLS: list[Call] = [
    ("relu.default", (1, 9), (X,)),
    ("relu6.default", (1, 9), (X,)),
    ("hardtanh.default", (1, 9), (X,)),
    ("hardtanh.default", (1, 9), (X, -0.5, 0.25)),
    ("clamp.default", (1, 9), (X, None, 0.5)),
    ("clamp.default", (1, 9), (X, -0.25)),
    ("clamp_min.default", (1, 9), (X, 0.1)),
    ("clamp_max.default", (1, 9), (X, 0.1)),
    ("clip.default", (1, 9), (X, -0.5, 0.5)),
    ("softmax.int", (1, 3, 5), (X, 1)),
    ("softmax.int", (), (X, 0)),
    ("log_softmax.int", (1, 3, 5), (X, 1)),
    ("_log_softmax.default", (3, 5), (X, -1, False)),
    ("_softmax.default", (1, 3, 5), (X, -1, False)),
]

REFUSED: list[Refused] = [
    ("clamp.default", (1, 9), (X, Y), "'min' is computed by the network"),
    ("relu.default", (1, 9), (X, 1, 2), "this way of calling it"),
    ("clamp.default", IMAGE, (X, 2.0, 1.0), "swap"),
]
