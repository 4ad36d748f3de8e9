"""Which calls prove the rules of views and copies, and which are refused?"""

import torch

from .arguments import Call, Refused, Values, X

CALLS: list[Call] = [
    ("permute.default", (1, 3, 5), (X, [2, 0, -2])),
    ("transpose.int", (1, 3, 5), (X, -1, 1)),
    ("t.default", (3, 5), (X,)),
    ("numpy_T.default", (1, 3, 5), (X,)),
    ("view.default", (1, 3, 4), (X, [1, 2, -1])),
    ("reshape.default", (1, 3, 4), (X, [-1])),
    ("_unsafe_view.default", (1, 3, 4), (X, [1, 12])),
    ("flatten.using_ints", (1, 3, 4, 2), (X, 1)),
    ("flatten.using_ints", (1, 3, 4, 2), (X, -3, 2)),
    ("unflatten.int", (1, 12), (X, -1, [3, -1])),
    ("squeeze.default", (1, 3, 1, 2), (X,)),
    ("squeeze.dim", (1, 3, 1, 2), (X, -2)),
    ("squeeze.dim", (1, 3, 1, 2), (X, 1)),
    ("squeeze.dims", (1, 3, 1, 2), (X, [0, 2])),
    ("unsqueeze.default", (1, 3), (X, -1)),
    ("unsqueeze.default", (1, 3), (X, 1)),
    ("clone.default", (1, 3), (X,)),
    ("contiguous.default", (1, 3), (X,)),
    ("alias.default", (1, 3), (X,)),
    ("detach.default", (1, 3), (X,)),
    ("detach_.default", (1, 3), (X,)),
    ("lift_fresh_copy.default", (1, 3), (X,)),
    ("dropout.default", (1, 3), (X, 0.5, False)),
    ("feature_dropout.default", (1, 3), (X, 0.5, False)),
    ("alpha_dropout.default", (1, 3), (X, 0.5, False)),
    ("_to_copy.default", (1, 3), (X,)),
    ("to.dtype", (1, 3), (X, torch.float64)),
    ("to.dtype", (1, 9), (X, torch.int32)),
    ("to.dtype", (1, 9), (X, torch.bool)),
    ("nan_to_num.default", (1, 3), (X, 0.5, None, 2.0)),
    ("type_as.default", (1, 3), (X, Values((2,)))),
]

REFUSED: list[Refused] = [
    ("dropout.default", (1, 3), (X, 0.5, True), "training mode"),
    ("to.dtype", (1, 3), (X, torch.uint8), "torch.uint8"),
    ("to.dtype", (1, 3), (X, torch.float16), "torch.float16"),
]
