"""Which calls prove the rules of pools and reductions, and which are refused?"""

from .arguments import IMAGE, Call, Refused, X

CALLS: list[Call] = [
    ("max_pool2d.default", IMAGE, (X, [3, 2])),
    ("max_pool2d.default", IMAGE, (X, [3, 3], [2, 2], [1, 1], [2, 1], True)),
    ("max_pool2d_with_indices.default", IMAGE, (X, [2, 2], [3, 3], [0, 1], [1, 1], True)),
    ("avg_pool2d.default", IMAGE, (X, [2, 3])),
    ("avg_pool2d.default", IMAGE, (X, [3, 3], [2, 2], [1, 1], True)),
    ("avg_pool2d.default", IMAGE, (X, [3, 3], [2, 3], [1, 1], True, False)),
    ("avg_pool2d.default", IMAGE, (X, [3, 3], [2, 2], [1, 0], False, True, 5)),
    ("adaptive_avg_pool2d.default", IMAGE, (X, [4, 5])),
    ("_adaptive_avg_pool2d.default", IMAGE, (X, [2, 8])),
    ("mean.dim", IMAGE, (X, [2, 3])),
    ("mean.dim", IMAGE, (X, [-1, -2], True)),
    ("mean.dim", IMAGE, (X, [3])),
    ("mean.dim", IMAGE, (X, [2], True)),
    ("mean.dim", IMAGE, (X, [1], True)),
    ("mean.dim", IMAGE, (X, [1, 3])),
    ("mean.dim", IMAGE, (X, None)),
    ("mean.dim", (1, 3, 5), (X, [1])),
    ("mean.dim", (3, 5), (X, [0])),
    ("mean.default", (1, 3, 5), (X,)),
    ("sum.dim_IntList", IMAGE, (X, [2, 3])),
    ("sum.dim_IntList", (1, 3, 5), (X, [-1], True)),
    ("sum.default", (1, 3, 5), (X,)),
    ("amax.default", IMAGE, (X, [2, 3])),
    ("amax.default", (1, 3, 5), (X, [1], True)),
    ("amax.default", (1, 3, 5), (X,)),
    ("max.dim", IMAGE, (X, 2)),
    ("avg_pool1d.default", (1, 4, 9), (X, [3], [2], [1], True, False)),
    ("avg_pool1d.default", (1, 4, 9), (X, [3])),
    ("adaptive_avg_pool1d.default", (1, 4, 9), (X, [4])),
    ("max_pool1d.default", (1, 4, 9), (X, [3], [2], [1], [1], True)),
    ("max_pool1d.default", (1, 4, 9), (X, [3])),
    ("max_pool1d_with_indices.default", (1, 4, 9), (X, [2])),
    ("adaptive_max_pool2d.default", IMAGE, (X, [3, 4])),
    ("adaptive_max_pool1d.default", (1, 4, 9), (X, [3])),
]

REFUSED: list[Refused] = [
    ("max_pool2d.default", IMAGE, (X, [X, 2]), "'kernel_size' is computed by the network"),
    ("avg_pool2d.default", IMAGE, (X, ["k", 2]), "'kernel_size' is .*write plain numbers"),
    ("adaptive_max_pool2d.default", IMAGE, (X, [4, 4]), "several sizes"),
    ("max_pool2d.default", (4, 9, 8), (X, [2, 2]), "batch 1"),
    ("max_pool2d.default", (1, 4, 1, 8), (X, [2, 1], [1, 1], [2, 0], [3, 1]), "reads only padding"),
]
