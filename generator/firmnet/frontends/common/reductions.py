"""How does a reduction over any axes become the pooling of an image over its height and width?"""

from collections.abc import Callable, Sequence
from math import prod

from ...ir import Tensor
from ...ops.windows import Pair
from .builder import Builder
from .movement import reshaped, transposed

Pooled = Callable[[Builder, Tensor, Pair], Tensor]
"""(builder, image (1, channels, height, width), window (height, width)) → every window as one value."""


def reduced(b: Builder, x: Tensor, dim: int | Sequence[int] | None, keepdim: bool, pooled: Pooled) -> Tensor:
    """x with the axes `dim` (None or empty: all) pooled; keepdim leaves them with size 1. A number stays.

    Height and width of an image are pooled where they lie; other axes are brought together first.
    """
    rank = len(x.shape)
    if not rank:
        return x
    listed = (dim,) if isinstance(dim, int) else dim
    axes = {d % rank for d in listed or range(rank)}
    kept = [axis for axis in range(rank) if axis not in axes]
    shape = [1 if axis in axes else n for axis, n in enumerate(x.shape)]
    result = shape if keepdim else [x.shape[axis] for axis in kept]
    if rank == 4 and x.shape[0] == 1 and axes <= {2, 3}:
        height, width = (x.shape[axis] if axis in axes else 1 for axis in (2, 3))
        return reshaped(b, pooled(b, x, (height, width)), result)
    together = transposed(b, x, [*kept, *sorted(axes)])
    columns = prod(x.shape[axis] for axis in axes)
    image = reshaped(b, together, (1, prod(x.shape[axis] for axis in kept), columns, 1))
    return reshaped(b, pooled(b, image, (columns, 1)), result)
