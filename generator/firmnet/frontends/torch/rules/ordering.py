"""How does what PyTorch puts in order read? As a network of minima and maxima, the same for all values."""

from collections.abc import Iterator, Mapping

import numpy as np

from ....ir import Tensor
from ....ops.pick import runs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import part, reshaped
from ...common.places import picked
from .arithmetic import from_aten_maximum, from_aten_minimum
from .choices import from_aten_max_dim, from_aten_min_dim
from .joining import from_aten_cat

MOST_IN_ORDER = 16
"""Values along the axis: so many are compared in ten rounds."""


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
    return part(b, _ordered(b, x, axis, largest), axis, 0, k)


def from_aten_kthvalue(b: Builder, x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Tensor:
    axis = dim % len(x.shape)
    one = part(b, _ordered(b, x, axis, False), axis, k - 1, 1)
    return one if keepdim else reshaped(b, one, (*x.shape[:axis], *x.shape[axis + 1 :]))


def from_aten_median(b: Builder, x: Tensor) -> Tensor:
    return from_aten_median_along(b, reshaped(b, x, (x.size,)), 0)


def from_aten_median_along(b: Builder, x: Tensor, dim: int = -1, keepdim: bool = False) -> Tensor:
    """The one in the middle, of two the lower."""
    return from_aten_kthvalue(b, x, (x.shape[dim] + 1) // 2, dim, keepdim)


def _ordered(b: Builder, x: Tensor, axis: int, descending: bool) -> Tensor:
    """Sorted along an axis. Raises Unsupported where there are more than a few values."""
    n = x.shape[axis]
    if n > MOST_IN_ORDER:
        raise Unsupported(f"{n} values in order: firmnet sorts up to {MOST_IN_ORDER}")
    at = np.arange(n)  # where in x each value now is
    for round_ in comparisons(n):
        first, second = (np.array(places) for places in zip(*round_, strict=True))
        one, other = (picked(b, x, {axis: runs(at[places])}) for places in (first, second))
        parts = [from_aten_minimum(b, one, other), from_aten_maximum(b, one, other)]
        rest = np.setdiff1d(np.arange(n), np.concatenate([first, second]))
        if len(rest):
            parts.append(picked(b, x, {axis: runs(at[rest])}))
        x = from_aten_cat(b, parts, axis)
        at = np.argsort(np.concatenate([first, second, rest]))
    return picked(b, x, {axis: runs(at[::-1] if descending else at)})


def comparisons(n: int) -> Iterator[list[tuple[int, int]]]:
    """Batcher's odd-even merge sort (1968): rounds of pairs (i, j), i < j, of which the less goes to i."""
    span = 1
    while span < n:
        step = span
        while step >= 1:
            pairs = [
                (i + j, i + j + step)
                for j in range(step % span, n - step, 2 * step)
                for i in range(min(step, n - j - step))
                if (i + j) // (2 * span) == (i + j + step) // (2 * span)
            ]
            if pairs:
                yield pairs
            step //= 2
        span *= 2


RULES: Mapping[str, Rule] = {
    "aten.kthvalue.default": from_aten_kthvalue,
    "aten.median.default": from_aten_median,
    "aten.median.dim": from_aten_median_along,
    "aten.sort.default": from_aten_sort,
    "aten.sort.stable": from_aten_stable_sort,
    "aten.topk.default": from_aten_topk,
}
