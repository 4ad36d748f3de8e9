"""How is an activation repeated along axes, as operators do that broadcast?"""

import numpy as np

from ...ir import Shape, Tensor
from ...ops.concat import ConcatAttrs
from .builder import Builder, Unsupported
from .movement import reshaped

MOST_COPIES = 8
"""Inputs of one layer that are copies of one activation."""


def expanded(b: Builder, x: Tensor, shape: Shape) -> Tensor:
    """x repeated along axes where it has size 1, to the whole `shape`: copies, one behind the other."""
    y = reshaped(b, x, (*[1] * (len(shape) - len(x.shape)), *x.shape))
    for axis, size in enumerate(shape):
        if y.shape[axis] != size:
            y = repeated(b, y, axis, size)
    if y is not x:
        b.expanded[y.name] = x
    return y


def before_expansion(b: Builder, x: Tensor) -> Tensor:
    """For a layer that repeats its input itself: what `expanded` made x of, or x."""
    return b.expanded.get(x.name, x)


def broadcast_shape(op: str, *shapes: Shape) -> Shape:
    """The shape of what PyTorch computes from inputs of these shapes, element by element."""
    try:
        return tuple(int(n) for n in np.broadcast_shapes(*shapes))
    except ValueError:
        raise Unsupported(f"{op} needs shapes that repeat over each other, got {shapes}") from None


def repeated(b: Builder, x: Tensor, axis: int, times: int) -> Tensor:
    """Copies along an axis, doubled as long as that goes, so that no layer has very many inputs."""
    for factor in (2, 3, 5, 7):
        while times % factor == 0 and times > MOST_COPIES:
            x = repeated(b, x, axis, factor)
            times //= factor
    return x if times == 1 else b.add("concat", ConcatAttrs(axis), *[x] * times)
