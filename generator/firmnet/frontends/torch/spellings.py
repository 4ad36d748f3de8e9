"""Which operators are other spellings of what firmnet has? torch takes them apart before the import."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, reduce
from math import isfinite
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._C import DispatchKey
from torch._decomp import get_decompositions
from torch.export import default_decompositions

from . import compositions
from .rules import RULES

aten = torch.ops.aten

COMPOSED = (
    aten.block_diag.default,
    aten.cumulative_trapezoid.dx,
    aten.einsum.default,
    aten.gradient.scalarint,
    aten.kl_div.default,
    aten.kron.default,
    aten.tensordot.default,
    aten.trapezoid.dx,
)
"""Operators that PyTorch itself composes of others."""

TABLED = (
    aten.addcmul,
    aten.channel_shuffle,
    aten.deg2rad,
    aten.pixel_shuffle,
    aten.pixel_unshuffle,
    aten.rad2deg,
)
"""Operators that torch's own table of decompositions knows."""

TORN = (aten.hardshrink.default, aten.softshrink.default)
"""Operators that torch takes apart wherever it decomposes any."""


@contextmanager
def left_whole() -> Iterator[None]:
    """Functions of one value stay what they are called meanwhile, also in torch's own hands."""
    key = DispatchKey.Autograd
    kept = {operator: operator.py_kernels.pop(key) for operator in TORN if key in operator.py_kernels}
    try:
        for operator in kept:
            operator._dispatch_cache.clear()
        yield
    finally:
        for operator, kernel in kept.items():
            operator.py_kernels[key] = kernel
            operator._dispatch_cache.clear()


@cache
def spellings() -> Mapping[Any, Callable[..., Any]]:
    """Operator → what it is composed of, for ExportedProgram.run_decompositions; none that has a rule."""
    table = default_decompositions()
    composed = {operator: table[operator] for operator in COMPOSED}
    known = {**composed, **get_decompositions(TABLED), **compositions.COMPOSITIONS, **OWN}
    return {operator: spelled for operator, spelled in known.items() if str(operator) not in RULES}


def _addbmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return beta * bias + alpha * torch.bmm(a, b).sum(0)


