"""How does chance add up and multiply along an axis?"""

from math import prod
from typing import Any

from .drawing import Draw, Family


def along(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    return x, d.axis(shape)


def factors(d: Draw) -> tuple[Any, ...]:
    """Of numbers whose products stay numbers."""
    x, shape = d.activation(lambda known: len(known.shape) > 0 and max(-known.low, known.high) <= 2)
    return x, d.axis(shape)


def all_factors(d: Draw) -> tuple[Any, ...]:
    """Of so few numbers that the largest product of some is not beyond all that integers span."""
    return d.activation(lambda known: prod(known.shape) <= 60 and max(-known.low, known.high) <= 2)[:1]


FAMILY = Family(
    {
        "cumsum.default": along,
        "cummax.default": along,
        "cummin.default": along,
        "cumprod.default": factors,
        "prod.dim_int": factors,
        "prod.default": all_factors,
    },
    weight=2,
)
