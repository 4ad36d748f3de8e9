"""Which calls prove the rules of writing into parts, and which are refused?"""

from .arguments import Call, Indices, Refused, Values, X, Y

LINE = (1, 5, 4)
MASK = Indices((True, False, False, True, True))
CALLS: list[Call] = [
    ("slice_scatter.default", (1, 5, 4), (X, Values((1, 2, 4)), 1, 1, 3)),
    ("slice_scatter.default", (1, 5, 4), (X, Y, 1)),
    ("slice_scatter.default", (1, 5, 4), (Values((1, 7, 4)), X, 1, -5)),
    ("select_scatter.default", (1, 5, 4), (X, Values((1, 4)), 1, -1)),
    ("select_scatter.default", (1, 5), (Values((1, 3, 5)), X, 1, 0)),
    ("copy.default", (1, 1, 4), (Values((1, 5, 4)), X)),
    ("slice_scatter.default", LINE, (X, Y, 1, 0, 5, 1)),
    ("slice_scatter.default", (1, 6), (X, Values((1, 2)), 1, 1, 6, 3)),
    ("slice_scatter.default", (1, 5, 2), (Values((1, 5, 4)), X, 2, 0, 4, 2)),
    ("diagonal_scatter.default", (1, 4, 5), (X, Values((1, 4)), 0, 1, 2)),
    ("diagonal_scatter.default", (4,), (Values((4, 5)), X)),
    ("index_add.default", (1, 3, 4), (Values(LINE), 1, Indices((4, 0, 4)), X)),
    ("index_add.default", LINE, (X, 2, Indices((2, 1)), Values((1, 5, 2)), {"alpha": -0.5})),
    ("index_copy.default", LINE, (X, 1, Indices((3, 0)), Values((1, 2, 4)))),
    ("index_copy.default", LINE, (X, 1, Indices((4, 3, 2, 1, 0)), Y)),
    ("index_fill.int_Scalar", LINE, (X, -1, Indices((3, 0)), 0.5)),
    ("index_put.default", LINE, (X, [None, Indices((3, -5))], Values((1, 2, 4)))),
    ("index_put.default", LINE, (X, [None, MASK], Values(()))),
    ("index_put.default", LINE, (X, [Indices((0, 0)), Indices((1, 4)), Indices((2, 2))], Values((2,)))),
    ("index_put.default", (1, 2), (Values((1, 5)), [None, Indices((3, 1))], X)),
    ("index_put.default", (1, 4), (X, [None, Indices((3, 1, 3))], Values((1, 3)), True)),
    ("masked_scatter.default", (2, 5), (X, MASK, Values((7,)))),
    ("scatter.src", (1, 3), (Values((1, 5)), 1, Indices(((4, 0, 1),)), X)),
    ("scatter.src", LINE, (X, 1, Indices((((4, 0), (1, 1)),)), Values((1, 3, 2)))),
    ("scatter.value", (2, 5), (X, 1, Indices(((4, 0), (2, 2))), -0.5)),
    ("scatter_add.default", (1, 4), (Values((1, 3)), 1, Indices(((2, 0, 2, 2),)), X)),
    ("scatter_reduce.two", (2, 4), (Values((2, 3)), 1, Indices(((2, 0, 2), (0, 0, 1))), X, "sum")),
]

REFUSED: list[Refused] = [
    ("select_scatter.default", (1, 5), (X, Values((5,)), 0, 0), "constants take the place of all"),
    ("index_put.default", (1, 5), (X, [None, X], Values(())), "firmnet writes at constant"),
    ("index_put.default", (1, 5), (X, [X], Values((5,))), "write torch.where"),
    ("scatter.value", (1, 5), (X, 1, X, 1.0), "may name a place twice"),
    ("scatter.value", (3, 5), (Values((4, 5)), 1, X, 1.0), "along some lines alone"),
    ("scatter_reduce.two", (1, 5), (X, 1, Indices(((0,),)), X, "prod"), "adds up what meets"),
]
