"""How does chance put values in order?"""

from typing import Any

from .drawing import Draw, Family


def largest(d: Draw) -> tuple[Any, ...]:
    """Two or more where there are: where the one largest is, is chance among equals."""
    x, shape = d.ranked(1, 2, 3, 4, 5)
    axis = d.axis(shape)
    count = d.randint(1, min(3, shape[axis]))
    return x, max(count, min(2, shape[axis])), axis


def in_order(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    return x, d.axis(shape)


FAMILY = Family(
    {
        "topk.default": largest,
        "sort.default": lambda d: (*in_order(d), d.maybe(0.5)),
        "argsort.default": lambda d: (*in_order(d), d.maybe(0.5)),
        "median.dim": in_order,
        "kthvalue.default": largest,
    },
    weight=1,
)
