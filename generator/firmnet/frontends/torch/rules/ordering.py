"""How does what PyTorch puts in order read?"""

from collections.abc import Mapping

from ....ir import Tensor
from ....ops.sort import SortAttrs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import part, reshaped
from .choices import from_aten_max_dim, from_aten_min_dim

MOST_IN_ORDER = 4096
"""Values along the axis."""


def from_aten_sort(b: Builder, x: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """The values; where they were is not known."""
    return x if not x.shape else _ordered(b, x, dim % len(x.shape), descending)


def from_aten_stable_sort(
    b: Builder, x: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> Tensor:
    return from_aten_sort(b, x, dim, descending)


def from_aten_topk(
    b: Builder, x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Tensor | list[Tensor]:
    """Of the largest one also where it is."""
    if k == 1:
        return (from_aten_max_dim if largest else from_aten_min_dim)(b, x, dim, True)
    axis = dim % len(x.shape)
    return _ordered(b, x, axis, largest, k)


def from_aten_kthvalue(b: Builder, x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Tensor:
    axis = dim % len(x.shape)
    one = part(b, _ordered(b, x, axis, False, k), axis, k - 1, 1)
    return one if keepdim else reshaped(b, one, (*x.shape[:axis], *x.shape[axis + 1 :]))


def from_aten_median(b: Builder, x: Tensor) -> Tensor:
    return from_aten_median_along(b, reshaped(b, x, (x.size,)), 0)


def from_aten_median_along(b: Builder, x: Tensor, dim: int = -1, keepdim: bool = False) -> Tensor:
    """The one in the middle, of two the lower."""
    return from_aten_kthvalue(b, x, (x.shape[dim] + 1) // 2, dim, keepdim)


def _ordered(b: Builder, x: Tensor, axis: int, descending: bool, count: int | None = None) -> Tensor:
    """Sorted along an axis, the first `count` values. Raises Unsupported where that would take too long."""
    n = x.shape[axis]
    if n > MOST_IN_ORDER:
        raise Unsupported(f"{n:,} values in order: firmnet sorts up to {MOST_IN_ORDER:,}")
    return b.add("sort", SortAttrs(axis, n if count is None else count, descending), x)


RULES: Mapping[str, Rule] = {
    "aten.kthvalue.default": from_aten_kthvalue,
    "aten.median.default": from_aten_median,
    "aten.median.dim": from_aten_median_along,
    "aten.sort.default": from_aten_sort,
    "aten.sort.stable": from_aten_stable_sort,
    "aten.topk.default": from_aten_topk,
}
