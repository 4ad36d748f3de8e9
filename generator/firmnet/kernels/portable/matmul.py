"""How does plain C multiply two activations? A dot product per output, each factor read where it lies."""

from math import prod

from ...ir import Call, Dtype
from ...ops.spec import Constants
from ..products import Product, product
from ..spec import Kernel, register

SHORT_DEPTH = 16
"""Values of a line up to which the compiler makes no loop of it."""


class Matmul(Kernel):
    op = "matmul"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        p = product(call)
        outputs = prod(loop[0] for loop in p.outer) * p.rows * p.columns
        if p.depth == 1:
            return 60 + 14 * outputs
        each = 5.5 if p.depth <= SHORT_DEPTH else 10.1
        return 60 + outputs * (20 + each * p.depth)

    def layout(self, call: Call, k: Constants) -> Product:
        return product(call)


register(Matmul())
