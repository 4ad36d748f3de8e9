"""How does PyTorch's arithmetic read, element by element, of activations and constants?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....ir import Array, Tensor
from ....ops.add import AddAttrs
from ....ops.clamp import ClampAttrs
from ....ops.div import DivAttrs
from ....ops.functions import single
from ....ops.maximum import MaximumAttrs
from ....ops.mul import MulAttrs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import reshaped
from ...common.repeats import before_expansion, broadcast_shape, expanded
from .norms import normalized

Operand = Tensor | Array | float


def from_aten_add(b: Builder, x: Operand, other: Operand, alpha: float = 1) -> Tensor:
    """x + alpha · other; a constant becomes a shift, which a layer before takes into its bias."""
    if not isinstance(other, Tensor):
        assert isinstance(x, Tensor)
        return affine(b, x, 1.0, alpha * np.asarray(other))
    if not isinstance(x, Tensor):
        return affine(b, other, alpha, x)
    if not alpha:
        return affine(b, x, 1.0, np.zeros(other.shape))
    return _pairwise(b, "add", AddAttrs(b=alpha), x, other, AddAttrs(a=alpha))


def _pairwise(b: Builder, op: str, attrs: Any, x: Tensor, other: Tensor, swapped: Any = None) -> Tensor:
    """The larger first, with the options `swapped` if that is other; the smaller is not copied, for the op
    repeats it by itself.
    """
    if x.size < other.size:
        return _repeating(b, op, swapped or attrs, before_expansion(b, other), x)
    return _repeating(b, op, attrs, before_expansion(b, x), other)


def _repeating(b: Builder, op: str, attrs: Any, x: Tensor, other: Tensor) -> Tensor:
    """x in full, other as it was before it was expanded."""
    shape = broadcast_shape(op, x.shape, other.shape)
    small = before_expansion(b, other)
    ranked = reshaped(b, small, (*[1] * (len(shape) - len(small.shape)), *small.shape))
    return b.add(op, attrs, expanded(b, x, shape), ranked)


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
    """By an activation as the numerator times an entry of a table."""
    if isinstance(other, Tensor):
        if isinstance(x, Tensor):
            by_its_norm = normalized(b, x, other)
            return by_its_norm or _repeating(b, "div", DivAttrs(), x, other)
        return affine(b, b.add("table", single("reciprocal"), other), x, 0.0)
    if not np.all(other):
        raise Unsupported("division by a constant that is zero")
    return from_aten_mul(b, x, 1.0 / np.asarray(other))


def from_aten_neg(b: Builder, x: Tensor) -> Tensor:
    return affine(b, x, -1.0, 0.0)


def from_aten_maximum(b: Builder, x: Operand, other: Operand) -> Tensor:
    return _extreme(b, x, other, smaller=False)


def from_aten_minimum(b: Builder, x: Operand, other: Operand) -> Tensor:
    return _extreme(b, x, other, smaller=True)


def _extreme(b: Builder, x: Operand, other: Operand, smaller: bool) -> Tensor:
    """With one constant a clamp, with one per element a clamp of the difference."""
    if isinstance(x, Tensor) and isinstance(other, Tensor):
        return _pairwise(b, "maximum", MaximumAttrs(smaller), x, other)
    activation, bound = (x, np.asarray(other)) if isinstance(x, Tensor) else (other, np.asarray(x))
    assert isinstance(activation, Tensor)
    if not np.isfinite(bound).all():
        raise Unsupported("a bound per element that is NaN or infinite: leave it out")
    if not np.ptp(bound):
        limit = float(bound.flat[0])
        shape = broadcast_shape("a bound", activation.shape, bound.shape)
        clamp = ClampAttrs(None, limit) if smaller else ClampAttrs(limit, None)
        return b.add("clamp", clamp, expanded(b, activation, shape))
    clamp = ClampAttrs(None, 0.0) if smaller else ClampAttrs(0.0, None)
    return affine(b, b.add("clamp", clamp, affine(b, activation, 1.0, -bound)), 1.0, bound)


def from_aten_clamp_tensor(
    b: Builder, x: Tensor, min: Operand | None = None, max: Operand | None = None
) -> Tensor:
    lower = x if min is None else from_aten_maximum(b, x, min)
    return lower if max is None else from_aten_minimum(b, lower, max)


def from_aten_clamp_max_tensor(b: Builder, x: Tensor, max: Operand) -> Tensor:
    return from_aten_minimum(b, x, max)


RULES: Mapping[str, Rule] = {
    "aten.add.Scalar": from_aten_add,
    "aten.sub.Tensor": from_aten_sub,
    "aten.sub.Scalar": from_aten_sub,
    "aten.subtract.Tensor": from_aten_sub,
    "aten.rsub.Tensor": from_aten_rsub,
    "aten.rsub.Scalar": from_aten_rsub,
    "aten.mul.Tensor": from_aten_mul,
    "aten.mul.Scalar": from_aten_mul,
    "aten.multiply.Tensor": from_aten_mul,
    "aten.maximum.default": from_aten_maximum,
    "aten.max.other": from_aten_maximum,
    "aten.fmax.default": from_aten_maximum,
    "aten.minimum.default": from_aten_minimum,
    "aten.min.other": from_aten_minimum,
    "aten.fmin.default": from_aten_minimum,
    "aten.clamp.Tensor": from_aten_clamp_tensor,
    "aten.clip.Tensor": from_aten_clamp_tensor,
    "aten.clamp_min.Tensor": from_aten_maximum,
    "aten.clamp_max.Tensor": from_aten_clamp_max_tensor,
    "aten.div.Tensor": from_aten_div,
    "aten.div.Scalar": from_aten_div,
    "aten.divide.Tensor": from_aten_div,
    "aten.true_divide.Tensor": from_aten_div,
    "aten.neg.default": from_aten_neg,
    "aten.negative.default": from_aten_neg,
}
