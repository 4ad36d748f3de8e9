"""How does the DSP extension compute values one by one? Four at a time."""

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...targets import Isa
from ..portable import elementwise as portable
from ..spec import register


class Add(portable.Add):
    isa = Isa.DSP


class Mul(portable.Mul):
    """Loads words of both: from a as a whole, or from rows that all meet the same b."""

    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        *outer, (_, step) = portable.broadcast(*(tensor.shape for tensor in call.inputs))
        return step == 1 and len(outer) < 2


class Table(portable.Table):
    """From the entry of 0 up, in the order of the values read as uint8."""

    isa = Isa.DSP

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"table": np.roll(k["table"], len(k["table"]) // 2)}


class Clamp(Table):
    op = "clamp"


class Rescale(Table):
    op = "rescale"


for kernel in (Add(), Mul(), Clamp(), Rescale()):
    register(kernel)
