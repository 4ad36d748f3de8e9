"""How does chance call views and permutations?"""

from math import prod
from typing import Any

from .drawing import Draw, Family, alone


def view(d: Draw) -> tuple[Any, ...]:
    """The same values under sizes in another order, some of them halved; one may be -1."""
    x, shape = d.activation()
    sizes = [n for m in shape for n in ((2, m // 2) if m % 2 == 0 and d.maybe(0.4) else (m,))]
    d.shuffle(sizes)
    if d.maybe(0.3):
        sizes = [1, *(n for n in sizes if n != 1)]
    sizes = sizes if len(sizes) <= 5 else [1, prod(shape)]
    if sizes and d.maybe(0.4):
        sizes[d.randrange(len(sizes))] = -1
    return x, sizes


def flatten(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    start = d.randrange(len(shape))
    return x, start, d.choice([-1, d.randint(start, len(shape) - 1)])


def unflatten(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    factor = d.choice([m for m in range(1, shape[axis] + 1) if shape[axis] % m == 0])
    return x, axis, [factor, d.choice([-1, shape[axis] // factor])]


def of_axis(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.axis(shape)


def of_axes(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.axes(shape)


def unsqueeze(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(0, 1, 2, 3, 4)
    return x, d.randint(-len(shape) - 1, len(shape))


def permute(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    rank = len(shape)
    return x, [axis - rank if d.maybe(0.2) else axis for axis in d.sample(range(rank), rank)]


def transpose(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(2, 3, 4, 5)
    return x, d.axis(shape), d.axis(shape)


def matrix(d: Draw) -> tuple[Any, ...]:
    return (d.ranked(1, 2)[0],)


FAMILY = Family(
    {
        "view.default": view,
        "reshape.default": view,
        "_unsafe_view.default": view,
        "flatten.using_ints": flatten,
        "unflatten.int": unflatten,
        "squeeze.default": alone,
        "squeeze.dim": of_axis,
        "squeeze.dims": of_axes,
        "unsqueeze.default": unsqueeze,
        "permute.default": permute,
        "transpose.int": transpose,
        "t.default": matrix,
        "numpy_T.default": alone,
    },
    weight=6,
)
