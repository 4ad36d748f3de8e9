"""How does chance take windows?"""

from typing import Any

from .drawing import At, Call, Draw, Family


def unfold(d: Draw) -> tuple[Any, ...]:
    x, shape = d.ranked(1, 2, 3, 4)
    axis = d.axis(shape)
    return x, axis, d.randint(1, min(4, shape[axis])), d.randint(1, 3)


def im2col(d: Draw) -> tuple[Any, ...]:
    x, _ = d.spatial(4)
    return x, *(d.each(2, choices) for choices in ([1, 2, 3], [1, 1, 2], [0, 0, 1], [1, 2, 3]))


def col2im(d: Draw, call: Call) -> At:
    """Windows of an image, added up where they overlap."""
    x, *options = im2col(d)
    size = d.known[x.number].shape[2:]
    return call("col2im.default", call("im2col.default", x, *options), [*size], *options)


FAMILY = Family({"unfold.default": unfold, "im2col.default": im2col}, {"col2im": col2im}, weight=2)
