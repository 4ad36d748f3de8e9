"""How does PyTorch's arithmetic read, element by element, of activations and constants?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....ir import Array, Tensor
from ....ops.add import AddAttrs
from ....ops.mul import MulAttrs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import reshaped
from ...common.repeats import before_expansion, broadcast_shape, expanded

Operand = Tensor | Array | float


def from_aten_add(b: Builder, x: Operand, other: Operand, alpha: float = 1) -> Tensor:
    """x + alpha · other; a constant becomes a shift, which a layer before takes into its bias."""
    if not isinstance(other, Tensor):
        assert isinstance(x, Tensor)
        return affine(b, x, 1.0, alpha * np.asarray(other))
    if not isinstance(x, Tensor):
        return affine(b, other, alpha, x)
    return _pairwise(b, "add", AddAttrs(), x, other if alpha == 1 else affine(b, other, alpha, 0.0))


def _pairwise(b: Builder, op: str, attrs: Any, x: Tensor, other: Tensor) -> Tensor:
    """The larger first; the smaller is not copied, for the op repeats it by itself."""
    shape = broadcast_shape(op, x.shape, other.shape)
    large, small = (before_expansion(b, t) for t in ((other, x) if x.size < other.size else (x, other)))
    ranked = reshaped(b, small, (*[1] * (len(shape) - len(small.shape)), *small.shape))
    return b.add(op, attrs, expanded(b, large, shape), ranked)


def from_aten_sub(b: Builder, x: Operand, other: Operand, alpha: float = 1) -> Tensor:
    return from_aten_add(b, x, other, -alpha)


def from_aten_rsub(b: Builder, x: Operand, other: Operand, alpha: float = 1) -> Tensor:
    return from_aten_sub(b, other, x, alpha)


def from_aten_mul(b: Builder, x: Operand, other: Operand) -> Tensor:
    """A constant factor becomes a scale, which a layer before takes into its weights."""
    if not isinstance(other, Tensor):
        assert isinstance(x, Tensor)
        return affine(b, x, other, 0.0)
    if not isinstance(x, Tensor):
        return affine(b, other, x, 0.0)
    return _pairwise(b, "mul", MulAttrs(), x, other)


def from_aten_div(b: Builder, x: Operand, other: Operand) -> Tensor:
    if isinstance(other, Tensor):
        raise Unsupported("dividing by an activation: divide by a constant, or multiply by a gate")
    if not np.all(other):
        raise Unsupported("division by a constant that is zero")
    return from_aten_mul(b, x, 1.0 / np.asarray(other))


def from_aten_neg(b: Builder, x: Tensor) -> Tensor:
    return affine(b, x, -1.0, 0.0)


RULES: Mapping[str, Rule] = {
    "aten.add.Tensor": from_aten_add,
    "aten.add.Scalar": from_aten_add,
    "aten.sub.Tensor": from_aten_sub,
    "aten.sub.Scalar": from_aten_sub,
    "aten.subtract.Tensor": from_aten_sub,
    "aten.rsub.Tensor": from_aten_rsub,
    "aten.rsub.Scalar": from_aten_rsub,
    "aten.mul.Tensor": from_aten_mul,
    "aten.mul.Scalar": from_aten_mul,
    "aten.multiply.Tensor": from_aten_mul,
    "aten.div.Tensor": from_aten_div,
    "aten.div.Scalar": from_aten_div,
    "aten.divide.Tensor": from_aten_div,
    "aten.true_divide.Tensor": from_aten_div,
    "aten.neg.default": from_aten_neg,
    "aten.negative.default": from_aten_neg,
}
