"""sort: along an axis the least or the greatest values, in order."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, register


@dataclass(frozen=True)
class SortAttrs:
    """The first `count` of the values along `axis` when these rise, or fall if `descending`."""

    axis: int
    count: int
    descending: bool = False


class Sort(Op):
    """The axis keeps `count` values."""

    name = "sort"
    attrs = SortAttrs
    keeps_qparams = True
    dtypes = tuple(Dtype)

    def shape(self, attrs: SortAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if not (0 <= attrs.axis < len(x) and 1 <= attrs.count <= x[attrs.axis]):
            raise ValueError(f"sort to {attrs.count} values along axis {attrs.axis} does not fit shape {x}")
        return (*x[: attrs.axis], attrs.count, *x[attrs.axis + 1 :])

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _sorted(inputs[0], call.attrs)

    def remap(self, attrs: SortAttrs, order: Shape) -> SortAttrs:
        return SortAttrs(order[attrs.axis], attrs.count, attrs.descending)

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _sorted(inputs[0], call.attrs)


def _sorted(x: Array, attrs: SortAttrs) -> Array:
    rising = np.sort(x, attrs.axis)
    found: Array = np.flip(rising, attrs.axis) if attrs.descending else rising
    return found.take(range(attrs.count), attrs.axis)


register(Sort())
