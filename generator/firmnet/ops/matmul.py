"""matmul: y = clamp(a · b), stacks of matrices, both of them activations, read and written in any order."""

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .mul import of_products
from .spec import Constants, Op, register
from .weighted import clamped, requantized


@dataclass(frozen=True)
class MatmulAttrs:
    """a.transpose(a_order) is the left factor (…, M, K), b.transpose(b_order) the right one (…, K, N), and y
    their product (…, M, N) transposed by y_order. `lo`, `hi`: real bounds of an absorbed activation.

    Axes before the last two repeat where one factor has size 1.
    """

    a_order: Shape
    b_order: Shape
    y_order: Shape
    lo: float | None = None
    hi: float | None = None


class Matmul(Op):
    name = "matmul"
    attrs = MatmulAttrs
    clamps = True
    dtypes = (Dtype.INT8, Dtype.INT16)
    mixes = True

    def shape(self, attrs: MatmulAttrs, *inputs: Shape) -> Shape:
        a, b = inputs
        rank = len(a)
        orders = (attrs.a_order, attrs.b_order, attrs.y_order)
        if rank < 2 or len(b) != rank or any(sorted(order) != list(range(rank)) for order in orders):
            raise ValueError(
                f"matmul needs two factors of one rank, and orders of their axes, got {a} and {b}"
            )
        left, right = (tuple(x[i] for i in order) for x, order in ((a, attrs.a_order), (b, attrs.b_order)))
        repeats = all(m == n or 1 in (m, n) for m, n in zip(left[:-2], right[:-2], strict=True))
        if left[-1] != right[-2] or not repeats:
            raise ValueError(f"matmul of {left} and {right}: the inner sizes, and those before, must agree")
        product = (*map(max, left[:-2], right[:-2]), left[-2], right[-1])
        return tuple(product[i] for i in attrs.y_order)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return clamped(_product(call.attrs, *inputs), call.attrs.lo, call.attrs.hi)

    def remap(self, attrs: MatmulAttrs, order: Shape) -> MatmulAttrs:
        place = np.argsort(order)
        read = self.reread(attrs, (order, order))
        return replace(read, y_order=tuple(attrs.y_order[i] for i in place))

    def reread(self, attrs: MatmulAttrs, orders: tuple[Shape, ...]) -> MatmulAttrs:
        a, b = orders
        return replace(
            attrs, a_order=tuple(a[i] for i in attrs.a_order), b_order=tuple(b[i] for i in attrs.b_order)
        )

    def prepare(self, call: Call) -> Constants:
        return of_products(call, self._depth(call))

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        a, b = (x.astype(np.int64) for x in inputs)
        acc = _product(call.attrs, a - k["a_zero_point"], b - k["b_zero_point"])
        return requantized(acc, k).reshape(acc.shape)

    def macs(self, call: Call) -> int:
        return call.output.size * self._depth(call)

    def _depth(self, call: Call) -> int:
        """Products of each sum."""
        depth: int = call.inputs[0].shape[call.attrs.a_order[-1]]
        return depth


def _product(attrs: MatmulAttrs, a: Array, b: Array) -> Array:
    made: Array = (a.transpose(attrs.a_order) @ b.transpose(attrs.b_order)).transpose(attrs.y_order)
    return made


register(Matmul())
