"""How does chance call enlargements?"""

from collections.abc import Callable
from typing import Any

from .drawing import Draw, Family


def enlarged(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    """By a factor or to a size, which may be a smaller one."""

    def drawn(d: Draw) -> tuple[Any, ...]:
        x, shape = d.spatial(axes + 2)
        if d.maybe(0.5):
            return x, None, [d.choice([1.0, 2.0, 1.7, 0.6]) for _ in range(axes)]
        return x, [max(1, n + d.randint(-2, 4)) for n in shape[2:]], None

    return drawn


def between(axes: int) -> Callable[[Draw], tuple[Any, ...]]:
    """On the lines between values."""

    def drawn(d: Draw) -> tuple[Any, ...]:
        x, sizes, factors = enlarged(axes)(d)
        return x, sizes, d.maybe(0.5), factors

    return drawn


FAMILY = Family(
    {
        **{f"upsample_nearest{n}d.vec": enlarged(n) for n in (1, 2, 3)},
        **{f"_upsample_nearest_exact{n}d.vec": enlarged(n) for n in (1, 2, 3)},
        "upsample_linear1d.vec": between(1),
        "upsample_bilinear2d.vec": between(2),
        "upsample_trilinear3d.vec": between(3),
        "upsample_bicubic2d.vec": between(2),
    },
    weight=2,
)
