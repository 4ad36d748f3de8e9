"""How does plain C compute a softmax? Lane by lane: the largest value, the sum, the shares; two by table."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.spec import Constants
from ..spec import Kernel, register
from .movement import COMPILER_UNROLLS


@dataclass(frozen=True)
class Lanes:
    """x[outer][n][inner], along n."""

    outer: int
    n: int
    inner: int


class Softmax(Kernel):
    op = "softmax"

    def cycles(self, call: Call) -> float:
        return 30 + (26 if lanes(call).n <= 16 else 38.5) * call.output.size

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0 if lanes(call).inner == 1 else None,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"exponentials": ascending(k)}

    def layout(self, call: Call, k: Constants) -> Lanes:
        return lanes(call)


class WideSoftmax(Kernel):
    """Where int16 is read or written."""

    op = "softmax"
    name = "wide"
    dtypes: ClassVar[tuple[Dtype, ...]] = (Dtype.INT8, Dtype.INT16)

    def accepts(self, call: Call) -> bool:
        return Dtype.INT16 in (call.inputs[0].dtype, call.output.dtype)

    def cycles(self, call: Call) -> float:
        found = lanes(call)
        each = 60.0 if call.output.dtype is Dtype.INT8 else 46.0 if found.n <= COMPILER_UNROLLS else 55.0
        return 30 + found.outer * found.inner * (45 + each * found.n)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"exponentials": ascending(k)} if "exponentials" in k else super().pack(call, k)

    def layout(self, call: Call, k: Constants) -> Lanes:
        return lanes(call)


class PairsSoftmax(Softmax):
    """Of two values: all that there is to know is their difference."""

    name = "pairs"

    def accepts(self, call: Call) -> bool:
        return lanes(call).n == 2

    def cycles(self, call: Call) -> float:
        found = lanes(call)
        return 26 + 12 * found.outer * found.inner

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """The share of a value that is more by −255, −254, … 255 than the other."""
        more = np.arange(-255, 256)
        pairs = np.stack([np.minimum(more, 0), np.minimum(-more, 0)])
        lower = pairs - pairs.max(axis=0)
        e = k["exponentials"].astype(np.int64)[-lower]
        total = e.sum(axis=0)
        shares = np.minimum(127, (k["whole"] * e[0] + total // 2) // total - 128)
        return {"shares": shares.astype(np.int8)}


def lanes(call: Call) -> Lanes:
    shape, axis = call.output.shape, call.attrs.axis
    return Lanes(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))


def ascending(k: Constants) -> Array:
    """The exponentials from the least to the largest, as inputs go."""
    found: Array = k["exponentials"][::-1]
    return found


register(PairsSoftmax())
register(Softmax())
register(WideSoftmax())
