"""Which calls prove the rules of joining and padding, and which are refused?"""

from .arguments import IMAGE, Call, Refused, Values, X, Y

CALLS: list[Call] = [
    ("concat.default", (1, 3, 5), ([X, Y], 1)),
    ("concatenate.default", (1, 3, 5), ([X, Y], 2)),
    ("stack.default", (1, 3, 5), ([X, Y], 1)),
    ("stack.default", (1, 3, 5), ([X, Y, X], -1)),
    ("expand.default", (1, 3, 1), (X, [2, -1, 3, 20])),
    ("repeat.default", (1, 3, 5), (X, [2, 1, 3, 1])),
    ("cat.default", (1, 3, 5), ([X, Y, X], 1)),
    ("cat.default", (1, 3, 5), ([X, Y], -1)),
    ("pad.default", IMAGE, (X, [1, 2, 3, 0])),
    ("pad.default", (1, 5), (X, [0, 2], "constant", 0.0)),
    ("constant_pad_nd.default", IMAGE, (X, [0, 1, 2, 3, 4, 5])),
]

REFUSED: list[Refused] = [
    ("cat.default", (1, 3), ([X, Values((1, 3))], 1), "one of its parts is a constant"),
    ("pad.default", IMAGE, (X, [1, 1], "reflect"), "pads with zeros"),
    ("pad.default", IMAGE, (X, [1, 1], "constant", 2.0), "pads with zeros"),
    ("pad.default", IMAGE, (X, [-1, 0]), "crop"),
]
