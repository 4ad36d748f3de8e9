"""How does the DSP extension multiply two activations of int16? SMLALD adds two products to 64 bits."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Dtype
from ...ops import OPS
from ...ops.spec import Constants
from ...targets import Isa
from ..products import Product, exchanged, product
from ..spec import Kernel, register


@dataclass(frozen=True)
class WidePanels:
    """Every line of `product.a` meets two lines of `product.b` at a time, each read where it lies.

    Lines whose values are no neighbours are copied to scratch: those of a once for each matrix (`copies_a`),
    behind two of b (`copies_b`). `exchanged`: a is the right factor.
    """

    product: Product
    exchanged: bool

    @property
    def copies_a(self) -> bool:
        return self.product.a.entry != 1

    @property
    def copies_b(self) -> bool:
        return self.product.b.entry != 1

    @property
    def panel_bytes(self) -> int:
        """Of the two lines of b."""
        return 4 * self.product.depth if self.copies_b else 0

    @property
    def scratch_bytes(self) -> int:
        lines = 2 * self.product.rows * self.product.depth if self.copies_a else 0
        return self.panel_bytes + lines

    @property
    def cycles(self) -> float:
        p = self.product
        lines = p.rows * (8 + 6 * p.depth) if self.copies_a else 0
        pair = (30 + 8 * p.depth if self.copies_b else 10) + p.rows * (60 + 3.5 * p.depth)
        return 60 + prod(loop[0] for loop in p.outer) * (30 + lines + -(-p.columns // 2) * pair)


class WideMatmul(Kernel):
    op = "matmul"
    name = "wide"
    isa = Isa.DSP
    dtypes = (Dtype.INT16,)

    def accepts(self, call: Call) -> bool:
        return bool(OPS["matmul"].prepare(call)["requant"].long)

    def cycles(self, call: Call) -> float:
        return _panels(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _panels(call).scratch_bytes

    def layout(self, call: Call, k: Constants) -> WidePanels:
        return _panels(call)


def _panels(call: Call) -> WidePanels:
    """The faster of the two ways round."""
    left = product(call)
    return min(WidePanels(left, False), WidePanels(exchanged(left), True), key=lambda way: way.cycles)


register(WideMatmul())
