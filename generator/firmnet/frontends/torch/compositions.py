"""Of what are truths, distances, losses and small algebra composed? Torch takes them apart by these.

A function here is traced by torch.export; NotImplemented leaves the operator as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import attention

aten = torch.ops.aten

SomeAxes = int | Sequence[int] | None


def _listed(dim: SomeAxes) -> tuple[int, ...]:
    """None: all, which PyTorch writes as none."""
    return () if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)


def _any(x: Tensor, dim: SomeAxes = None, keepdim: bool = False) -> Tensor:
    truths = x if x.dtype == torch.bool else x != 0
    return truths.amax(_listed(dim), keepdim)


def _all(x: Tensor, dim: SomeAxes = None, keepdim: bool = False) -> Tensor:
    return torch.logical_not(_any(torch.logical_not(x), dim, keepdim))


def _aminmax(x: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    return x.amin(_listed(dim), keepdim), x.amax(_listed(dim), keepdim)


def _bilinear(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x · weight[o] · y for every output o: a linear layer of x, and its products with y added up."""
    outputs, n, m = weight.shape
    rows = F.linear(x, weight.transpose(1, 2).reshape(outputs * m, n))
    each = (rows.reshape(*x.shape[:-1], outputs, m) * y.unsqueeze(-2)).sum(-1)
    return each if bias is None else each + bias


def _cdist(x: Tensor, y: Tensor, p: float = 2.0, compute_mode: int | None = None) -> Tensor:
    """Differences first: what is squared and then subtracted cancels."""
    distance: Tensor = torch.linalg.vector_norm(x.unsqueeze(-2) - y.unsqueeze(-3), p, -1)
    return distance


def _count_nonzero(x: Tensor, dim: SomeAxes = None) -> Tensor:
    return (x != 0).sum(_listed(dim))


def _cross_along(x: Tensor, y: Tensor, dim: int | None = None) -> Tensor:
    """Without an axis, along the first of three entries."""
    return _cross(x, y, dim=x.shape.index(3) if dim is None else dim)


