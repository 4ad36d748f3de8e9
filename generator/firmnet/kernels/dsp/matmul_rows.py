"""How does the DSP extension multiply a row or two, spread in scratch, by a matrix read where it lies?

Across: the columns of the matrix are neighbours, so a word holds four of them, and PKH pairs two entries of
each. Along: the entries of a column are neighbours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from ...ir import Call
from ...ops.spec import Constants
from ...targets import Isa
from ..products import Product, exchanged, product
from ..spec import Kernel, register
from .instructions import MAX_OFFSET
from .matmul import MOST_DEPTH

MOST_JOINED = 256
"""Entries of a column up to which 256 times a sum keeps within 32 bits: 2^8·2^8·128·255 < 2^31."""
STEPS_IN_LOOP = 4
STRAIGHT = 6
"""Steps up to which there is no loop."""


@dataclass(frozen=True)
class RowTiles:
    """`height` rows of `product.a` in scratch meet `width` columns of `product.b` in a tile.

    `exchanged`: a is the right factor. `across`: neighbours in b are of one row, else of one column.
    """

    product: Product
    exchanged: bool
    across: bool
    height: int
    width: int

    @property
    def step(self) -> int:
        """Entries that are met together."""
        return 2 if self.across else 4

    @property
    def places(self) -> tuple[int, ...]:
        """Where they lie in scratch: of four the middle two change places, as SXTB16 spreads a word."""
        return (0, 1) if self.across else (0, 2, 1, 3)

    @property
    def steps(self) -> int:
        return self.product.depth // self.step

    @property
    def unrolled(self) -> int:
        return self.steps if self.steps <= STRAIGHT else STEPS_IN_LOOP

    @property
    def rounds(self) -> int:
        """Of the loop over so many steps."""
        return self.steps // self.unrolled if self.steps else 0

    @property
    def left(self) -> int:
        """Steps behind the loop."""
        return self.steps % self.unrolled if self.steps else 0

    @property
    def round_bytes(self) -> int:
        return 2 * self.step * self.height * self.unrolled

    @property
    def tiles(self) -> int:
        return -(-self.product.columns // self.width)

    @property
    def back(self) -> int:
        """Columns that the last tile shares with the one before."""
        return -self.product.columns % self.width

    @property
    def sums(self) -> list[str]:
        """Their registers, row by row."""
        return [f"r{4 + i}" for i in range(self.height * self.width)]

    @property
    def scratch_bytes(self) -> int:
        return 2 * self.height * (self.product.depth + self.product.depth % 2)

    @property
    def cycles(self) -> float:
        p = self.product
        each = {(True, 1): 7 * self.width / 2, (True, 2): 20 + (p.b.entry > 255), (False, 1): 21.5}[
            self.across, self.height
        ]
        rest = each if self.across else 11
        tile = 40 + 5 * self.height * self.width + self.steps * (each + (1.5 if self.rounds > 1 else 0))
        tile += p.depth % self.step * rest
        row = 35 + self.height * (20 + 6.5 * p.depth) + self.tiles * tile
        return 60 + prod(loop[0] for loop in p.outer) * (20 + -(-p.rows // self.height) * row)


class MatmulRows(Kernel):
    op = "matmul"
    name = "rows"
    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        return any(_ways(call))

    def cycles(self, call: Call) -> float:
        return _rows(call).cycles

    def scratch_bytes(self, call: Call) -> int:
        return _rows(call).scratch_bytes

    def layout(self, call: Call, k: Constants) -> RowTiles:
        return _rows(call)


def _rows(call: Call) -> RowTiles:
    return min(_ways(call), key=lambda way: way.cycles)


def _ways(call: Call) -> Iterator[RowTiles]:
    left = product(call)
    for p in (left, exchanged(left)):
        if not 2 <= p.depth <= MOST_DEPTH or p.columns < 4:
            continue
        if p.b.line == 1 and p.b.entry + 4 <= MAX_OFFSET:
            if p.rows > 1 and p.depth <= MOST_JOINED:
                yield RowTiles(p, p is not left, True, 2, 4)
            yield RowTiles(p, p is not left, True, 1, 8 if p.columns >= 8 else 4)
        if p.b.entry == 1 and p.depth >= 4 and 3 * p.b.line + 3 <= MAX_OFFSET:
            yield RowTiles(p, p is not left, False, 1, 4)


register(MatmulRows())
