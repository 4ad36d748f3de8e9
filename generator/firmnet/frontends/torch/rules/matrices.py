"""How do PyTorch's products with a constant matrix read?"""

from collections.abc import Mapping

import numpy as np

from ....ir import Array, Tensor
from ....ops.linear import LinearAttrs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported, Value
from ...common.movement import reshaped, transposed


def from_aten_linear(b: Builder, x: Tensor, weight: Array, bias: Array | None = None) -> Tensor:
    """weight (N, K), or (K,) for one output that has no axis of its own."""
    rows = np.atleast_2d(weight)
    constants = (
        b.constant(f"{b.layer}_weight", rows),
        b.constant(
            f"{b.layer}_bias", np.zeros(len(rows)) if bias is None else np.broadcast_to(bias, len(rows))
        ),
    )
    ranked = reshaped(b, x, (1, *x.shape)) if len(x.shape) < 2 else x
    y = b.add("linear", LinearAttrs(), ranked, *constants)
    return reshaped(b, y, (*x.shape[:-1], *weight.shape[:-1]))


def from_aten_addmm(
    b: Builder, bias: Array, x: Value, weight: Value, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · bias + alpha · x @ weight, of matrices or stacks of one matrix."""
    if isinstance(weight, Tensor):
        y = from_aten_matmul(b, x if isinstance(x, Tensor) else alpha * x, weight)
        return affine(b, y, 1.0, beta * bias)
    one_row = bias.size in (1, weight.shape[-1]) and bias.shape[-1:] in ((), (bias.size,))
    if isinstance(x, Tensor) and weight.ndim == 2 and one_row:
        return from_aten_linear(b, x, alpha * weight.T, beta * bias.ravel())
    return affine(b, from_aten_matmul(b, x, alpha * weight), 1.0, beta * bias)


def from_aten_matmul(b: Builder, x: Value, other: Value) -> Tensor:
    """x @ other with a constant on either side: a vector, a matrix, or a stack of one matrix."""
    if isinstance(x, Tensor) and isinstance(other, Tensor):
        raise Unsupported("a product of two activations: firmnet needs a constant on one side")
    if isinstance(x, Tensor):
        assert isinstance(other, np.ndarray)
        matrix = _matrix(other)
        y = from_aten_linear(b, x, matrix.T)
        return reshaped(b, y, (*[1] * (max(other.ndim, 2) - max(len(x.shape), 2)), *y.shape))
    assert isinstance(other, Tensor)
    matrix, rank = _matrix(x), len(other.shape)
    if rank == 1:
        y = from_aten_linear(b, other, matrix)
        return reshaped(b, y, (*x.shape[:-2], *y.shape))
    turned = (*range(rank - 2), rank - 1, rank - 2)
    y = from_aten_linear(b, transposed(b, other, turned), matrix)
    if x.ndim > 1:
        y = transposed(b, y, turned)
    return reshaped(b, y, (*[1] * (max(x.ndim, 2) - max(rank, 2)), *y.shape))


def _matrix(constant: Array) -> Array:
    """The only matrix (or vector) of the constant."""
    if any(n > 1 for n in constant.shape[:-2]):
        raise Unsupported(
            f"a constant of shape {constant.shape} is several matrices: multiply by one, as nn.Linear does"
        )
    return constant if constant.ndim < 3 else constant.reshape(constant.shape[-2:])


RULES: Mapping[str, Rule] = {
    "aten.linear.default": from_aten_linear,
    "aten.addmm.default": from_aten_addmm,
    "aten.matmul.default": from_aten_matmul,
    "aten.mm.default": from_aten_matmul,
    "aten.mv.default": from_aten_matmul,
    "aten.bmm.default": from_aten_matmul,
    "aten.baddbmm.default": from_aten_addmm,
}
