"""How does plain C compute a norm? Group by group: sums, how far each value counts, and the values again."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ...ir import Array, Call, Dtype
from ...ops.spec import Constants
from ..loops import Walk, strides, walks
from ..spec import Kernel, register


@dataclass(frozen=True)
class NormGroups:
    """Loops over x and over gains: `outer` from group to group, `inner` through one of `n` values.

    `gains`: whether they differ; a multiplier and an offset each, in the order in which x has their axes.
    """

    outer: tuple[Walk, ...]
    inner: tuple[Walk, ...]
    n: int
    gains: bool

    @property
    def squares(self) -> str:
        """The C type of a sum of squares of int8."""
        return "uint32_t" if self.n <= 2**17 else "uint64_t"


SHORT_LANE = 16
"""Up to so many values the compiler makes no loop of a group."""


class LayerNorm(Kernel):
    op = "layer_norm"
    dtypes: ClassVar[tuple[Dtype, ...]] = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        found = groups(call, varies(call))
        count = prod(loop[0] for loop in found.outer)
        each = 17 if found.n <= SHORT_LANE else 22.5 if found.inner[-1][0] <= SHORT_LANE else 27
        wide = call.inputs[0].dtype is Dtype.INT16  # products of 64 bits
        return 40 + count * (150 + (each + 17 * wide) * found.n)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        """A group is read whole before it is written; in place where groups lie one behind the other."""
        found = groups(call, False)
        runs = 1 + sum((size - 1) * step for size, step, _ in found.inner) == found.n
        return (0 if runs and call.inputs[0].dtype is call.output.dtype else None,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        if not varies(call):
            return {}
        order = np.argsort(call.attrs.gain_axes)
        lines = [k[key].transpose(order).ravel() for key in ("multiplier", "offset")]
        return {"gains": np.stack(lines, axis=1).ravel()}

    def layout(self, call: Call, k: Constants) -> NormGroups:
        return groups(call, varies(call))


def varies(call: Call) -> bool:
    """Whether gains or shifts differ."""
    return any((tensor.values != tensor.values.flat[0]).any() for tensor in call.inputs[1:])


def groups(call: Call, gains: bool) -> NormGroups:
    shape, attrs = call.inputs[0].shape, call.attrs
    axes = sorted(attrs.gain_axes)
    steps = dict(zip(axes, strides(tuple(shape[axis] for axis in axes)), strict=True)) if gains else {}
    loops = [
        (n, step, steps.get(axis, 0))
        for axis, (n, step) in enumerate(zip(shape, strides(shape), strict=True))
    ]
    return NormGroups(
        walks(loop for axis, loop in enumerate(loops) if axis not in attrs.axes),
        walks(loop for axis, loop in enumerate(loops) if axis in attrs.axes),
        prod(shape[axis] for axis in attrs.axes),
        gains,
    )


register(LayerNorm())
