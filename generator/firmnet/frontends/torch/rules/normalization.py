"""How do PyTorch's norms read? Those with statistics as a scale and a shift per channel, others whole."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ....ir import Array, Tensor
from ....ops.batch_norm import BatchNormAttrs
from ....ops.layer_norm import LayerNormAttrs
from ...common.affine import scaled
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.images import as_image, as_lines
from ...common.movement import reshaped


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
    line = len(x.shape) == 3 and x.shape[0] == 1  # as an image it meets the convolution before it
    constants = scale, np.broadcast_to(shift, scale.shape)
    y = scaled(b, as_image(b, x) if line else x, BatchNormAttrs(1), *constants)
    return as_lines(b, y, x) if line else y


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
    if training and running_mean is None and running_var is None and x.shape[0] == 1:
        return from_aten_instance_norm(b, x, weight, bias, None, None, True, momentum, eps)
    if training:
        raise Unsupported("it takes the statistics of its input")
    return from_aten_inference(b, x, weight, bias, running_mean, running_var, momentum, eps)


def from_aten_instance_norm(
    b: Builder,
    x: Tensor,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """Each channel of each sample by itself; with the statistics of training it is a batch norm."""
    if not use_input_stats:
        return from_aten_inference(b, x, weight, bias, running_mean, running_var, momentum, eps)
    rank = len(x.shape)
    if rank < 3:
        raise Unsupported(f"statistics of each channel need (1, channels, …, …), got {x.shape}")
    return _normalized(b, x, LayerNormAttrs(tuple(range(2, rank)), (1,), eps), weight, bias)


def from_aten_layer_norm(
    b: Builder,
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    axes = _last(x, normalized_shape)
    return _normalized(b, x, LayerNormAttrs(axes, axes, eps), weight, bias)


def from_aten_rms_norm(
    b: Builder,
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    eps: float | None = None,
) -> Tensor:
    axes = _last(x, normalized_shape)
    least = float(np.finfo(np.float32).eps) if eps is None else eps
    return _normalized(b, x, LayerNormAttrs(axes, axes, least, centred=False), weight, None)


def from_aten_group_norm(
    b: Builder,
    x: Tensor,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Channels (axis 1) in groups; where one is all of them, or each its own, no axis is split."""
    count, channels, *rest = x.shape
    if channels % num_groups:
        raise Unsupported(f"{channels} channels do not fall into {num_groups} groups")
    if num_groups == 1 or (num_groups == channels and rest):
        axes = tuple(range(1 if num_groups == 1 else 2, len(x.shape)))
        return _normalized(b, x, LayerNormAttrs(axes, (1,), eps), weight, bias)
    sizes = num_groups, channels // num_groups
    split = reshaped(b, x, (count, *sizes, *rest))
    gain, shift = (None if c is None else c.reshape(sizes) for c in (weight, bias))
    attrs = LayerNormAttrs(tuple(range(2, len(split.shape))), (1, 2), eps)
    return reshaped(b, _normalized(b, split, attrs, gain, shift), x.shape)


def from_aten_native_group_norm(
    b: Builder,
    x: Tensor,
    weight: Array | None,
    bias: Array | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> Tensor:
    return from_aten_group_norm(b, x, group, weight, bias, eps)


def _last(x: Tensor, sizes: Sequence[int]) -> tuple[int, ...]:
    """The axes of these sizes."""
    return tuple(range(len(x.shape) - len(sizes), len(x.shape)))


def _normalized(
    b: Builder, x: Tensor, attrs: LayerNormAttrs, weight: Array | None, bias: Array | None
) -> Tensor:
    """Without weight and bias there are no gains along any axis."""
    if weight is None and bias is None:
        attrs = replace(attrs, gain_axes=())
    sizes = tuple(x.shape[axis] for axis in attrs.gain_axes) or (1,)
    gain, shift = (np.ones(sizes) if weight is None else weight), (np.zeros(sizes) if bias is None else bias)
    if not (np.isfinite(gain).all() and np.isfinite(shift).all()):
        raise Unsupported("its weight or bias is NaN or infinite: load a good checkpoint")
    constants = b.constant(f"{b.layer}_gain", gain), b.constant(f"{b.layer}_shift", shift)
    return b.add("layer_norm", attrs, x, *constants)


RULES: Mapping[str, Rule] = {
    "aten._native_batch_norm_legit_no_training.default": from_aten_inference,
    "aten.batch_norm.default": from_aten_batch_norm,
    "aten.group_norm.default": from_aten_group_norm,
    "aten.instance_norm.default": from_aten_instance_norm,
    "aten.layer_norm.default": from_aten_layer_norm,
    "aten.native_group_norm.default": from_aten_native_group_norm,
    "aten.native_layer_norm.default": from_aten_layer_norm,
    "aten.rms_norm.default": from_aten_rms_norm,
}
