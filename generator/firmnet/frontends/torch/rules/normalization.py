"""How does PyTorch's batch norm read? As a scale and a shift per channel."""

from collections.abc import Mapping

import numpy as np

from ....ir import Array, Tensor
from ....ops.batch_norm import BatchNormAttrs
from ...common.affine import scaled
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.images import as_image, as_line


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
    return as_line(b, y) if line else y


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


RULES: Mapping[str, Rule] = {
    "aten._native_batch_norm_legit_no_training.default": from_aten_inference,
    "aten.batch_norm.default": from_aten_batch_norm,
}
