"""How does chance join and repeat?"""

from typing import Any

from .drawing import At, Draw, Family


def cat(d: Draw) -> tuple[Any, ...]:
    """Two or three values that differ along one axis at most, a constant among them at times."""
    x, shape = d.ranked(1, 2, 3, 4, 5)
    axis = d.axis(shape)

    def beside(other: tuple[int, ...]) -> bool:
        return len(other) == len(shape) and _without(other, axis) == _without(shape, axis)

    parts: list[Any] = [
        x,
        *(d.activation(lambda known: beside(known.shape))[0] for _ in range(d.randint(1, 2))),
    ]
    if d.maybe(0.25):
        sizes = [*shape]
        sizes[axis] = d.randint(1, 3)
        parts.append(d.constant(*sizes))
    return d.sample(parts, len(parts)), axis


def stack(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(0, 1, 2, 3, 4)
    parts: list[At] = [x, *(d.activation(lambda known: known.shape == shape)[0] for _ in range(2))]
    rank = len(shape) + 1
    return parts[: d.randint(1, 3)], d.randint(-rank, rank - 1)


def expand(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(0, 1, 2, 3, 4)
    sizes = [d.choice([1, 3, -1]) if n == 1 else d.choice([n, -1]) for n in shape]
    return x, [*d.each(d.randint(0, 4 - len(shape)), [1, 2]), *sizes]


def repeat(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    return x, d.each(len(shape) + d.choice([0, 0, 1]), [1, 1, 2, 3])


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    axis %= len(shape)
    return (*shape[:axis], *shape[axis + 1 :])


FAMILY = Family(
    {
        "cat.default": cat,
        "concat.default": cat,
        "concatenate.default": cat,
        "stack.default": stack,
        "expand.default": expand,
        "repeat.default": repeat,
    },
    weight=5,
)
