"""append: what was kept along an axis moves on, and what is new comes behind it: the memory of a stream."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Slide, register


@dataclass(frozen=True)
class AppendAttrs:
    axis: int


class Append(Op):
    """kept and new → as many places along the axis as kept has: its last ones, then those of new."""

    name = "append"
    attrs = AppendAttrs
    keeps_qparams = True
    renews = {0: 0}
    dtypes = tuple(Dtype)

    def shape(self, attrs: AppendAttrs, *inputs: Shape) -> Shape:
        (kept, new), axis = inputs, attrs.axis
        if not 0 <= axis < len(kept) or kept[:axis] + kept[axis + 1 :] != new[:axis] + new[axis + 1 :]:
            raise ValueError(f"append along axis {axis} needs equal other axes, got {kept} and {new}")
        if new[axis] > kept[axis]:
            raise ValueError(
                f"append of {new[axis]} places to {kept[axis]} along axis {axis}: fewer have room"
            )
        return kept

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return _appended(call, *inputs)

    def remap(self, attrs: AppendAttrs, order: Shape) -> AppendAttrs:
        return AppendAttrs(order[attrs.axis])

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(axis) if axis != call.attrs.axis else None

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return _appended(call, *inputs)


def _appended(call: Call, kept: Array, new: Array) -> Array:
    axis: int = call.attrs.axis
    return np.take(
        np.concatenate([kept, new], axis),
        np.arange(new.shape[axis], new.shape[axis] + kept.shape[axis]),
        axis,
    )


register(Append())
