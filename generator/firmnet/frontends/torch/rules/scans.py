"""How do PyTorch's running sums, products and extremes along an axis read, and the product of all of it?"""

from collections.abc import Callable, Mapping
from math import ceil, isqrt
from typing import Any

import numpy as np

from ....ir import Tensor
from ....ops.pad import PadAttrs
from ....ops.pick import FILL, runs
from ...common.arguments import Rule
from ...common.builder import Builder
from ...common.movement import part, reshaped, transposed
from ...common.places import picked
from .arithmetic import from_aten_add, from_aten_maximum, from_aten_minimum, from_aten_mul
from .matrices import from_aten_matmul

MOST_AT_ONCE = 128
"""Entries of a running sum that one matrix of ones adds up; of more, blocks."""

Pairwise = Callable[[Builder, Tensor, Tensor], Tensor]


def from_aten_cumsum(b: Builder, x: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """A linear layer along the axis whose weights are a triangle of ones."""
    rank = len(x.shape)
    if not rank:
        return x
    order = list(range(rank))
    order[dim], order[-1] = order[-1], order[dim]
    return transposed(b, _running_sum(b, transposed(b, x, order)), order)


def _running_sum(b: Builder, x: Tensor) -> Tensor:
    """Along the last axis. Of a long one in blocks, and what comes before each block is added."""
    n = x.shape[-1]
    if n <= MOST_AT_ONCE:
        return from_aten_matmul(b, x, np.triu(np.ones((n, n))))
    size = isqrt(n - 1) + 1
    count = ceil(n / size)
    outer = x.shape[:-1]
    zeros = (0,) * len(outer)
    padded = b.add("pad", PadAttrs((*zeros, 0), (*zeros, count * size - n)), x) if count * size > n else x
    within = _running_sum(b, reshaped(b, padded, (*outer, count, size)))
    totals = reshaped(b, part(b, within, len(outer) + 1, size - 1, 1), (*outer, count))
    before = from_aten_matmul(b, totals, np.triu(np.ones((count, count)), 1))
    y = from_aten_add(b, within, reshaped(b, before, (*outer, count, 1)))
    return part(b, reshaped(b, y, (*outer, count * size)), len(outer), 0, n)


def from_aten_cumprod(b: Builder, x: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    return _scanned(b, x, dim, from_aten_mul, lambda at: np.where(at < 0, FILL, at))


def from_aten_cummax(b: Builder, x: Tensor, dim: int) -> Tensor:
    return _scanned(b, x, dim, from_aten_maximum, lambda at: np.maximum(at, 0))


def from_aten_cummin(b: Builder, x: Tensor, dim: int) -> Tensor:
    return _scanned(b, x, dim, from_aten_minimum, lambda at: np.maximum(at, 0))


def _scanned(b: Builder, x: Tensor, dim: int, pairwise: Pairwise, before: Callable[..., Any]) -> Tensor:
    """Each entry with the one 1, 2, 4, … before it, or with what is `before` the first."""
    if not x.shape:
        return x
    axis = dim % len(x.shape)
    distance, n = 1, x.shape[axis]
    while distance < n:
        earlier = picked(b, x, {axis: runs(before(np.arange(n) - distance))}, 1.0)
        x = pairwise(b, x, earlier)
        distance *= 2
    return x


def from_aten_prod(b: Builder, x: Tensor, *, dtype: Any = None) -> Tensor:
    return from_aten_prod_along(b, reshaped(b, x, (x.size,)), 0)


def from_aten_prod_along(
    b: Builder, x: Tensor, dim: int, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The first half times the second, until one is left."""
    if not x.shape:
        return x
    axis = dim % len(x.shape)
    kept = (*x.shape[:axis], *x.shape[axis + 1 :])
    while (n := x.shape[axis]) > 1:
        if n % 2:  # the last one meets a factor of 1
            x = picked(b, x, {axis: runs([*range(n), FILL])}, 1.0)
        half = x.shape[axis] // 2
        x = from_aten_mul(b, part(b, x, axis, 0, half), part(b, x, axis, half, half))
    return x if keepdim else reshaped(b, x, kept)


RULES: Mapping[str, Rule] = {
    "aten.cummax.default": from_aten_cummax,
    "aten.cummin.default": from_aten_cummin,
    "aten.cumprod.default": from_aten_cumprod,
    "aten.cumsum.default": from_aten_cumsum,
    "aten.prod.default": from_aten_prod,
    "aten.prod.dim_int": from_aten_prod_along,
}
