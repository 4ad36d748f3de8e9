"""Over which loops does a product of two activations walk? ProductLoop of both factors and of the result."""

from dataclasses import dataclass

from ..ir import Call, Shape
from .loops import strides

ProductLoop = tuple[int, int, int, int]
"""A loop: its size, and the distance from one round to the next in a, in b and in y."""


@dataclass(frozen=True)
class Factor:
    """How a matrix of a product lies: values from one line, and from one entry of a line, to the next."""

    line: int
    entry: int


@dataclass(frozen=True)
class Product:
    """y[m, n] = Σ a[m, k] · b[n, k], for each of a stack of matrices: `outer` loops around them.

    `a`, `b`: lines are what y counts, entries what is summed. `y`: lines m, entries n.
    """

    outer: tuple[ProductLoop, ...]
    rows: int
    columns: int
    depth: int
    a: Factor
    b: Factor
    y: Factor


def product(call: Call) -> Product:
    attrs, (a, b), y = call.attrs, call.inputs, call.output
    left, right = _axes(a.shape, attrs.a_order), _axes(b.shape, attrs.b_order)
    steps = strides(y.shape)
    made = [(y.shape[attrs.y_order.index(i)], steps[attrs.y_order.index(i)]) for i in range(len(y.shape))]
    outer = [
        (n, s if m > 1 else 0, t if k > 1 else 0, u)
        for (m, s), (k, t), (n, u) in zip(left[:-2], right[:-2], made[:-2], strict=True)
        if n > 1
    ]
    (rows, a_line), (depth, a_entry) = left[-2:]
    (_, b_entry), (columns, b_line) = right[-2:]
    result = Factor(made[-2][1], made[-1][1])
    return Product(
        tuple(outer), rows, columns, depth, Factor(a_line, a_entry), Factor(b_line, b_entry), result
    )


def exchanged(p: Product) -> Product:
    """The same product with its factors in the other order."""
    outer = tuple((n, b, a, y) for n, a, b, y in p.outer)
    return Product(outer, p.columns, p.rows, p.depth, p.b, p.a, Factor(p.y.entry, p.y.line))


def _axes(shape: Shape, order: Shape) -> list[tuple[int, int]]:
    """(size, step) of each axis in the order."""
    steps = strides(shape)
    return [(shape[i], steps[i]) for i in order]
