"""Which calls prove the rules of constant indices and of writing into parts, and which are refused?"""

from .arguments import IMAGE, Call, Indices, Refused, Values, X, Y

CALLS: list[Call] = [
    ("index_select.default", IMAGE, (X, 1, Indices((3, 1, 2)))),
    ("index_select.default", (5, 3), (X, 0, Indices((4, 4, 0, 1)))),
    ("index.Tensor", (1, 5, 4), (X, [None, Indices((3, -1, 2))])),
    ("index.Tensor", (1, 5, 4), (X, [None, Indices(((3, 1), (0, 2))), None])),
    ("index.Tensor", (1, 5, 4), (X, [None, Indices((3, 1)), Indices((0, -2))])),
    ("index.Tensor", (3, 5, 4), (X, [Indices((0, 2)), None, Indices((1, 3))])),
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
    ("slice_scatter.default", (1, 5, 4), (X, Values((1, 2, 4)), 1, 1, 3)),
    ("slice_scatter.default", (1, 5, 4), (X, Y, 1)),
    ("slice_scatter.default", (1, 5, 4), (Values((1, 7, 4)), X, 1, -5)),
    ("select_scatter.default", (1, 5, 4), (X, Values((1, 4)), 1, -1)),
    ("select_scatter.default", (1, 5), (Values((1, 3, 5)), X, 1, 0)),
    ("copy.default", (1, 1, 4), (Values((1, 5, 4)), X)),
    ("embedding.default", (1, 4), (Values((9, 3)), X)),
]

REFUSED: list[Refused] = [
    ("index_select.default", (1, 5), (X, 1, X), "'index' is computed by the network"),
    ("index.Tensor", (1, 5), (X, [None, X]), "'indices' is computed by the network"),
    ("gather.default", (1, 5), (X, 1, X), "'index' is computed by the network"),
    ("index_select.default", (1, 5), (X, 1, Indices((5,))), "an index beyond the 5 entries"),
    ("slice_scatter.default", (1, 4), (X, Values((1, 2)), 1, 0, 4, 2), "writing every n-th entry"),
    ("select_scatter.default", (1, 5), (X, Values((5,)), 0, 0), "constants take the place of all"),
]
