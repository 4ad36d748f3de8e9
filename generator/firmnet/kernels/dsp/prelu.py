"""How does the DSP extension bend values by a slope for each channel? Four channels of a pixel at a time."""

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...targets import Isa
from ..portable import prelu as portable
from ..spec import register


class PRelu(portable.PRelu):
    """v·slope + max(v, 0)·(1 − slope): both products in one SMLAD."""

    isa = Isa.DSP

    def accepts(self, call: Call) -> bool:
        """Channels last, in words."""
        return call.attrs.axis == len(call.output.shape) - 1 and call.output.shape[-1] % 4 == 0

    def cycles(self, call: Call) -> float:
        return 45 + 7.6 * call.output.size + 12 * call.output.size / call.output.shape[-1]

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """A word for each channel: its multiplier below zero, and how much more it is above."""
        pairs = np.stack([k["negative"], k["positive"] - k["negative"]], axis=1)
        return {"bends": np.ascontiguousarray(pairs, np.int16).view(np.int32).ravel()}


register(PRelu())
