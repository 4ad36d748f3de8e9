"""Which calls prove the rules of convolutions, and which are refused?"""

from .arguments import IMAGE, W333, Call, Refused, Values, X, Y

W443 = Values((4, 3, 4, 3))

CALLS: list[Call] = [
    ("conv1d.default", (1, 4, 9), (X, Values((6, 2, 3)), Values((6,)), [2], [1], [2], 2)),
    ("conv1d.padding", (1, 4, 9), (X, Values((6, 4, 4)), None, [1], "same")),
    (
        "convolution.default",
        (1, 4, 9),
        (X, Values((6, 4, 3)), None, [1], [1], [1], False, [0], 1),
    ),
    ("conv2d.default", IMAGE, (X, W333)),
    ("conv2d.default", IMAGE, (X, W333, Values((6,)), [2, 1], [1, 2], [2, 1])),
    ("conv2d.default", IMAGE, (X, Values((6, 2, 3, 3)), None, [1, 1], [0, 0], [1, 1], 2)),
    ("conv2d.padding", IMAGE, (X, Values((6, 4, 4, 3)), None, [1, 1], "same", [1, 2])),
    ("conv2d.padding", IMAGE, (X, W333, None, [2, 2], "valid")),
    ("convolution.default", IMAGE, (X, W333, Values((6,)), [2, 2], [1, 1], [1, 1], False, [0, 0], 1)),
    ("convolution.default", IMAGE, (X, W443, None, [2, 1], [0, 1], [1, 1], True, [1, 0], 1)),
    ("convolution.default", (1, 4, 9), (X, Values((4, 3, 3)), None, [2], [1], [1], True, [1], 1)),
    ("conv_transpose2d.input", IMAGE, (X, W443)),
    ("conv_transpose2d.input", IMAGE, (X, W443, Values((3,)), [2, 3], [1, 0], [1, 2], 1, [1, 1])),
    ("conv_transpose2d.input", IMAGE, (X, W443, Values((6,)), [2, 2], [2, 1], [0, 1], 2, [3, 2])),
    ("conv_transpose2d.input", IMAGE, (X, W443, None, [1, 1], [4, 1], [0, 0], 1, [1, 1])),
    ("conv_transpose1d.default", (1, 4, 9), (X, Values((4, 1, 4)), Values((4,)), [2], [1], [0], 4)),
    ("conv_transpose1d.default", (1, 4, 9), (X, Values((4, 6, 3)), None, [1], [1])),
    ("conv_transpose1d.default", (4, 9), (X, Values((4, 6, 3)), None, [2])),
    ("conv_transpose2d.input", (4, 5, 6), (X, W443, None, [2, 2])),
    ("conv_transpose3d.input", (1, 4, 3, 4, 5), (X, Values((4, 3, 2, 2, 2)), None, [2, 2, 2])),
    (
        "conv_transpose3d.input",
        (1, 4, 3, 4, 5),
        (X, Values((4, 3, 3, 2, 3)), Values((6,)), [2, 3, 1], [1, 0, 2], [1, 2, 0], 2, [2, 1, 1]),
    ),
    ("conv_transpose3d.input", (2, 2, 3, 3), (X, Values((2, 3, 3, 3, 3)), None, [1], [1])),
    ("conv1d.default", (4, 9), (X, Values((6, 4, 3)), None, [2], [1])),
    ("conv1d.default", (3, 4, 9), (X, Values((6, 4, 3)), Values((6,)), [2], [1])),
    ("conv2d.default", (4, 9, 8), (X, W333)),
    ("conv2d.default", (2, 4, 9, 8), (X, W333, Values((6,)), [2, 1], [1, 2], [2, 1])),
    ("conv2d.padding", (3, 4, 6, 5), (X, Values((6, 2, 3, 3)), None, [1, 1], "same", [1, 1], 2)),
    ("conv3d.default", (1, 4, 5, 6, 7), (X, Values((6, 4, 3, 3, 3)), Values((6,)), [1, 1, 1], [1, 1, 1])),
    (
        "conv3d.default",
        (1, 4, 7, 9, 8),
        (X, Values((6, 2, 2, 4, 3)), None, [2, 3, 2], [1, 0, 1], [2, 1, 2], 2),
    ),
    (
        "conv3d.default",
        (3, 2, 4, 4, 5),
        (X, Values((6, 1, 3, 2, 3)), Values((6,)), [2, 1, 1], [1] * 3, [1] * 3, 2),
    ),
    ("conv_transpose3d.input", (3, 2, 2, 3, 4), (X, Values((2, 3, 3, 2, 3)), None, [2] * 3, [1] * 3)),
    ("conv_transpose2d.input", (3, 4, 5, 6), (X, W443, Values((3,)), [2, 3], [1, 0], [1, 2], 1, [1, 1])),
    ("conv_transpose2d.input", (3, 4, 5, 6), (X, W443, None, [1, 1], [1, 1])),
    ("conv3d.default", (2, 3, 4, 5), (X, Values((3, 2, 3, 1, 1)))),
    ("conv2d.default", (1, 4, 4, 4), (X, Y, None, [1, 1], [1, 1])),
    ("conv2d.padding", (1, 4, 4, 3), (X, Y, None, [1, 1], "same")),
    ("conv1d.default", (1, 4, 5), (X, Y, None, [2], [2])),
    ("conv3d.padding", (1, 2, 3, 4, 5), (X, Values((6, 2, 2, 3, 3)), None, [1, 1, 1], "same")),
    (
        "convolution.default",
        (1, 4, 3, 8, 7),
        (X, Values((6, 4, 3, 3, 3)), None, [1] * 3, [0] * 3, [1] * 3, False, [0] * 3, 1),
    ),
    (
        "convolution.default",
        (1, 4, 3, 8, 7),
        (X, Values((4, 6, 3, 3, 3)), None, [1] * 3, [0] * 3, [1] * 3, True, [0] * 3, 1),
    ),
]

REFUSED: list[Refused] = [
    ("conv2d.default", (1, 4, 2, 2), (X, W333), "does not fit"),
    (
        "conv_transpose2d.input",
        IMAGE,
        (X, Values((4, 3, 3, 3)), None, [2, 2], [12, 0]),
        "leaves -5x17: use less padding",
    ),
    (
        "conv_transpose2d.input",
        (1, 4, 1, 1),
        (X, Values((4, 3, 2, 2)), None, [100_000, 100_000]),
        "more memory than any board has",
    ),
    ("conv_transpose3d.input", (1, 4, 4), (X, Values((1, 6, 3, 3, 3))), "needs volumes"),
    ("conv1d.default", (1, 4, 9, 2), (X, Values((6, 4, 3))), "needs lines"),
    ("conv3d.default", (1, 4, 4), (X, Values((6, 1, 3, 3, 3))), "needs volumes"),
    ("conv3d.default", (1, 1, 4, 4, 4), (X, X), "'weight' is computed by the network"),
]