def _addcdiv(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    return x + a / b * value


def _argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    return torch.argmax(-x, dim, keepdim)


def _broadcast_tensors(tensors: list[Tensor]) -> list[Tensor]:
    shape: torch.Size = torch.broadcast_shapes(*[x.shape for x in tensors])  # type: ignore[no-untyped-call]
    return [x.expand(shape) if x.shape != shape else x.clone() for x in tensors]


def _column_stack(parts: list[Tensor]) -> Tensor:
    return torch.cat([part if part.ndim > 1 else part.reshape(-1, 1) for part in parts], 1)


def _cosine_similarity(x: Tensor, y: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    return (F.normalize(x, dim=dim, eps=eps) * F.normalize(y, dim=dim, eps=eps)).sum(dim)


def _dstack(parts: list[Tensor]) -> Tensor:
    ranked = [part.reshape(1, -1) if part.ndim < 2 else part for part in parts]
    return torch.cat([part.unsqueeze(2) if part.ndim < 3 else part for part in ranked], 2)


def _glu(x: Tensor, dim: int = -1) -> Tensor:
    values, gates = x.chunk(2, dim)
    return values * gates.sigmoid()


def _hstack(parts: list[Tensor]) -> Tensor:
    return torch.cat(
        [part.reshape(-1) if part.ndim < 2 else part for part in parts], 1 if parts[0].ndim > 1 else 0
    )


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return a @ (b.mT if b.ndim > 1 else b)


def _lerp(a: Tensor, b: Tensor, weight: float) -> Tensor:
    return a * (1 - weight) + b * weight


def _lerp_by_each(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    return a * (1 - weight) + b * weight


def _logsumexp(x: Tensor, dim: list[int], keepdim: bool = False) -> Tensor:
    most = x.amax(dim, keepdim=True)
    y = (x - most).exp().sum(dim, keepdim=True).log() + most
    return y if keepdim else y.squeeze(dim)


def _multiplied(matrices: list[Tensor]) -> Tensor:
    return reduce(torch.matmul, matrices)


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return torch.mm(a.unsqueeze(1), b.unsqueeze(0))


def _pairwise_distance(
    x: Tensor, y: Tensor, p: float = 2, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    distance: Tensor = torch.linalg.vector_norm(x - y + eps, p, -1, keepdim)
    return distance


def _repeat_interleave(
    x: Tensor, repeats: int, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    flat, axis = (x.reshape(-1), 0) if dim is None else (x, dim % x.ndim)
    sizes = [repeats if i == axis + 1 else -1 for i in range(flat.ndim + 1)]
    return flat.unsqueeze(axis + 1).expand(sizes).flatten(axis, axis + 1)


def _both(x: Tensor, y: Tensor) -> Any:
    """& of truths; of whole numbers it stays what it is."""
    return torch.logical_and(x, y) if x.dtype == y.dtype == torch.bool else NotImplemented


def _either(x: Tensor, y: Tensor) -> Any:
    return torch.logical_or(x, y) if x.dtype == y.dtype == torch.bool else NotImplemented


def _opposite(x: Tensor) -> Any:
    return torch.logical_not(x) if x.dtype == torch.bool else NotImplemented


def _one_of_two(condition: Tensor, x: float, y: float) -> Any:
    """Of finite numbers; another stays what it is, which a constant condition may have."""
    if not (isfinite(x) and isfinite(y)):
        return NotImplemented
    return condition.float() * (x - y) + y


def _std_mean(x: Tensor, dim: list[int] | None, unbiased: bool = True, keepdim: bool = False) -> Any:
    return _std_mean_corrected(x, dim, correction=int(unbiased), keepdim=keepdim)


def _std_mean_corrected(
    x: Tensor, dim: list[int] | None = None, *, correction: float | None = None, keepdim: bool = False
) -> Any:
    mean = x.mean(dim, keepdim) if dim else x.mean(list(range(x.ndim)), keepdim)
    return torch.std(x, dim, correction=1 if correction is None else correction, keepdim=keepdim), mean


def _var_mean(x: Tensor, dim: list[int] | None, unbiased: bool = True, keepdim: bool = False) -> Any:
    return _var_mean_corrected(x, dim, correction=int(unbiased), keepdim=keepdim)


def _var_mean_corrected(
    x: Tensor, dim: list[int] | None = None, *, correction: float | None = None, keepdim: bool = False
) -> Any:
    mean = x.mean(dim, keepdim) if dim else x.mean(list(range(x.ndim)), keepdim)
    return torch.var(x, dim, correction=1 if correction is None else correction, keepdim=keepdim), mean


def _vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    return (x * y).sum(dim)


def _vstack(parts: list[Tensor]) -> Tensor:
    return torch.cat([part if part.ndim > 1 else part.reshape(1, -1) for part in parts], 0)


def _tile(x: Tensor, dims: list[int]) -> Tensor:
    return x.repeat(*[1] * (x.ndim - len(dims)), *dims)


OWN: Mapping[Any, Callable[..., Any]] = {
    aten.__and__.Tensor: _both,
    aten.__or__.Tensor: _either,
    aten.addbmm.default: _addbmm,
    aten.addcdiv.default: _addcdiv,
    aten.argmin.default: _argmin,
    aten.bitwise_and.Tensor: _both,
    aten.bitwise_not.default: _opposite,
    aten.bitwise_or.Tensor: _either,
    aten.broadcast_tensors.default: _broadcast_tensors,
    aten.chain_matmul.default: _multiplied,
    aten.column_stack.default: _column_stack,
    aten.cosine_similarity.default: _cosine_similarity,
    aten.dstack.default: _dstack,
    aten.glu.default: _glu,
    aten.hstack.default: _hstack,
    aten.inner.default: _inner,
    aten.lerp.Scalar: _lerp,
    aten.lerp.Tensor: _lerp_by_each,
    aten.linalg_multi_dot.default: _multiplied,
    aten.linalg_vecdot.default: _vecdot,
    aten.logsumexp.default: _logsumexp,
    aten.outer.default: _outer,
    aten.pairwise_distance.default: _pairwise_distance,
    aten.repeat_interleave.self_int: _repeat_interleave,
    aten.row_stack.default: _vstack,
    aten.std_mean.correction: _std_mean_corrected,
    aten.std_mean.dim: _std_mean,
    aten.tile.default: _tile,
    aten.var_mean.correction: _var_mean_corrected,
    aten.var_mean.dim: _var_mean,
    aten.vstack.default: _vstack,
    aten.where.Scalar: _one_of_two,
}
"""Operators for which we say it, because torch keeps them whole."""
