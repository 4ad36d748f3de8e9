"""batch_norm: y = x · scale + shift per channel; it exists until a pass folds it into the layer before."""

from dataclasses import dataclass
from math import prod

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder, Unsupported
from .concat import broadcast_shape, expanded
from .reshape import reshaped
from .spec import Op, register


@dataclass(frozen=True)
class BatchNormAttrs:
    """The axis of the channels."""

    axis: int = 1


def affine(b: Builder, x: Tensor, scale: Array | float, shift: Array | float) -> Tensor:
    """x · scale + shift with constants that repeat over x; a batch norm along the axes on which they vary."""
    gain, offset = (np.asarray(constant, np.float64) for constant in (scale, shift))
    shape = broadcast_shape("a constant", x.shape, gain.shape, offset.shape)
    x = expanded(b, x, shape)
    if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
        raise Unsupported("a constant that is NaN or infinite: look for a division by zero")
    first, last = _varying(b, x, gain, offset)
    constants = [
        np.broadcast_to(c, x.shape)[(0,) * first][(..., *(0,) * (len(shape) - 1 - last))].ravel()
        for c in (gain, offset)
    ]
    merged = reshaped(b, x, (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :]))
    return reshaped(b, _scaled(b, merged, BatchNormAttrs(first), *constants), shape)


def _varying(b: Builder, x: Tensor, *constants: Array) -> tuple[int, int]:
    """The first and the last axis on which the constants vary; where they do not, one that may be folded."""
    full = [np.broadcast_to(c, x.shape) for c in constants]
    axes = [axis for axis in range(len(x.shape)) if any(np.ptp(c, axis=axis).any() for c in full)]
    if axes:
        return axes[0], axes[-1]
    made_by = next((node.op for node in b.nodes if node.output == x.name), "")
    axis = len(x.shape) - 1 if made_by == "linear" else min(1, len(x.shape) - 1)
    return axis, axis


def _scaled(b: Builder, x: Tensor, attrs: BatchNormAttrs, scale: Array, shift: Array) -> Tensor:
    constants = b.constant(f"{b.layer}_scale", scale), b.constant(f"{b.layer}_shift", shift)
    return b.add("batch_norm", attrs, x, *constants)


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
    broken = np.flatnonzero(running_var + eps <= 0)
    if len(broken):
        raise Unsupported(
            f"its running variance is {running_var[broken[0]]:.4g} in channel {broken[0]}, and no variance "
            "is negative: load a good checkpoint"
        )
    gain = np.ones(len(running_var)) if weight is None else weight
    scale = gain / np.sqrt(running_var + eps)
    shift = (0.0 if bias is None else bias) - running_mean * scale
    return _scaled(b, x, BatchNormAttrs(1), scale, np.broadcast_to(shift, scale.shape))


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
        raise Unsupported("it takes the statistics of its input")
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
