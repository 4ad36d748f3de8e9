"""How do PyTorch's views, permutations and copies read?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....ir import Array, Tensor
from ....ops.compare import CompareAttrs
from ....ops.functions import single
from ....ops.reshape import ReshapeAttrs
from ....ops.transpose import TransposeAttrs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported, Value

WHOLE_TYPES = ("torch.int16", "torch.int32", "torch.int64")
"""Types of numbers that hold all that int8 activations stand for, but for what is behind the point."""


def from_aten_view(b: Builder, x: Value, shape: Sequence[int]) -> Value:
    """One size may be -1: whatever is left."""
    size = int(np.prod(x.shape, dtype=np.int64))
    known = int(np.prod([int(n) for n in shape if n != -1], dtype=np.int64))
    sizes = tuple(int(n) if n != -1 else size // known for n in shape)
    if isinstance(x, np.ndarray):
        return x.reshape(sizes)
    return x if sizes == x.shape else b.add("reshape", ReshapeAttrs(sizes), x)


def from_aten_flatten(b: Builder, x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    start, end = start_dim % len(x.shape), end_dim % len(x.shape)
    return from_aten_view(b, x, (*x.shape[:start], -1, *x.shape[end + 1 :]))


def from_aten_unflatten(b: Builder, x: Value, dim: int, sizes: Sequence[int]) -> Value:
    dim %= len(x.shape)
    return from_aten_view(b, x, (*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


def from_aten_squeeze(b: Builder, x: Value, dims: int | Sequence[int] | None = None) -> Value:
    listed = range(len(x.shape)) if dims is None else (dims,) if isinstance(dims, int) else dims
    gone = {int(d) % len(x.shape) for d in listed}
    return from_aten_view(b, x, [n for axis, n in enumerate(x.shape) if axis not in gone or n != 1])


def from_aten_unsqueeze(b: Builder, x: Value, dim: int) -> Value:
    sizes = list(x.shape)
    sizes.insert(dim % (len(sizes) + 1), 1)
    return from_aten_view(b, x, sizes)


def from_aten_identity(b: Builder, x: Value, *options: Any, **keywords: Any) -> Value:
    """Copies and checks that mean nothing in a graph of values."""
    return x


def from_aten_dropout(b: Builder, x: Value, p: float = 0.5, train: bool = False) -> Value:
    if train:
        raise Unsupported("dropout in training mode")
    return x


def from_aten_to_copy(b: Builder, x: Value, dtype: Any = None, *options: Any, **keywords: Any) -> Value:
    """To whole numbers cuts off what is behind the point; to truths asks what is not zero."""
    if dtype is None or str(dtype) in ("torch.float32", "torch.float64"):
        return x
    if isinstance(x, Tensor) and str(dtype) == "torch.bool":
        return b.add("compare", CompareAttrs("ne", 0.0), x)
    if isinstance(x, Tensor) and str(dtype) in WHOLE_TYPES:
        return b.add("table", single("trunc"), x)
    raise Unsupported(f"conversion to {dtype}")


def from_aten_permute(b: Builder, x: Tensor | Array, dims: Sequence[int]) -> Tensor | Array:
    order = tuple(int(d) % len(x.shape) for d in dims)
    if isinstance(x, np.ndarray):
        return x.transpose(order)
    return x if order == tuple(range(len(order))) else b.add("transpose", TransposeAttrs(order), x)


def from_aten_transpose(b: Builder, x: Tensor | Array, dim0: int, dim1: int) -> Tensor | Array:
    order = list(range(len(x.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return from_aten_permute(b, x, order)


def from_aten_t(b: Builder, x: Tensor | Array) -> Tensor | Array:
    return from_aten_permute(b, x, range(len(x.shape))[::-1])


RULES: Mapping[str, Rule] = {
    "aten.view.default": from_aten_view,
    "aten.reshape.default": from_aten_view,
    "aten._unsafe_view.default": from_aten_view,
    "aten.flatten.using_ints": from_aten_flatten,
    "aten.unflatten.int": from_aten_unflatten,
    "aten.squeeze.default": from_aten_squeeze,
    "aten.squeeze.dim": from_aten_squeeze,
    "aten.squeeze.dims": from_aten_squeeze,
    "aten.unsqueeze.default": from_aten_unsqueeze,
    "aten.clone.default": from_aten_identity,
    "aten.contiguous.default": from_aten_identity,
    "aten.alias.default": from_aten_identity,
    "aten.detach.default": from_aten_identity,
    "aten.detach_.default": from_aten_identity,
    "aten.lift_fresh_copy.default": from_aten_identity,
    "aten.nan_to_num.default": from_aten_identity,
    "aten.type_as.default": from_aten_identity,
    "aten.dropout.default": from_aten_dropout,
    "aten.feature_dropout.default": from_aten_dropout,
    "aten.alpha_dropout.default": from_aten_dropout,
    "aten._to_copy.default": from_aten_to_copy,
    "aten.to.dtype": from_aten_to_copy,
    "aten.permute.default": from_aten_permute,
    "aten.transpose.int": from_aten_transpose,
    "aten.t.default": from_aten_t,
    "aten.numpy_T.default": from_aten_t,
}
