"""batch_norm: y = x · scale + shift per channel; it exists until a pass folds it into the layer before."""

from dataclasses import dataclass

from ..ir import Array, Call, Shape
from .spec import Op, register


@dataclass(frozen=True)
class BatchNormAttrs:
    """The axis of the channels."""

    axis: int = 1


class BatchNorm(Op):
    """x with C channels on `axis`, scale (C,), shift (C,)."""

    name = "batch_norm"
    attrs = BatchNormAttrs
    float_only = True

    def shape(self, attrs: BatchNormAttrs, *inputs: Shape) -> Shape:
        x, scale, _ = inputs
        if len(x) <= attrs.axis or x[attrs.axis] != scale[0]:
            raise ValueError(f"batch norm of {scale[0]} channels on axis {attrs.axis} got shape {x}")
        return x

    def run_float(self, call: Call, *inputs: Array) -> Array:
        x, scale, shift = inputs
        along = [-1 if axis == call.attrs.axis else 1 for axis in range(x.ndim)]
        y: Array = x * scale.reshape(along) + shift.reshape(along)
        return y

    def remap(self, attrs: BatchNormAttrs, order: Shape) -> BatchNormAttrs:
        return BatchNormAttrs(order[attrs.axis])


register(BatchNorm())
