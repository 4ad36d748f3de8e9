"""How does chance choose by constant indices, and move values to constant places?"""

from typing import Any

from .drawing import At, Draw, Family, alone


def index_select(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    return x, axis, d.places(shape[axis], d.randint(1, 6))


def index(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    chosen = {axis % len(shape) for axis in d.axes(shape)[:2]}
    sizes = d.choice([(2,), (3,), (2, 2)])
    return x, [d.places(n, *sizes) if axis in chosen else None for axis, n in enumerate(shape)]


def gather(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    sizes = [d.randint(1, n) for n in shape]
    sizes[axis] = d.randint(1, 5)
    return x, axis, d.places(shape[axis], *sizes)


def take(d: Draw) -> tuple[Any, ...]:
    x, _ = d.activation()
    return x, d.places(1, 1) if d.maybe(0.1) else d.places(_size(d, x), *d.choice([(3,), (2, 4)]))


def take_along(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    if d.maybe(0.2):
        return x, d.places(_size(d, x), 4)
    sizes = [*shape]
    sizes[axis] = d.randint(1, 5)
    return x, d.places(shape[axis], *sizes), axis


def roll(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    if d.maybe(0.2):
        return x, [d.randint(-5, 5)]
    axes = d.axes(shape)
    return x, [d.randint(-5, 5) for _ in axes], axes


def turned(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(2, 3, 4)
    return x, d.randint(-2, 3), d.sample(range(len(shape)), 2)


def diagonal(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(2, 3, 4)
    return x, d.randint(-1, 1), *d.sample(range(len(shape)), 2)


def embedding(d: Draw) -> tuple[Any, ...]:
    x, rows = d.names_of_rows()
    return d.constant(rows, d.randint(1, 6)), x


def one_hot(d: Draw) -> tuple[Any, ...]:
    return d.names_of_rows()


def triangle(d: Draw) -> tuple[Any, ...]:
    return d.ranked(2, 3, 4)[0], d.randint(-2, 2)


def _size(d: Draw, x: At) -> int:
    size = 1
    for n in d.known[x.number].shape:
        size *= n
    return size


FAMILY = Family(
    {
        "index_select.default": index_select,
        "index.Tensor": index,
        "gather.default": gather,
        "take.default": take,
        "take_along_dim.default": take_along,
        "roll.default": roll,
        "rot90.default": turned,
        "diagonal.default": diagonal,
        "triu.default": triangle,
        "diag_embed.default": alone,
        "embedding.default": embedding,
        "one_hot.default": one_hot,
    },
    weight=5,
)
