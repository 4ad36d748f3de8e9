"""How does chance take parts out of a tensor?"""

from typing import Any

from .drawing import Draw, Family

END = 2**63 - 1


def slice_(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    axis = d.axis(shape)
    start = d.randint(-shape[axis], shape[axis] - 1)
    return x, axis, start, d.choice([END, END, start + 2 if start >= 0 else END]), d.choice([1, 1, 2, 3])


def narrow(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    axis = d.axis(shape)
    length = d.randint(1, shape[axis])
    return x, axis, d.randint(0, shape[axis] - length), length


def select(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    axis = d.axis(shape)
    return x, axis, d.randint(-shape[axis], shape[axis] - 1)


def unbind(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = min(range(len(shape)), key=lambda a: (shape[a] == 1, shape[a]))
    return x, axis


def split(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    return x, max(1, shape[axis] // 2), axis


def split_sizes(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    first = d.randint(1, shape[axis])
    return x, [n for n in (first, shape[axis] - first) if n], axis


def chunk(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    return x, d.choice([2, 3]), d.axis(shape)


def flip(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4, 5)
    return x, d.axes(shape)


def sides(*ranks: int) -> Any:
    return lambda d: (d.ranked(*ranks)[0],)


FAMILY = Family(
    {
        "slice.Tensor": slice_,
        "narrow.default": narrow,
        "select.int": select,
        "unbind.int": unbind,
        "split.Tensor": split,
        "split.sizes": split_sizes,
        "split_with_sizes.default": split_sizes,
        "unsafe_split.Tensor": split,
        "unsafe_split_with_sizes.default": split_sizes,
        "chunk.default": chunk,
        "unsafe_chunk.default": chunk,
        "flip.default": flip,
        "fliplr.default": sides(2, 3, 4),
        "flipud.default": sides(1, 2, 3, 4),
    },
    weight=5,
)
