"""How does chance call pools and reductions?"""

from collections.abc import Callable
from typing import Any

from .drawing import Draw, Family, alone


def _windows(d: Draw, axes: int) -> tuple[Any, list[int], list[int], list[int]]:
    """An activation, kernel, stride (empty: the kernel) and padding."""
    x, _ = d.spatial(axes + 2)
    kernel = d.each(axes, [1, 2, 2, 3, 3])
    padding = [d.randint(0, k // 2) for k in kernel] if d.maybe(0.4) else [0] * axes
    return x, kernel, d.choice([[], d.each(axes, [1, 2, 3])]), padding


def max_pool(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    return lambda d: (*_windows(d, axes), d.each(axes, [1, 1, 2]), d.maybe(0.4))


def avg_pool(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    def drawn(d: Draw) -> tuple[Any, ...]:
        divisor = [d.choice([None, None, 3])] if axes > 1 else []
        return *_windows(d, axes), d.maybe(0.4), d.maybe(0.5), *divisor

    return drawn


def adaptive(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    def drawn(d: Draw) -> tuple[Any, ...]:
        x, shape = d.spatial(axes + 2)
        sizes = [d.choice([m for m in range(1, n + 1) if n % m == 0 or d.maybe(0.5)]) for n in shape[2:]]
        return x, [1] * axes if d.maybe(0.3) else sizes

    return drawn


def over_axes(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.axes(shape), d.maybe(0.5)


def over_axis(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.axis(shape), d.maybe(0.5)


FAMILY = Family(
    {
        "max_pool1d.default": max_pool(1),
        "max_pool1d_with_indices.default": max_pool(1),
        "max_pool2d.default": max_pool(2),
        "max_pool2d_with_indices.default": max_pool(2),
        "avg_pool1d.default": avg_pool(1),
        "avg_pool2d.default": avg_pool(2),
        "adaptive_avg_pool1d.default": adaptive(1),
        "adaptive_avg_pool2d.default": adaptive(2),
        "_adaptive_avg_pool2d.default": adaptive(2),
        "max_pool3d.default": max_pool(3),
        "max_pool3d_with_indices.default": max_pool(3),
        "avg_pool3d.default": avg_pool(3),
        "adaptive_avg_pool3d.default": adaptive(3),
        "_adaptive_avg_pool3d.default": adaptive(3),
        "adaptive_max_pool3d.default": adaptive(3),
        "adaptive_max_pool1d.default": adaptive(1),
        "adaptive_max_pool2d.default": adaptive(2),
        "mean.dim": over_axes,
        "mean.default": alone,
        "sum.dim_IntList": over_axes,
        "sum.default": alone,
        "amax.default": over_axes,
        "amin.default": over_axes,
        "max.dim": over_axis,
        "min.dim": over_axis,
        "max.default": alone,
        "min.default": alone,
    },
    weight=9,
)
