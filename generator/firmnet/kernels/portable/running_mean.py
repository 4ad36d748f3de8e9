"""How does plain C keep a mean of the last places? It adds what comes to sums, and takes away what leaves."""

from dataclasses import dataclass
from math import prod

from ...ir import Call, Dtype
from ...ops.running_mean import summed_in_a_place
from ...ops.spec import Constants
from ..loops import strides
from ..spec import Kernel, register

Loop = tuple[int, int]
"""Its size, and how many values of x lie between its rounds."""


@dataclass(frozen=True)
class RunningSums:
    """Each run `come` places, `step` values apart, take those of the oldest of `places` in a ring; `values`
    of each, by the loops `along`, are kept, and each is what the loops `across` add up: `summed` of x.
    """

    places: int
    come: int
    step: int
    values: int
    along: tuple[Loop, ...]
    across: tuple[Loop, ...]
    summed: int


class RunningMean(Kernel):
    op = "running_mean"
    dtypes = tuple(Dtype)

    def cycles(self, call: Call) -> float:
        sums = self.layout(call, {})
        return 60 + sums.come * (30 + sums.values * (16 + 4 * sums.summed)) + 16 * sums.values

    def layout(self, call: Call, k: Constants) -> RunningSums:
        (x, kept, *_), attrs = call.inputs, call.attrs
        loops = [*zip(x.shape, strides(x.shape), strict=True)]
        ended = {attrs.axis, *attrs.across}
        along = tuple(loop for axis, loop in enumerate(loops) if axis not in ended and loop[0] > 1)
        across = tuple(loops[axis] for axis in attrs.across if loops[axis][0] > 1)
        come, step = loops[attrs.axis]
        values, summed = prod(size for size, _ in along), summed_in_a_place(call)
        return RunningSums(kept.shape[0], come, step, values, along, across, summed)


register(RunningMean())
