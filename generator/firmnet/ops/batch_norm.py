"""batch_norm: y = x · scale + shift per channel; it exists until a pass folds it into the layer before."""

from dataclasses import dataclass

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder, Unsupported
from .spec import Op, register


@dataclass(frozen=True)
class BatchNormAttrs:
    """The axis of the channels."""

    axis: int = 1


def from_aten_inference(
    b: Builder,
    x: Tensor,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    momentum: float,
    eps: float,
) -> Tensor:
    if running_mean is None or running_var is None:
        raise Unsupported("batch norm without running statistics: train with track_running_stats=True")
    gain = np.ones(len(running_var)) if weight is None else np.asarray(weight, np.float64)
    scale = gain / np.sqrt(np.asarray(running_var, np.float64) + eps)
    shift = (0.0 if bias is None else np.asarray(bias, np.float64)) - np.asarray(
        running_mean, np.float64
    ) * scale
    constants = b.constant(f"{b.layer}_scale", scale), b.constant(f"{b.layer}_shift", shift)
    return b.add("batch_norm", BatchNormAttrs(1), x, *constants)


def from_aten_batch_norm(
    b: Builder,
    x: Tensor,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    if training:
        raise Unsupported("batch norm in training mode: call model.eval() before the export")
    return from_aten_inference(b, x, weight, bias, running_mean, running_var, momentum, eps)


class BatchNorm(Op):
    """x with C channels on `axis`, scale (C,), shift (C,)."""

    name = "batch_norm"
    attrs = BatchNormAttrs
    sources = {
        "aten._native_batch_norm_legit_no_training.default": from_aten_inference,
        "aten.batch_norm.default": from_aten_batch_norm,
    }
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
