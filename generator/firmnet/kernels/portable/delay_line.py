"""How does plain C keep a delay line? What is new is written over what is oldest, and the taps are copied."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Dtype
from ...ops.delay_line import DelayLineAttrs
from ...ops.spec import Constants
from ..spec import Kernel, register
from .movement import copy_cycles


@dataclass(frozen=True)
class Taps:
    """`blocks` rings of `places` places of `values` values each; `come` are written, `taps` read."""

    blocks: int
    places: int
    values: int
    come: int
    first: int
    step: int
    taps: int
    dtype: Dtype

    @property
    def bytes(self) -> int:
        """Of a place."""
        return self.values * self.dtype.bytes


class DelayLine(Kernel):
    op = "delay_line"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        line = self.layout(call, {})
        return 40 + line.blocks * (line.come + line.taps) * (6 + copy_cycles(line.bytes))

    def layout(self, call: Call, k: Constants) -> Taps:
        attrs: DelayLineAttrs = call.attrs
        x, kept, _ = call.inputs
        blocks, values = prod(x.shape[: attrs.axis]), prod(x.shape[attrs.axis + 1 :])
        places, come = kept.shape[attrs.axis], x.shape[attrs.axis]
        return Taps(blocks, places, values, come, attrs.first, attrs.step, attrs.taps, x.dtype)


register(DelayLine())
