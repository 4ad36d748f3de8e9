"""How does the DSP extension append? By eight words at a time, where values lie in words."""

from ...ir import Call, Dtype
from ...targets import Isa
from ..portable import append as portable
from ..spec import register

WORD_BYTES = 4


class Append(portable.Append):
    isa = Isa.DSP
    dtypes = tuple(Dtype)

    def accepts(self, call: Call) -> bool:
        moves = self.layout(call, {})
        return all(values * moves.dtype.bytes % WORD_BYTES == 0 for values in (moves.stay, moves.new))

    def cycles(self, call: Call) -> float:
        moves = self.layout(call, {})
        return 20 + moves.blocks * sum(
            _copy_cycles(values * moves.dtype.bytes // WORD_BYTES) for values in (moves.stay, moves.new)
        )


def _copy_cycles(words: int) -> float:
    """Eight with a load and a store of several registers, the rest one by one."""
    return 30 + words // 8 * 21 + words % 8 * 7


register(Append())
