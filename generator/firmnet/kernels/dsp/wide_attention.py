"""How does the DSP extension compute attention of int16? Two queries by two keys, then by two columns."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Dtype
from ...ops import OPS
from ...ops.spec import Constants
from ...targets import Isa
from ..attended import Heads, heads
from ..portable import attention as portable
from ..spec import register
from .instructions import MAX_OFFSET

VALUES_IN_LOOP = 8
"""Pairs of them, of queries and keys, in straight code."""
KEYS_IN_LOOP = range(6, 11)
"""Whose values are weighed in straight code."""
MAX_DEPTH = 2000
"""Values of a query, whose end a loop knows by an offset."""
MAX_STEP = 255
"""Bytes by which a load may move its pointer on."""


@dataclass(frozen=True)
class WideHeadTiles:
    """`together` queries meet so many keys, then columns, at a time that these are four sums of 64 bits.

    The last queries, keys and columns are moved back so that all tiles are whole. In scratch: queries and
    keys that are copied, as int16 without zero points, then scores, of which weights of int32 take the place.
    """

    heads: Heads
    together: int
    sizes: tuple[int, int, int, int]
    """Bytes of a value of the queries, keys, values and results."""
    causal: bool

    @property
    def tile(self) -> int:
        """Keys that meet the queries at once, and columns of values."""
        return 4 // self.together

    @property
    def copies_q(self) -> bool:
        p = self.heads
        far = 2 * (self.together - 1) * p.q.line > MAX_OFFSET
        return self.sizes[0] == 1 or p.q.entry != 1 or far

    @property
    def copies_k(self) -> bool:
        p = self.heads
        far = 2 * (self.tile - 1) * p.k.line > MAX_OFFSET
        return self.sizes[1] == 1 or p.k.entry != 1 or far

    @property
    def q_line(self) -> int:
        return self.heads.depth if self.copies_q else self.heads.q.line

    @property
    def k_line(self) -> int:
        return self.heads.depth if self.copies_k else self.heads.k.line

    @property
    def pairs(self) -> int:
        return self.heads.depth // 2

    @property
    def rounds(self) -> int:
        """Of a loop over several pairs."""
        return self.pairs // VALUES_IN_LOOP if self.pairs > VALUES_IN_LOOP else 0

    @property
    def straight(self) -> int:
        """Pairs behind the loop."""
        return self.pairs - VALUES_IN_LOOP * self.rounds

    @property
    def keys_in_loop(self) -> int:
        """The most that leave few behind the loop."""
        if self.causal:
            return KEYS_IN_LOOP[2]
        keys = self.heads.keys
        ways = [n for n in reversed(KEYS_IN_LOOP) if n <= keys] or [keys]
        return min(ways, key=lambda n: keys // n + keys % n)

    @property
    def rest(self) -> bool:
        """Whether keys may be left behind the loop."""
        return self.causal or self.heads.keys % self.keys_in_loop != 0

    @property
    def v_step(self) -> int:
        """Bytes from a key's values to the next one's."""
        return self.heads.v.line * self.sizes[2]

    @property
    def v_entry(self) -> int:
        return self.heads.v.entry * self.sizes[2]

    @property
    def walking(self) -> str:
        """How the pointer to values goes on: by "loads", behind a "round" of the loop or each "key"."""
        farthest = (self.keys_in_loop - 1) * self.v_step + (self.tile - 1) * self.v_entry
        return "loads" if self.v_step <= MAX_STEP else "round" if farthest <= MAX_OFFSET else "key"

    @property
    def weight_bytes(self) -> int:
        return 2 if self.sizes[3] == 1 else 4

    @property
    def weights_line(self) -> int:
        """Weights in a row of them, a whole number of words."""
        return self.heads.keys + (self.heads.keys % 2 if self.weight_bytes == 2 else 0)

    @property
    def k_at(self) -> int:
        """Where copied keys lie in scratch."""
        return _words(2 * self.together * self.heads.depth) if self.copies_q else 0

    @property
    def scores_at(self) -> int:
        return self.k_at + (_words(2 * self.heads.keys * self.heads.depth) if self.copies_k else 0)

    @property
    def weights_at(self) -> int:
        scores = 4 * self.together * self.heads.keys
        return self.scores_at + (scores if self.weight_bytes == 2 else 0)

    @property
    def scratch_bytes(self) -> int:
        return self.weights_at + self.weight_bytes * self.together * self.weights_line

    @property
    def fits(self) -> bool:
        p = self.heads
        near = self.together == 1 or 4 * p.keys + 4 <= MAX_OFFSET
        near = near and (self.tile - 1) * self.v_entry <= MAX_OFFSET
        whole = p.queries >= self.together and min(p.keys, p.width) >= self.tile
        return near and whole and 2 <= p.depth <= MAX_DEPTH


class WideAttention(portable.Attention):
    """Wherever int16 is among what it reads and writes, and whatever lies where.

    Keys of int8, and those whose values are no neighbours, are copied to scratch first.
    """

    name = "wide"
    isa = Isa.DSP
    dtypes = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        k = OPS["attention"].prepare(call)
        wide = Dtype.INT16 in (*k["dtypes"], k["dtype"])
        return wide and not k["most_sum"] and bool(_ways(call))

    def cycles(self, call: Call) -> float:
        return _cycles(call, _tiles(call))

    def scratch_bytes(self, call: Call) -> int:
        return _tiles(call).scratch_bytes

    def layout(self, call: Call, k: Constants) -> WideHeadTiles:
        return _tiles(call)


def _tiles(call: Call) -> WideHeadTiles:
    """The faster of two queries at a time and one, of those that fit."""
    return min(_ways(call), key=lambda tiles: _cycles(call, tiles))


def _ways(call: Call) -> list[WideHeadTiles]:
    p, attrs = heads(call), call.attrs
    q, k, v, y = (t.dtype.bytes for t in (*call.inputs[:3], call.output))
    causal = attrs.causal is not None and attrs.causal < p.keys - 1
    ways = [WideHeadTiles(p, together, (q, k, v, y), causal) for together in (1, 2)]
    return [tiles for tiles in ways if tiles.fits]


def _cycles(call: Call, tiles: WideHeadTiles) -> float:
    """A group is a tile of keys, a column one of values; each makes four sums."""
    p, together = tiles.heads, tiles.together
    outer = prod(loop[0] for loop in p.outer)
    met = OPS["attention"].macs(call) / (p.depth + p.width) / (outer * p.queries)
    pair = 9 if together == 2 else 11
    group = (36 if tiles.sizes[:2] == (2, 2) else 28) + pair * -(-p.depth // 2)
    groups = met / tiles.tile + 0.5 if tiles.causal else -(-p.keys // tiles.tile)
    left = (4 if tiles.causal else p.keys % tiles.keys_in_loop) if tiles.rest else 0
    column = (90 if tiles.sizes[2:] == (1, 2) else 65) + pair * met + 6 * (met // tiles.keys_in_loop + left)
    weight = (18 if tiles.weight_bytes == 2 else 21) + (8 if len(call.inputs) > 3 else 0)
    copied = 6 * together * p.depth if tiles.copies_q else 0
    made = groups * (group + 6 * tiles.rounds) + -(-p.width // tiles.tile) * column
    some = 80 + copied + together * (155 + met * weight) + made
    head = 20 + (4.3 * p.keys * p.depth if tiles.copies_k else 0)
    return 60 + outer * (head + -(-p.queries // together) * some)


def _words(byte_count: int) -> int:
    return -(-byte_count // 4) * 4


register(WideAttention())
