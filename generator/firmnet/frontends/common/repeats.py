"""How is an activation repeated along axes, as operators do that broadcast?"""

import numpy as np

from ...ir import Shape, Tensor
from ...ops.slice import SliceAttrs
from .builder import Builder, Unsupported
from .movement import reshaped, sliced


def expanded(b: Builder, x: Tensor, shape: Shape) -> Tensor:
    """x repeated along axes where it has size 1, to the whole `shape`."""
    y = reshaped(b, x, (*[1] * (len(shape) - len(x.shape)), *x.shape))
    if y.shape != shape:
        steps = tuple(1 if n == m else 0 for n, m in zip(y.shape, shape, strict=True))
        y = b.add("slice", SliceAttrs((0,) * len(shape), steps, shape), y)
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
    """Copies along an axis, one behind the other."""
    before, behind = x.shape[:axis], x.shape[axis:]
    copies = sliced(b, reshaped(b, x, (*before, 1, *behind)), axis, 0, 0, times)
    return reshaped(b, copies, (*before, times * x.shape[axis], *behind[1:]))
