"""How does the DSP extension pool all there is to one value? As one run of words."""

from ...ir import Array, Call
from ...ops import avg_pool2d, max_pool2d
from ...ops.spec import Constants
from ...targets import Isa
from ..spec import Kernel, Size, register

FEWEST = 4
"""Values: a word of them."""
MOST_SUMMED = 2**22
"""Values whose sum, each up to 255 from the zero point, 32 bits hold."""


class _All(Kernel):
    """Of one channel."""

    name = "all"
    isa = Isa.DSP

    def cycles(self, call: Call) -> float:
        return 35 + 1.14 * call.inputs[0].size

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {}

    def layout(self, call: Call, k: Constants) -> Size:
        return Size(call.inputs[0].size)


class AllAvgPool2d(_All):
    """Every value counted once."""

    op = "avg_pool2d"

    def accepts(self, call: Call) -> bool:
        (height, width), count = call.inputs[0].shape[1:3], call.inputs[0].size
        if call.output.size > 1 or not FEWEST <= count <= MOST_SUMMED:
            return False
        (rows, *_), (columns, *_) = avg_pool2d.spans(call)
        whole = (rows.start, rows.end, columns.start, columns.end) == (0, height, 0, width)
        return whole and not avg_pool2d.requant_of(call).long


class AllMaxPool2d(_All):
    op = "max_pool2d"

    def accepts(self, call: Call) -> bool:
        if call.output.size > 1 or call.inputs[0].size < FEWEST:
            return False
        counts = tuple(count for ((_, count), *_) in max_pool2d.spans(call))
        return counts == call.inputs[0].shape[1:3]


register(AllAvgPool2d())
register(AllMaxPool2d())
