"""How do PyTorch's activation functions read? Bounds as clamp, scores as softmax."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....ir import Tensor
from ....ops.clamp import ClampAttrs
from ....ops.softmax import SoftmaxAttrs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import reshaped


def from_aten_clamp(b: Builder, x: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    lo, hi = (None if bound is None or not np.isfinite(bound) else float(bound) for bound in (min, max))
    if lo is not None and hi is not None and lo > hi:
        raise Unsupported(f"clamp with min {lo} above max {hi}: swap them")
    return x if lo is None and hi is None else b.add("clamp", ClampAttrs(lo, hi), x)


def from_aten_relu(b: Builder, x: Tensor) -> Tensor:
    return from_aten_clamp(b, x, 0.0)


def from_aten_relu6(b: Builder, x: Tensor) -> Tensor:
    return from_aten_clamp(b, x, 0.0, 6.0)


def from_aten_hardtanh(b: Builder, x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    return from_aten_clamp(b, x, min_val, max_val)


def from_aten_clamp_max(b: Builder, x: Tensor, max: float) -> Tensor:
    return from_aten_clamp(b, x, None, max)


def from_aten_softmax(b: Builder, x: Tensor, dim: int, *options: Any, **keywords: Any) -> Tensor:
    return _along(b, "softmax", x, dim)


def from_aten_log_softmax(b: Builder, x: Tensor, dim: int, *options: Any, **keywords: Any) -> Tensor:
    return _along(b, "log_softmax", x, dim)


def _along(b: Builder, op: str, x: Tensor, dim: int) -> Tensor:
    """A number is a row of one."""
    row = x if x.shape else reshaped(b, x, (1,))
    return reshaped(b, b.add(op, SoftmaxAttrs(dim % len(row.shape)), row), x.shape)


RULES: Mapping[str, Rule] = {
    "aten.relu.default": from_aten_relu,
    "aten.relu6.default": from_aten_relu6,
    "aten.hardtanh.default": from_aten_hardtanh,
    "aten.clamp.default": from_aten_clamp,
    "aten.clip.default": from_aten_clamp,
    "aten.clamp_min.default": from_aten_clamp,
    "aten.clamp_max.default": from_aten_clamp_max,
    "aten.log_softmax.int": from_aten_log_softmax,
    "aten._log_softmax.default": from_aten_log_softmax,
    "aten.softmax.int": from_aten_softmax,
    "aten._softmax.default": from_aten_softmax,
}
