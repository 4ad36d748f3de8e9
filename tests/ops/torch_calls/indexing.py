"""Which calls prove the rules of constant indices and places, and which are refused?"""

from .arguments import IMAGE, Call, Indices, Refused, Values, X, Y

BAGS = Values((9, 3)), X, Indices((0, 2)), False
"""The first arguments of an embedding of two bags."""
MASK = Indices((True, False, False, True, True))
CALLS: list[Call] = [
    ("index_select.default", IMAGE, (X, 1, Indices((3, 1, 2)))),
    ("index_select.default", (5, 3), (X, 0, Indices((4, 4, 0, 1)))),
    ("index.Tensor", (1, 5, 4), (X, [None, Indices((3, -1, 2))])),
    ("index.Tensor", (1, 5, 4), (X, [None, Indices(((3, 1), (0, 2))), None])),
    ("index.Tensor", (1, 5, 4), (X, [None, Indices((3, 1)), Indices((0, -2))])),
    ("index.Tensor", (3, 5, 4), (X, [Indices((0, 2)), None, Indices((1, 3))])),
    ("index.Tensor", (1, 5, 4), (X, [None, MASK])),
    ("index.Tensor", (1, 2, 5), (X, [None, Indices(((True, False, True, True, False), (False,) * 5))])),
    ("masked_select.default", (3, 5), (X, MASK)),
    ("masked_select.default", (5,), (X, Indices(((False,) * 5, (True,) * 5)))),
    ("gather.default", (1, 5, 4), (X, 1, Indices((((0, 1, 2, 0), (4, 4, 3, 1)),)))),
    ("gather.default", (3, 5), (X, -1, Indices(((0, 4), (1, 2))))),
    ("take.default", (3, 5), (X, Indices(((0, 14), (-1, 2))))),
    ("take_along_dim.default", (2, 3), (X, Indices(((0, 2), (1, 1))), 1)),
    ("take_along_dim.default", (2, 3), (X, Indices(((0, 5), (1, 1))))),
    ("roll.default", (1, 5, 4), (X, [1], [1])),
    ("roll.default", (1, 5, 4), (X, [-2, 7], [2, 1])),
    ("roll.default", (3, 5), (X, [4])),
    ("rot90.default", (1, 5, 4), (X, 1, [1, 2])),
    ("rot90.default", (1, 5, 4), (X, -2, [2, 1])),
    ("diagonal.default", (1, 5, 4), (X, 1, 1, 2)),
    ("diagonal.default", (4, 5), (X,)),
    ("as_strided.default", (3, 5), (X, [2, 3], [5, 2])),
    ("as_strided.default", (3, 5), (X, [4, 2], [1, 5], 1)),
    ("diag.default", (4,), (X, -1)),
    ("diag.default", (3, 4), (X, 1)),
    ("diag_embed.default", (2, 3), (X,)),
    ("diag_embed.default", (2, 3), (X, 1, 0, 2)),
    ("triu.default", (1, 4, 5), (X,)),
    ("triu.default", (4, 5), (X, -1)),
    ("embedding.default", (1, 4), (Values((9, 3)), X)),
    *(("embedding_bag.padding_idx", (5,), (*BAGS, mode, False, None, False, None)) for mode in (0, 1, 2)),
    (
        "embedding_bag.padding_idx",
        (4,),
        (Values((9, 3)), X, Indices((0, 4)), False, 1, False, None, True, None),
    ),
    ("one_hot.default", (2, 3), (X, 7)),
]

REFUSED: list[Refused] = [
    ("one_hot.default", (2, 3), (X,), "give it num_classes"),
    ("one_hot.default", (2, 3), (Y, 5), "rows named by real numbers"),
    ("embedding_bag.padding_idx", (4,), (*BAGS, 1, False, None, False, 3), "padding_idx"),
    ("embedding_bag.padding_idx", (4,), (*BAGS, 0, False, Values((4,)), False, None), "per_sample_weights"),
    ("embedding_bag.padding_idx", (2,), (*BAGS, 0, False, None, False, None), "a bag without rows"),
    ("index_select.default", (1, 5), (X, 1, X), "'index' is computed by the network"),
    ("index.Tensor", (1, 5), (X, [None, X]), "'indices' is computed by the network"),
    ("gather.default", (1, 300), (X, 1, X), "of more than 256 places"),
    ("gather.default", (1, 100), (X, 1, Y), "as real numbers, of more than 64 places"),
    ("index_select.default", (1, 5), (X, 1, Indices((5,))), "an index beyond the 5 entries"),
]
