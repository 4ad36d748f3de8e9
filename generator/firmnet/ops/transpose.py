"""transpose: the same values with the axes in another order."""

from dataclasses import dataclass

from ..ir import Array, Call, Dtype, Shape
from .spec import Constants, Op, Slide, register


@dataclass(frozen=True)
class TransposeAttrs:
    """NumPy's axes: output axis i is input axis order[i]."""

    order: Shape


class Transpose(Op):
    name = "transpose"
    attrs = TransposeAttrs
    keeps_qparams = True
    dtypes = tuple(Dtype)

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

    def slide(self, call: Call, axis: int) -> Slide | None:
        return Slide(call.attrs.order.index(axis))

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return inputs[0].transpose(call.attrs.order)


register(Transpose())
