"""How do PyTorch's slices read? As pools over windows of one value."""

from collections.abc import Mapping
from math import prod

from ....ir import Tensor
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import reshaped
from .pooling import from_aten_max_pool2d


def from_aten_slice(
    b: Builder, x: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Every step-th value along an axis, from the first one on: windows of one value."""
    axis = dim % len(x.shape)
    size = x.shape[axis]
    first, last, _ = slice(start, end).indices(size)
    if first:
        raise Unsupported(f"values {first} to {last} of {size} along axis {axis}")
    if last < size:
        if last > 1:
            raise Unsupported(f"the first {last} values of {size} along axis {axis}")
        step = size
    if step == 1:
        return x
    if len(x.shape) == 4 and x.shape[0] == 1 and axis > 1:
        return from_aten_max_pool2d(b, x, 1, (step, 1) if axis == 2 else (1, step))
    image = reshaped(b, x, (1, 1, prod(x.shape[: axis + 1]), prod(x.shape[axis + 1 :])))
    if size % step:
        image = reshaped(b, x, (1, prod(x.shape[:axis]), size, prod(x.shape[axis + 1 :])))
    return reshaped(
        b,
        from_aten_max_pool2d(b, image, 1, (step, 1)),
        (*x.shape[:axis], -(-size // step), *x.shape[axis + 1 :]),
    )


def from_aten_select(b: Builder, x: Tensor, dim: int, index: int) -> Tensor:
    """x[:, 0]: the first entry of an axis, which vanishes; the only one costs nothing."""
    axis = dim % len(x.shape)
    if index % x.shape[axis]:
        raise Unsupported(f"entry {index} of {x.shape[axis]} along axis {axis}")
    first = from_aten_slice(b, x, axis, 0, 1)
    return reshaped(b, first, (*x.shape[:axis], *x.shape[axis + 1 :]))


RULES: Mapping[str, Rule] = {
    "aten.slice.Tensor": from_aten_slice,
    "aten.select.int": from_aten_select,
}
