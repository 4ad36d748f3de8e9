"""How does chance write into parts?"""

from typing import Any

from .drawing import At, Constant, Draw, Family


def slice_scatter(d: Draw) -> tuple[Any, ...]:
    """A part of an activation or of a constant becomes another."""
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    length = d.randint(1, shape[axis])
    first = d.randint(0, shape[axis] - length)
    part = [*shape]
    part[axis] = length
    if d.maybe(0.3):
        whole = [*shape]
        whole[axis] += first
        return d.constant(*whole), x, axis, first
    return x, _shaped(d, tuple(part)), axis, first, first + length


def select_scatter(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape) % len(shape)
    if d.maybe(0.3):
        n = d.randint(1, 3)
        return d.constant(*shape[:axis], n, *shape[axis:]), x, axis, d.randrange(n)
    return x, _shaped(d, (*shape[:axis], *shape[axis + 1 :])), axis, d.randrange(shape[axis])


def copied(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    return d.constant(*(n if n > 1 else d.choice([1, 3]) for n in shape)), x


def along_axis(d: Draw) -> tuple[At, int, Constant, tuple[int, ...]]:
    """x, an axis, distinct places along it, and the shape of what goes there."""
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    places = d.places(shape[axis], d.randint(1, 3))
    part = [*shape]
    part[axis] = places.shape[0]
    return x, axis, places, tuple(part)


def index_add(d: Draw) -> tuple[Any, ...]:
    x, axis, places, part = along_axis(d)
    return x, axis, places, _shaped(d, part)


def index_fill(d: Draw) -> tuple[Any, ...]:
    x, axis, places, _ = along_axis(d)
    return x, axis, places, d.number()


def scatter_add(d: Draw) -> tuple[Any, ...]:
    """Values of an activation onto constants, some of them onto one."""
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    whole = [*shape]
    whole[axis] = d.randint(1, 4)
    return d.constant(*whole), axis, d.places(whole[axis], *shape), x


def scatter_value(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    return x, axis, d.places(shape[axis], *(d.randint(1, n) for n in shape)), d.number()


def _shaped(d: Draw, shape: tuple[int, ...]) -> Constant | At:
    if d.maybe(0.5):
        return d.constant(*shape)
    return d.activation(lambda known: known.shape == shape)[0]


FAMILY = Family(
    {
        "slice_scatter.default": slice_scatter,
        "select_scatter.default": select_scatter,
        "copy.default": copied,
        "index_add.default": index_add,
        "index_fill.int_Scalar": index_fill,
        "scatter_add.default": scatter_add,
        "scatter.value": scatter_value,
    }
)
