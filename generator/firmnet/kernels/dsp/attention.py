"""How does the DSP extension compute attention? A query by four keys at a time, weights by eight columns."""

from dataclasses import dataclass
from math import prod

from ...ir import Call
from ...ops import OPS
from ...ops.spec import Constants
from ...targets import Isa
from ..attended import Heads, heads
from ..portable import attention as portable
from ..spec import register
from .instructions import MAX_OFFSET

BLOCKS_IN_LOOP = 4
"""Of four values of a query, in straight code."""
PAIRS_IN_LOOP = 4
"""Of keys whose values are weighed."""


@dataclass(frozen=True)
class HeadTiles:
    """`width` columns of values are summed at a time, the last of them moved back so that all are whole.

    In scratch: a query as int16, without its zero point, then scores, then weights as int16.
    """

    heads: Heads
    width: int

    @property
    def blocks(self) -> int:
        """Of four values of a query, and of the keys that it meets."""
        return self.heads.depth // 4

    @property
    def rounds(self) -> int:
        """Of a loop over several blocks."""
        return self.blocks // BLOCKS_IN_LOOP if self.blocks > BLOCKS_IN_LOOP else 0

    @property
    def straight(self) -> int:
        """Blocks behind the loop."""
        return self.blocks - BLOCKS_IN_LOOP * self.rounds

    @property
    def query_bytes(self) -> int:
        return -(-2 * self.heads.depth // 4) * 4

    @property
    def scratch_bytes(self) -> int:
        return self.query_bytes + 4 * self.heads.keys + 4 * (self.heads.keys // 2 + 1)


class Attention(portable.Attention):
    """Of int8 alone, where the values of a key lie side by side, and so what it stands for."""

    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        p = heads(call)
        neighbours = p.k.entry == p.v.entry == 1 and min(p.keys, p.depth, p.width) >= 4
        near = 3 * p.k.line + 3 <= MAX_OFFSET and p.v.line + 8 <= MAX_OFFSET
        k = OPS["attention"].prepare(call)
        return neighbours and near and not k["requant"].long and not k["most_sum"]

    def cycles(self, call: Call) -> float:
        tiles = _tiles(call)
        p = tiles.heads
        rows = prod(loop[0] for loop in p.outer) * p.queries
        met = OPS["attention"].macs(call) / (p.depth + p.width)
        columns = -(-p.width // tiles.width)
        four = 22 + 23.5 * tiles.blocks + 9 * (p.depth % 4) + 2 * tiles.rounds
        each = four / 4 + 18.5 + (8 if len(call.inputs) > 3 else 0)
        weighed = columns * (15.5 if tiles.width == 8 else 9)
        row = 190 + 6.5 * p.depth + columns * 95 + (four + 50 if p.keys % 4 else 0)
        return 60 + rows * row + met * (each + weighed)

    def scratch_bytes(self, call: Call) -> int:
        return _tiles(call).scratch_bytes

    def layout(self, call: Call, k: Constants) -> HeadTiles:
        return _tiles(call)


def _tiles(call: Call) -> HeadTiles:
    p = heads(call)
    return HeadTiles(p, 8 if p.width >= 8 else 4)


register(Attention())
