"""reshape: the same bytes under another shape; it costs nothing on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array, Call, Shape, Tensor
from .builder import Builder, Unsupported
from .spec import Constants, Op, register

Value = Tensor | Array


@dataclass(frozen=True)
class ReshapeAttrs:
    shape: Shape


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


def reshaped(b: Builder, x: Tensor, shape: Sequence[int]) -> Tensor:
    """A view on the way to or from the layer being imported."""
    sizes = tuple(int(n) for n in shape)
    return x if sizes == x.shape else b.add("reshape", ReshapeAttrs(sizes), x, name=f"{b.layer}_view")


def from_aten_identity(b: Builder, x: Value, *options: Any, **keywords: Any) -> Value:
    """Copies and checks that mean nothing in a graph of values."""
    return x


def from_aten_dropout(b: Builder, x: Value, p: float = 0.5, train: bool = False) -> Value:
    if train:
        raise Unsupported("dropout in training mode")
    return x


def from_aten_to_copy(b: Builder, x: Value, dtype: Any = None, *options: Any, **keywords: Any) -> Value:
    if dtype is not None and str(dtype) not in ("torch.float32", "torch.float64"):
        raise Unsupported(f"conversion to {dtype}")
    return x


class Reshape(Op):
    """Also the home of the operators that vanish: clone, contiguous, dropout."""

    name = "reshape"
    attrs = ReshapeAttrs
    sources = {
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
        "aten.type_as.default": from_aten_identity,
        "aten.dropout.default": from_aten_dropout,
        "aten.feature_dropout.default": from_aten_dropout,
        "aten.alpha_dropout.default": from_aten_dropout,
        "aten._to_copy.default": from_aten_to_copy,
        "aten.to.dtype": from_aten_to_copy,
    }
    view = True
    keeps_qparams = True

    def shape(self, attrs: ReshapeAttrs, *inputs: Shape) -> Shape:
        (x,) = inputs
        if np.prod(attrs.shape, dtype=np.int64) != np.prod(x, dtype=np.int64):
            raise ValueError(f"reshape to {attrs.shape} does not fit shape {x}")
        return attrs.shape

    def run_float(self, call: Call, *inputs: Array) -> Array:
        return inputs[0].reshape(call.attrs.shape)

    def prepare(self, call: Call) -> Constants:
        self.require_shared_qparams(call)
        return {}

    def run_int(self, call: Call, k: Constants, *inputs: Array) -> Array:
        return inputs[0].reshape(call.attrs.shape)


register(Reshape())
