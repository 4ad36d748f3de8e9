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


def from_aten_sort(b: Builder, x: Tensor, dim: int = -1, descending: bool = False) -> list[Tensor]:
    """The values, and where they were, of equals the first first."""
    if not x.shape:
        return [reshaped(b, each, ()) for each in from_aten_sort(b, reshaped(b, x, (1,)), 0, descending)]
    return _in_order(b, x, dim % len(x.shape), descending, x.shape[dim])


def from_aten_stable_sort(
    b: Builder, x: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> list[Tensor]:
    return from_aten_sort(b, x, dim, descending)


def from_aten_argsort(b: Builder, x: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    return from_aten_sort(b, x, dim, descending)[1]


def from_aten_stable_argsort(
    b: Builder, x: Tensor, *, stable: bool, dim: int = -1, descending: bool = False
) -> Tensor:
    return from_aten_sort(b, x, dim, descending)[1]


def from_aten_topk(
    b: Builder, x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> list[Tensor]:
    if k == 1:
        return (from_aten_max_dim if largest else from_aten_min_dim)(b, x, dim, True)
    return _in_order(b, x, dim % len(x.shape), largest, k)


def from_aten_kthvalue(b: Builder, x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Tensor:
    axis = dim % len(x.shape)
    _require_few(x, axis)
    one = part(b, b.add("sort", SortAttrs(axis, k), x), axis, k - 1, 1)
    return one if keepdim else reshaped(b, one, (*x.shape[:axis], *x.shape[axis + 1 :]))


def from_aten_median(b: Builder, x: Tensor) -> Tensor:
    return from_aten_median_along(b, reshaped(b, x, (x.size,)), 0)


def from_aten_median_along(b: Builder, x: Tensor, dim: int = -1, keepdim: bool = False) -> Tensor:
    """The one in the middle, of two the lower."""
    return from_aten_kthvalue(b, x, (x.shape[dim] + 1) // 2, dim, keepdim)


def _in_order(b: Builder, x: Tensor, axis: int, descending: bool, count: int) -> list[Tensor]:
    """The first `count` values along an axis, and their places."""
    _require_few(x, axis)
    attrs = SortAttrs(axis, count, descending)
    return [b.add("sort", attrs, x), b.add("argsort", attrs, x)]


def _require_few(x: Tensor, axis: int) -> None:
    if x.shape[axis] > MOST_IN_ORDER:
        raise Unsupported(f"{x.shape[axis]:,} values in order: firmnet sorts up to {MOST_IN_ORDER:,}")


RULES: Mapping[str, Rule] = {
    "aten.argsort.default": from_aten_argsort,
    "aten.argsort.stable": from_aten_stable_argsort,
    "aten.kthvalue.default": from_aten_kthvalue,
    "aten.median.default": from_aten_median,
    "aten.median.dim": from_aten_median_along,
    "aten.sort.default": from_aten_sort,
    "aten.sort.stable": from_aten_stable_sort,
    "aten.topk.default": from_aten_topk,
}
