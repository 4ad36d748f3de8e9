"""Which calls prove the rules of padding, and which are refused?"""

from .arguments import IMAGE, Call, Refused, X

LINE = (1, 4, 9)

CALLS: list[Call] = [
    ("pad.default", IMAGE, (X, [1, 2, 3, 0])),
    ("pad.default", (1, 5), (X, [0, 2], "constant", 0.0)),
    ("pad.default", IMAGE, (X, [1, 1], "constant", 2.0)),
    ("pad.default", IMAGE, (X, [-1, 0, 2, -3])),
    ("pad.default", IMAGE, (X, [-1, 0, 2, -3, 1, 0], "constant", -1.5)),
    ("pad.default", IMAGE, (X, [1, 2, 3, 0], "reflect")),
    ("pad.default", IMAGE, (X, [1, 2, 3, 0], "replicate")),
    ("pad.default", IMAGE, (X, [8, 0, 1, 9], "circular")),
    ("pad.default", LINE, (X, [8, 8], "reflect")),
    ("pad.default", (4, 9), (X, [0, 3], "replicate")),
    ("constant_pad_nd.default", IMAGE, (X, [0, 1, 2, 3, 4, 5])),
    ("constant_pad_nd.default", LINE, (X, [0, -2])),
    ("reflection_pad1d.default", LINE, (X, [2, 1])),
    ("reflection_pad2d.default", IMAGE, (X, [2, 1, 0, 3])),
    ("reflection_pad3d.default", (1, 2, 3, 4, 5), (X, [2, 1, 0, 3, 1, 1])),
    ("replication_pad1d.default", LINE, (X, [20, 1])),
    ("replication_pad2d.default", IMAGE, (X, [2, 1, 0, 3])),
    ("replication_pad3d.default", (1, 2, 3, 4, 5), (X, [2, 1, 0, 3, 1, 1])),
]

REFUSED: list[Refused] = [
    ("pad.default", IMAGE, (X, [1, 1], "constant", float("-inf")), "int8 has no such value"),
    ("pad.default", IMAGE, (X, [9, 0], "circular"), "circular padding of 9 takes more values than the 8"),
    ("pad.default", IMAGE, (X, [-4, -4]), "leaves nothing of 8 values"),
]