def _cross(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    return x.roll(-1, dim) * y.roll(-2, dim) - x.roll(-2, dim) * y.roll(-1, dim)


def _diff(
    x: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    around = [part for part in (prepend, x, append) if part is not None]
    y = torch.cat(around, dim) if len(around) > 1 else x
    for _ in range(n):
        y = y.narrow(dim, 1, y.shape[dim] - 1) - y.narrow(dim, 0, y.shape[dim] - 1)
    return y


def _dist(x: Tensor, y: Tensor, p: float = 2) -> Tensor:
    distance: Tensor = torch.linalg.vector_norm(x - y, p)
    return distance


def _divided(x: Tensor, divisor: Any, *, rounding_mode: str | None) -> Any:
    """Of whole numbers it stays what it is."""
    if not x.dtype.is_floating_point:
        return NotImplemented
    rounded = {"floor": torch.floor, "trunc": torch.trunc}.get(rounding_mode or "", lambda y: y)
    return rounded(x / divisor)


def _floor_divided(x: Tensor, divisor: Any) -> Any:
    return _divided(x, divisor, rounding_mode="floor")


def _fmod(x: Tensor, divisor: Any) -> Any:
    return x - torch.trunc(x / divisor) * divisor


def _heaviside(x: Tensor, values: Tensor) -> Tensor:
    return (x > 0).to(x.dtype) + (x == 0).to(x.dtype) * values


def _hypot(x: Tensor, y: Tensor) -> Tensor:
    return (x * x + y * y).sqrt()


def _logaddexp(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x, y) + F.softplus(-(x - y).abs())


def _logit(x: Tensor, eps: float | None = None) -> Tensor:
    inside = x if eps is None else x.clamp(eps, 1 - eps)
    return inside.log() - (1 - inside).log()


def _matrix_norm(
    x: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Any:
    if ord != "fro":
        return NotImplemented
    return torch.linalg.vector_norm(x, 2, tuple(dim), keepdim)


def _pdist(x: Tensor, p: float = 2) -> Tensor:
    first, second = torch.triu_indices(len(x), len(x), 1)
    distance: Tensor = torch.linalg.vector_norm(x[first] - x[second], p, -1)
    return distance


def _remainder(x: Tensor, divisor: Tensor) -> Any:
    return x - torch.floor(x / divisor) * divisor if x.dtype.is_floating_point else NotImplemented


def _signbit(x: Tensor) -> Tensor:
    return x < 0


def _trace(x: Tensor) -> Tensor:
    return torch.diagonal(x).sum()


def _tril(x: Tensor, diagonal: int = 0) -> Tensor:
    return x.mT.triu(-diagonal).mT


def _xlogy(x: Tensor, y: Tensor) -> Tensor:
    """0 where x is 0, whatever the logarithm."""
    return x * y.clamp(min=torch.finfo(torch.float32).tiny).log()


def _xor(x: Tensor, y: Tensor) -> Any:
    """Of whole numbers it stays what it is."""
    return x != y if x.dtype == y.dtype == torch.bool else NotImplemented


def _logical_xor(x: Tensor, y: Tensor) -> Tensor:
    return (x != 0) != (y != 0)


MEAN, SUM = 1, 2
"""PyTorch's numbers of how a loss is reduced; 0: not at all."""


def reduced(each: Tensor, reduction: int) -> Tensor:
    return each.mean() if reduction == MEAN else each.sum() if reduction == SUM else each


def _loss(of: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """A function of the difference of two tensors, reduced."""

    def composed(x: Tensor, y: Tensor, reduction: int = MEAN) -> Tensor:
        return reduced(of(x - y), reduction)

    return composed


def _huber(x: Tensor, y: Tensor, reduction: int = MEAN, delta: float = 1.0) -> Tensor:
    """The square near 0, and its tangent beyond delta."""
    far = (x - y).abs()
    near = far.clamp(max=delta)
    return reduced(near * (far - 0.5 * near), reduction)


def _smooth_l1(x: Tensor, y: Tensor, reduction: int = MEAN, beta: float = 1.0) -> Tensor:
    if not beta:
        return reduced((x - y).abs(), reduction)
    far = (x - y).abs()
    near = far.clamp(max=beta)
    return reduced(near * (far - 0.5 * near) / beta, reduction)


def _cross_entropy(x: Tensor, y: Tensor, weight: Tensor | None = None, reduction: int = MEAN) -> Tensor:
    """Of probabilities; logarithms end at -100, as PyTorch has them."""
    each = (y - 1) * (1 - x).log().clamp(min=-100) - y * x.log().clamp(min=-100)
    return reduced(each if weight is None else each * weight, reduction)


def _cross_entropy_of_logits(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = MEAN,
) -> Tensor:
    positive = 1 if pos_weight is None else 1 + (pos_weight - 1) * y
    each = (1 - y) * x - positive * F.logsigmoid(x)
    return reduced(each if weight is None else each * weight, reduction)


COMPOSITIONS: Mapping[Any, Callable[..., Any]] = {
    aten.__xor__.Tensor: _xor,
    aten._sparse_mm.default: torch.mm,
    aten.all.default: _all,
    aten.all.dim: _all,
    aten.all.dims: _all,
    aten.aminmax.default: _aminmax,
    aten.any.default: _any,
    aten.any.dim: _any,
    aten.any.dims: _any,
    aten.bilinear.default: _bilinear,
    aten.binary_cross_entropy.default: _cross_entropy,
    aten.binary_cross_entropy_with_logits.default: _cross_entropy_of_logits,
    aten.bitwise_xor.Tensor: _xor,
    aten.cdist.default: _cdist,
    aten.count_nonzero.default: _count_nonzero,
    aten.count_nonzero.dim_IntList: _count_nonzero,
    aten.cross.default: _cross_along,
    aten.diff.default: _diff,
    aten.dist.default: _dist,
    aten.div.Scalar_mode: _divided,
    aten.div.Tensor_mode: _divided,
    aten.floor_divide.default: _floor_divided,
    aten.floor_divide.Scalar: _floor_divided,
    aten.fmod.Scalar: _fmod,
    aten.fmod.Tensor: _fmod,
    aten.heaviside.default: _heaviside,
    aten.huber_loss.default: _huber,
    aten.hypot.default: _hypot,
    aten.l1_loss.default: _loss(torch.abs),
    aten.linalg_cross.default: _cross,
    aten.linalg_matrix_norm.str_ord: _matrix_norm,
    aten.logaddexp.default: _logaddexp,
    aten.logical_xor.default: _logical_xor,
    aten.logit.default: _logit,
    aten.mse_loss.default: _loss(torch.square),
    aten.pdist.default: _pdist,
    aten.remainder.Tensor: _remainder,
    aten.scaled_dot_product_attention.default: attention,
    aten.signbit.default: _signbit,
    aten.smooth_l1_loss.default: _smooth_l1,
    aten.trace.default: _trace,
    aten.tril.default: _tril,
    aten.xlogy.Tensor: _xlogy,
}
