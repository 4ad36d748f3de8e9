"""How does plain C compute attention? Query by query: scores of its keys, their weights, sums of values."""

from math import prod

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops import OPS
from ...ops.spec import Constants
from ..attended import heads
from ..spec import Kernel, register


class Attention(Kernel):
    op = "attention"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        p = heads(call)
        rows = prod(loop[0] for loop in p.outer) * p.queries
        met = OPS["attention"].macs(call) / (p.depth + p.width)
        if any(t.dtype is Dtype.INT16 for t in (*call.inputs, call.output)):
            return 60 + rows * 152 + met * (20 + 9.1 * (p.depth + p.width))
        return 60 + rows * (150 + 35 * p.width) + met * (60 + 9 * p.depth + 8 * p.width)

    def scratch_bytes(self, call: Call) -> int:
        """A row of scores, of which weights take the place."""
        return 4 * heads(call).keys

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {key: k[key] for key in ("powers", "bias") if isinstance(k[key], np.ndarray)}

    def layout(self, call: Call, k: Constants) -> object:
        return heads(call)


register(Attention())
