"""How do PyTorch's products of matrices read?"""

from collections.abc import Mapping
from math import prod

import numpy as np

from ....ir import Array, Tensor
from ....ops.conv2d import Conv2dAttrs
from ....ops.linear import LinearAttrs
from ....ops.matmul import MatmulAttrs
from ...common.affine import affine
from ...common.arguments import Rule
from ...common.builder import Builder, Value
from ...common.movement import reshaped, transposed
from ...common.repeats import broadcast_shape, expanded
from .arithmetic import from_aten_add
from .choices import from_aten_add_of_masks
from .shapes import from_aten_t


def from_aten_linear(b: Builder, x: Value, weight: Value, bias: Value | None = None) -> Tensor:
    """weight (N, K), or (K,) for one output that has no axis of its own."""
    if isinstance(x, Tensor) and isinstance(weight, np.ndarray) and not isinstance(bias, Tensor):
        return _linear(b, x, weight, bias)
    y = from_aten_matmul(b, x, from_aten_t(b, weight))
    return y if bias is None else from_aten_add(b, y, bias)


def _linear(b: Builder, x: Tensor, weight: Array, bias: Array | None = None) -> Tensor:
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
    b: Builder, bias: Value, x: Value, weight: Value, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · bias + alpha · x @ weight, of matrices or stacks of them."""
    if isinstance(x, Tensor) and (constants := _of_linear(bias, weight)):
        return _linear(b, x, alpha * constants[0], beta * constants[1])
    if isinstance(x, np.ndarray):
        y = from_aten_matmul(b, alpha * x, weight)
    elif isinstance(weight, np.ndarray):
        y = from_aten_matmul(b, x, alpha * weight)
    else:
        y = from_aten_matmul(b, x, weight)
        y = y if alpha == 1 else affine(b, y, alpha, 0.0)
    if beta == 0:
        return y
    if isinstance(bias, np.ndarray):
        return from_aten_add_of_masks(b, y, bias, beta)
    return from_aten_add(b, y, bias, beta)


def _of_linear(bias: Value, weight: Value) -> tuple[Array, Array] | None:
    """The weight and bias of a linear layer, where they are a single matrix and one row over it."""
    if not (isinstance(bias, np.ndarray) and isinstance(weight, np.ndarray)) or weight.ndim != 2:
        return None
    one_row = bias.size in (1, weight.shape[-1]) and bias.shape[-1:] in ((), (bias.size,))
    return (weight.T, bias.ravel()) if one_row else None


def from_aten_matmul(b: Builder, x: Value, other: Value) -> Tensor:
    """x @ other of vectors, matrices or stacks of them."""
    if isinstance(x, Tensor) and isinstance(other, Tensor):
        return _product(b, x, other)
    if isinstance(x, Tensor) and isinstance(other, np.ndarray) and _several(other):
        return _by_several(b, x, other)
    if isinstance(x, np.ndarray) and isinstance(other, Tensor) and _several(x):
        return _several_by(b, x, other)
    if isinstance(x, Tensor):
        assert isinstance(other, np.ndarray)
        matrix = _matrix(other)
        y = _linear(b, x, matrix.T)
        return reshaped(b, y, (*[1] * (max(other.ndim, 2) - max(len(x.shape), 2)), *y.shape))
    assert isinstance(other, Tensor)
    matrix, rank = _matrix(x), len(other.shape)
    if rank == 1:
        y = _linear(b, other, matrix)
        return reshaped(b, y, (*x.shape[:-2], *y.shape))
    turned = (*range(rank - 2), rank - 1, rank - 2)
    y = _linear(b, transposed(b, other, turned), matrix)
    if x.ndim > 1:
        y = transposed(b, y, turned)
    return reshaped(b, y, (*[1] * (max(x.ndim, 2) - max(rank, 2)), *y.shape))


def _product(b: Builder, x: Tensor, other: Tensor) -> Tensor:
    """Of two activations. A vector is a matrix of one row on the left, of one column on the right."""
    left = (1, *x.shape) if len(x.shape) == 1 else x.shape
    right = (*other.shape, 1) if len(other.shape) == 1 else other.shape
    rank = max(len(left), len(right))
    a, c = (
        reshaped(b, tensor, (*[1] * (rank - len(shape)), *shape))
        for tensor, shape in ((x, left), (other, right))
    )
    as_is = tuple(range(rank))
    y = b.add("matmul", MatmulAttrs(as_is, as_is, as_is), a, c)
    rows, columns = x.shape[-2:-1], other.shape[-1:] if len(other.shape) > 1 else ()
    return reshaped(b, y, (*y.shape[:-2], *rows, *columns))


def _by_several(b: Builder, x: Tensor, matrices: Array) -> Tensor:
    """Rows by constant matrices, of which each row has its own: a convolution in groups, 1 wide."""
    rows = reshaped(b, x, (1, *x.shape)) if len(x.shape) == 1 else x
    outer = broadcast_shape("a product of stacks", rows.shape[:-2], matrices.shape[:-2])
    rank = len(outer)
    stack = matrices.reshape(*[1] * (rank + 2 - matrices.ndim), *matrices.shape)
    apart = [axis for axis in range(rank) if stack.shape[axis] > 1]
    together = [axis for axis in range(rank) if stack.shape[axis] == 1]
    full = expanded(b, rows, (*outer, *rows.shape[-2:]))
    inputs, outputs = stack.shape[-2:]
    groups = prod(stack.shape[:-2])
    order = [*together, rank, *apart, rank + 1]
    turned = transposed(b, full, order)
    image = reshaped(b, turned, (1, 1, full.size // (groups * inputs), groups * inputs))
    weight = stack.reshape(groups, inputs, outputs).transpose(0, 2, 1).reshape(groups * outputs, 1, 1, inputs)
    constants = b.constant(f"{b.layer}_weight", weight), b.constant(f"{b.layer}_bias", np.zeros(len(weight)))
    y = b.add("conv2d", Conv2dAttrs(groups=groups), image, *constants)
    y = transposed(b, reshaped(b, y, (*turned.shape[:-1], outputs)), np.argsort(order).tolist())
    return reshaped(b, y, (*outer, *x.shape[-2:-1], outputs))


def _several_by(b: Builder, matrices: Array, x: Tensor) -> Tensor:
    """Constant matrices by columns: what is transposed by what is transposed, in the opposite order."""
    if len(x.shape) == 1:
        return _by_several(b, x, matrices.swapaxes(-1, -2))
    order = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
    y = _by_several(b, transposed(b, x, order), matrices.swapaxes(-1, -2))
    back = (*range(len(y.shape) - 2), len(y.shape) - 1, len(y.shape) - 2)
    return transposed(b, y, back)


def _several(constant: Array) -> bool:
    return any(n > 1 for n in constant.shape[:-2])


def _matrix(constant: Array) -> Array:
    """The only matrix (or vector) of the constant."""
    return constant if constant.ndim < 3 else constant.reshape(constant.shape[-2:])


RULES: Mapping[str, Rule] = {
    "aten.linear.default": from_aten_linear,
    "aten.addmm.default": from_aten_addmm,
    "aten.matmul.default": from_aten_matmul,
    "aten.mm.default": from_aten_matmul,
    "aten.mv.default": from_aten_matmul,
    "aten.bmm.default": from_aten_matmul,
    "aten.dot.default": from_aten_matmul,
    "aten.vdot.default": from_aten_matmul,
    "aten.baddbmm.default": from_aten_addmm,
}
