"""How does plain C compute a softmax? Lane by lane: the largest value, the sum, the shares."""

from dataclasses import dataclass
from math import prod

from ...ir import Array, Call
from ...ops.spec import Constants
from ..spec import Kernel, register


@dataclass(frozen=True)
class Lanes:
    """x[outer][n][inner], along n."""

    outer: int
    n: int
    inner: int


class Softmax(Kernel):
    op = "softmax"

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0 if lanes(call).inner == 1 else None,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"exponentials": ascending(k)}

    def layout(self, call: Call, k: Constants) -> Lanes:
        return lanes(call)


def lanes(call: Call) -> Lanes:
    shape, axis = call.output.shape, call.attrs.axis
    return Lanes(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))


def ascending(k: Constants) -> Array:
    """The exponentials from the least to the largest, as inputs go."""
    found: Array = k["exponentials"][::-1]
    return found


register(Softmax())
