"""How does plain C append? What stays moves to the front, and what is new is copied behind it."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Dtype
from ...ops.spec import Constants
from ..spec import Kernel, register
from .movement import copy_cycles


@dataclass(frozen=True)
class Appended:
    """`blocks` times: `stay` values, those behind the first `new`, move to the front; `new` come behind."""

    blocks: int
    stay: int
    new: int
    dtype: Dtype


class Append(Kernel):
    op = "append"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        moves = self.layout(call, {})
        width = moves.dtype.bytes
        return 20 + moves.blocks * (copy_cycles(moves.stay * width) + copy_cycles(moves.new * width))

    def layout(self, call: Call, k: Constants) -> Appended:
        axis = call.attrs.axis
        kept, new = (prod(tensor.shape[axis:]) for tensor in call.inputs)
        return Appended(prod(call.output.shape[:axis]), kept - new, new, call.output.dtype)


register(Append())
