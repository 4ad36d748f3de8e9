"""How does the DSP extension multiply two activations? Two lines of the one by two of the other at a time."""

from dataclasses import dataclass
from math import prod

from ...ir import Call
from ...ops.spec import Constants
from ...targets import Isa
from ..products import Product, exchanged, product
from ..spec import Kernel, register

BLOCK = 4
"""Values that one step of the inner loop multiplies in each line."""
MOST_DEPTH = 2**14
"""Up to which sums stay in 32 bits, whatever the zero points."""


@dataclass(frozen=True)
class Panels:
    """`product.a` is read where it lies, two lines at a time, against a panel: two lines of `product.b`,
    spread to int16 in scratch without their zero point.

    `exchanged`: a is the right factor. `gathered`: the values of its lines are no neighbours, so each matrix
    is copied to scratch first, behind the panel.
    """

    product: Product
    exchanged: bool
    gathered: bool

    @property
    def blocks(self) -> int:
        return self.product.depth // BLOCK

    @property
    def tail(self) -> int:
        """Values of a line that fill no block."""
        return self.product.depth % BLOCK

    @property
    def panel_bytes(self) -> int:
        return 4 * self.product.depth

    @property
    def scratch_bytes(self) -> int:
        copy = self.product.rows * self.product.depth if self.gathered else 0
        return self.panel_bytes + copy

    @property
    def cycles(self) -> float:
        p = self.product
        pack = 40 + 11 * p.depth
        tile = 110 + 24 * self.blocks + 8 * self.tail
        copy = p.rows * (8 + 6.8 * p.depth) if self.gathered else 0
        matrix = 30 + copy + -(-p.columns // 2) * (pack + -(-p.rows // 2) * tile)
        return 60 + prod(loop[0] for loop in p.outer) * matrix


class Matmul(Kernel):
    op = "matmul"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        return BLOCK <= product(call).depth <= MOST_DEPTH

    def cycles(self, call: Call) -> float:
        return _panels(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _panels(call).scratch_bytes

    def layout(self, call: Call, k: Constants) -> Panels:
        return _panels(call)


def _panels(call: Call) -> Panels:
    """The faster of the two ways round."""
    left = product(call)
    right = exchanged(left)
    ways = [Panels(p, p is right, p.a.entry != 1) for p in (left, right)]
    return min(ways, key=lambda way: way.cycles)


register(Matmul())
