"""transpose: the same values with the axes in another order."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape
from .spec import Constants, Op, register


@dataclass(frozen=True)
class TransposeAttrs:
    """NumPy's axes: output axis i is input axis order[i]."""

    order: Shape


class Transpose(Op):
    name = "transpose"
    attrs = TransposeAttrs
    keeps_qparams = True

    def shape(self, attrs: TransposeAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if sorted(attrs.order) != list(range(len(x))):
            raise ValueError(f"transpose by {attrs.order} does not fit shape {x}")
        return tuple(x[axis] for axis in attrs.order)

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return inputs[0].transpose(call.attrs.order)

    def remap(self, attrs: TransposeAttrs, order: Shape) -> TransposeAttrs:
        moved = dict(zip(order, (order[axis] for axis in attrs.order), strict=True))
        return TransposeAttrs(tuple(moved[axis] for axis in range(len(order))))

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {"loops": _loops(call.inputs[0].shape, call.attrs.order), "size": call.output.size}

    def variant(self, call: Call, dsp: bool) -> str:
        """Runs of neighbouring values are copied at once."""
        size, stride = _loops(call.inputs[0].shape, call.attrs.order)[-1]
        return "dsp" if dsp and stride == 1 and size > 1 else ""

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return inputs[0].transpose(call.attrs.order)


def _loops(shape: Shape, order: Shape) -> list[tuple[int, int]]:
    """Nested loops over the output as (size, input stride); axes that stay neighbours become one."""
    strides = [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]
    loops: list[tuple[int, int]] = []
    for axis in order:
        size, stride = shape[axis], strides[axis]
        if size == 1:
            continue
        if loops and loops[-1][1] == size * stride:
            loops[-1] = (loops[-1][0] * size, stride)
        else:
            loops.append((size, stride))
    return loops or [(1, 1)]


register(Transpose())
